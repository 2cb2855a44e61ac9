"""What a build would do, from recipe and locks alone: packages, download sizes and layers per platform; no network."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from rich.filesize import decimal

from env.store.store import Store
from images.build.build import Build
from images.build.layers import LayerPlan, plan_layers

_WIDTH = 116


def layers_of(build: Build) -> dict[str, list[LayerPlan]]:
    """Give the planned layers by OCI platform name, without the project's own wheel, which is built from the checkout.

    Raises:
        LockMissingError, LockFormatError, StaleLockError: a lock can't be built from.

    """
    return {platform.oci: plan_layers(build.recipe, platform, build.locks(platform)) for platform in build.platforms}


def described(build: Build, store: Store) -> Iterator[str]:
    """Give the plan as lines for a person."""
    for platform, layers in layers_of(build).items():
        files = [file for layer in layers for file in layer.files]
        lacking = sum(file.size for file in files if file.sha256 not in store)
        yield (
            f"{platform}  environment {build.environment}: {len(files)} packages, "
            f"{decimal(sum(file.size for file in files))}, of which {decimal(lacking)} to fetch; {len(layers)} layers "
            "and that of the project's wheel"
        )
        for number, layer in enumerate(layers, 1):
            size = decimal(sum(file.size for file in layer.files))
            count = f"{len(layer.files)} package{'' if len(layer.files) == 1 else 's'}"
            yield f"  {number:2}  {layer.name}: {count}, {size}"
            if len(layer.files) > 1:
                names = ", ".join(f"{file.name} {file.version.partition(' ')[0]}" for file in layer.files)
                indent = " " * 6
                yield from textwrap.wrap(
                    names, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
                )


def summary(build: Build, store: Store) -> dict[str, Any]:
    """Give the plan as JSON for a program; sizes are bytes."""
    return {
        "environment": build.environment,
        "platforms": [
            {
                "platform": platform,
                "layers": [
                    {
                        "name": layer.name,
                        "packages": [
                            {
                                "name": file.name,
                                "version": file.version,
                                "size": file.size,
                                "sha256": file.sha256,
                                "stored": file.sha256 in store,
                            }
                            for file in layer.files
                        ],
                    }
                    for layer in layers
                ],
            }
            for platform, layers in layers_of(build).items()
        ],
    }
