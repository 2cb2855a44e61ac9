"""Assemble: recipe + locks + store -> OCI image, as a pure function: no network, no clock, no root, no emulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from env.files import space_or
from env.store.store import Store
from images.attest.attach import attached
from images.build.buckets import sized
from images.build.build import Build
from images.build.clashes import require_apart
from images.build.config import image_config, notes_of
from images.build.intake import activated, build_own, require_met, require_no_links
from images.build.layers import Layer, Settings, plan_layers
from images.build.workers import make_layers
from images.errors import NoSpaceError, TooManyLayersError
from images.oci.layout import Document, Manifest, index, manifest, write_layout
from images.rootfs.bytecode import Interpreter
from images.rootfs.interpreter import unpack_conda_python, unpack_interpreter
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


def _interpreters(build: Build, store: Store) -> dict[str, Interpreter]:
    """Unpack the Pythons that compile, by the version of a project's own; "" is Debian's."""
    debian = unpack_interpreter(build.interpreter, store)
    own = {version: unpack_conda_python(lock, debian, store) for version, lock in build.own_interpreters.items()}
    return {"": debian, **own}


def assemble(
    build: Build, store: Store, output: Path, total: Callable[[int], None], done: Callable[[Layer], None]
) -> Result:
    """Make the image and write its layout to `output`.

    `total` is told once how many layers there are, and `done` of every layer as it is finished.

    Raises:
        EnvError: anything that can be put right; its message says how, and `output` is as it was.

    """
    with space_or(NoSpaceError(store.root)):
        interpreters = _interpreters(build, store)
        settings = Settings(build.recipe, build.epoch, build.compression)
        project = project_wheel(store, build.epoch) if build.recipe.installs_project else None
        own = build_own(build, store)
        require_met(build, store, own)
        plans = [
            plan
            for platform in build.platforms
            for plan in plan_layers(
                build.recipe, platform, sized(build.locks(platform), store), project, own.get(platform, ())
            )
        ]
        require_apart(plans, store)
        total(len(plans))
        look = partial(require_no_links, build)
        made, activations = make_layers(plans, settings, interpreters, store, done, look)
    layers = {
        platform.oci: tuple(layer for layer in made if layer.plan.platform == platform) for platform in build.platforms
    }
    notes = notes_of(build.recipe, build.environment, build.created)
    manifests = []
    for platform in build.platforms:
        stack = layers[platform.oci]
        if len(stack) > MAX_LAYERS:
            raise TooManyLayersError(len(stack), MAX_LAYERS)
        variables = dict(activations[platform].variables) if platform in activations else {}
        variables = {**variables, **activated(build, platform, variables)}
        config = image_config(build.recipe, platform, build.environment, build.created, stack, variables)
        manifests.append(manifest(platform, config, (layer.blob for layer in stack), notes))
    image = index(manifests, notes)
    with space_or(NoSpaceError(output)):
        about = attached(build, image, manifests, layers, store)
        write_layout(output, build.recipe.image.name, image, manifests, about, store)
    unread = tuple(dict.fromkeys(path for one in activations.values() for path in one.unread))
    return Result(image, tuple(manifests), layers, unread)
