"""``python -m images inspect``: what an image says of itself, wherever it is, without fetching its layers."""

from __future__ import annotations

import argparse
import json
import shlex
from typing import Any

from rich.console import Console
from rich.filesize import decimal

from env.platforms import parse_platforms
from env.store.store import Store
from images.check.discover import CONTAINER, provided
from images.check.discover import LABEL as PROVIDES
from images.check.run_config import run_config
from images.cli.origin import opened
from images.errors import NotOfferedError
from images.oci.read import PlatformImage, read_layout
from images.recipe.checks import LABEL, from_label


def run_inspect(options: argparse.Namespace, console: Console) -> None:
    """Print what an image is."""
    platforms = parse_platforms(options.platform) if options.platform else None
    store = Store(options.store)
    with (
        store.in_use(),
        opened(options.image, platforms, store, console, layers=False, insecure=options.insecure) as origin,
    ):
        images = read_layout(origin.layout)
        for platform in platforms or ():
            if platform not in images:
                raise NotOfferedError(origin.said, platform, [known.oci for known in images])
        chosen = [image for platform, image in images.items() if platforms is None or platform in platforms]
    if options.json:
        print(json.dumps([_entry(image) for image in chosen], indent=2))  # noqa: T201 - the result, for a program to read
        return
    out = Console(highlight=False, soft_wrap=True)
    for image in chosen:
        for line in _described(image, origin.said):
            out.print(line, markup=False)


def _entry(image: PlatformImage) -> dict[str, Any]:
    layers = [{"MIMEType": one["mediaType"], "Digest": one["digest"], "Size": one["size"]} for one in image.layers]
    return {
        "Digest": image.digest,
        "Os": image.platform.oci.partition("/")[0],
        "Architecture": image.platform.architecture,
        "Created": image.config.get("created"),
        "Config": image.config.get("config") or {},
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
        "LayersData": layers,
    }


def _described(image: PlatformImage, origin: str) -> list[str]:
    config = run_config(image.config.get("config"), origin)
    labels: dict[str, str] = config["Labels"]
    sections = from_label(labels.get(LABEL, "{}"), origin)
    checks = [check for section in sections.values() for check in section]
    atwork = sum(check.scope == "deploy" for check in checks)
    started = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    servers = provided(config, CONTAINER, origin)
    size = decimal(sum(int(one["size"]) for one in image.layers))
    facts = {
        "created": image.config.get("created") or "",
        "user": config.get("User") or "root",
        "starts": shlex.join(started),
        "ports": ", ".join(config.get("ExposedPorts") or ()),
        "volumes": ", ".join(config.get("Volumes") or ()),
        "mcp": ", ".join(f"{one.name} at {one.url}" for one in servers),
        "checks": f"{len(checks) - atwork} at rest, {atwork} at work",
    }
    lines = [f"{image.platform}  {image.digest}  {size} in {len(image.layers)} layers"]
    lines += [f"  {name:8} {value}" for name, value in facts.items() if value]
    return [*lines, *(f"  {name}={value}" for name, value in labels.items() if name not in (LABEL, PROVIDES))]
