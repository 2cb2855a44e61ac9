"""Assemble: recipe + locks + store -> OCI image, as a pure function: no network, no clock, no root, no emulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from env.files import space_or
from env.store.store import Store
from images.attest.attach import attached
from images.build.build import Build
from images.build.config import image_config, notes_of
from images.build.layers import Layer, Settings, plan_layers
from images.build.workers import make_layers
from images.errors import NoSpaceError, TooManyLayersError
from images.oci.layout import Document, Manifest, index, manifest, write_layout
from images.rootfs.interpreter import unpack_interpreter
from images.rootfs.project_wheel import project_wheel

MAX_LAYERS = 127
"""What overlayfs mounts of common runtimes accept."""


@dataclass(frozen=True)
class Result:
    """An image that has been assembled."""

    image: Document
    manifests: tuple[Manifest, ...]
    layers: dict[str, tuple[Layer, ...]]
    """The layers by OCI platform name."""
    unread: tuple[str, ...] = ()
    """Activation scripts in the image that do more than set variables, so that the image's Env lacks theirs."""


def assemble(
    build: Build, store: Store, output: Path, total: Callable[[int], None], done: Callable[[Layer], None]
) -> Result:
    """Make the image and write its layout to `output`.

    `total` is told once how many layers there are, and `done` of every layer as it is finished.

    Raises:
        EnvError: anything that can be put right; its message says how, and `output` is as it was.

    """
    with space_or(NoSpaceError(store.root)):
        interpreter = unpack_interpreter(build.interpreter, store)
        settings = Settings(build.recipe, build.epoch, build.compression)
        project = project_wheel(store, build.epoch) if build.recipe.installs_project else None
        plans = [
            plan
            for platform in build.platforms
            for plan in plan_layers(build.recipe, platform, build.locks(platform), project)
        ]
        total(len(plans))
        made, activations = make_layers(plans, settings, interpreter, store, done)
    layers = {
        platform.oci: tuple(layer for layer in made if layer.plan.platform == platform) for platform in build.platforms
    }
    notes = notes_of(build.recipe, build.environment, build.created)
    manifests = []
    for platform in build.platforms:
        own = layers[platform.oci]
        if len(own) > MAX_LAYERS:
            raise TooManyLayersError(len(own), MAX_LAYERS)
        variables = activations[platform].variables if platform in activations else {}
        config = image_config(build.recipe, platform, build.environment, build.created, own, variables)
        manifests.append(manifest(platform, config, (layer.blob for layer in own), notes))
    image = index(manifests, notes)
    with space_or(NoSpaceError(output)):
        about = attached(build, image, manifests, layers, store)
        write_layout(output, build.recipe.image.name, image, manifests, about, store)
    unread = tuple(dict.fromkeys(path for one in activations.values() for path in one.unread))
    return Result(image, tuple(manifests), layers, unread)
