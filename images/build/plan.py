"""What a build would do, from recipe and locks alone: packages, download sizes and layers per platform; no network."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rich.filesize import decimal

from env.formats.lock import LockedFile
from env.platforms import parse_platform
from env.spec import DISTRIBUTION as PROJECT
from env.store.store import Store
from images.build.build import Build
from images.build.layers import LayerPlan
from images.build.several import described as places_of
from images.build.several import planned

_WIDTH = 116


def layers_of(build: Build, store: Store) -> dict[str, list[LayerPlan]]:
    """Return the planned layers by OCI platform, without the project's own wheel, which is built from the checkout.

    Raises:
        LockMissingError, LockFormatError, StaleLockError: a lock can't be built from.

    """
    return {platform.oci: planned(build, platform, store) for platform in build.platforms}


def described(build: Build, store: Store) -> Iterator[str]:
    """Yield the plan as lines for a person."""
    for platform, layers in layers_of(build, store).items():
        files = [file for layer in layers for file in layer.packages]
        lacking = sum(file.size for file in files if file.sha256 not in store)
        yield (
            f"{platform}  environment {build.environment}: {len(files)} packages, "
            f"{_size(files)}, of which {decimal(lacking)} to fetch; {len(layers)} layers{_besides(build, platform)}"
        )
        yield from (f"  {line}" for line in places_of(build))
        for number, layer in enumerate(layers, 1):
            size = _size(layer.packages)
            count = f"{len(layer.packages)} package{'' if len(layer.packages) == 1 else 's'}"
            yield f"  {number:2}  {layer.name}: {count}, {size}"
            if len(layer.packages) > 1:
                names = ", ".join(f"{file.name} {file.version.partition(' ')[0]}" for file in layer.packages)
                indent = " " * 6
                yield from textwrap.wrap(
                    names, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
                )


def _size(files: Sequence[LockedFile]) -> str:
    unknown = sum(not file.size for file in files)
    more = f" and {unknown} packages whose size the lock does not say" if unknown else ""
    return f"{decimal(sum(file.size for file in files))}{more}"


def _besides(build: Build, oci: str) -> str:
    """Return, in words, the layers of what is built from sources."""
    platform = parse_platform(oci)
    every = [one.intake.folders(platform) for one in build.environments]
    folders = tuple(dict.fromkeys(folder for some in every for folder in some))
    names = [f"that of {PROJECT}'s wheel"] if build.recipe.installs_project else []
    if others := folders[:-1]:
        names.append(f"that of the wheels of the projects in {', '.join(map(str, others))}")
    names += [f"that of the wheel of the project in {folder}" for folder in folders[-1:]]
    return f", {' and '.join(names)}" if names else ""


def summary(build: Build, store: Store) -> dict[str, Any]:
    """Return the plan as JSON for a program; sizes are bytes."""
    return {
        "environment": build.environment,
        "platforms": [
            {
                "platform": platform,
                "layers": [
                    {
                        "name": layer.name,
                        "kind": layer.kind,
                        "packages": [
                            {
                                "name": file.name,
                                "version": file.version,
                                "size": file.size,
                                "sha256": file.sha256,
                                "stored": file.sha256 in store,
                            }
                            for file in layer.packages
                        ],
                    }
                    for layer in layers
                ],
            }
            for platform, layers in layers_of(build, store).items()
        ],
    }
