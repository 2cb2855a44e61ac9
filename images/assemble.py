"""Assemble: recipe + locks + store -> OCI image, as a pure function: no network, no clock, no root, no emulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from env.files import space_or
from env.store.store import Store
from images.attest.attach import attached
from images.build.build import Build
from images.build.clashes import require_apart
from images.build.config import Extra, image_config, notes_of
from images.build.intake import activated, build_own, require_installed, require_met
from images.build.layers import Layer, LayerPlan, Settings, known_layer, make_layer
from images.build.several import kernel_layer, kernels, places, planned, promised
from images.build.workers import Place, make_layers
from images.errors import NoSpaceError, TooManyLayersError
from images.oci.layout import Document, Manifest, index, manifest, write_layout
from images.rootfs.activation import Activation
from images.rootfs.bytecode import Interpreter
from images.rootfs.checkout_wheel import checkout_wheel
from images.rootfs.debs import configures
from images.rootfs.interpreter import unpack_conda_python, unpack_interpreter
from images.rootfs.project_wheel import project_wheel


@dataclass(frozen=True)
class Result:
    """An image that has been assembled."""

    image: Document
    manifests: tuple[Manifest, ...]
    layers: dict[str, tuple[Layer, ...]]
    """The layers by OCI platform name."""
    unread: tuple[str, ...] = ()
    """Activation scripts in the image that do more than set variables, so that the image's Env lacks theirs."""
    unconfigured: tuple[str, ...] = ()
    """Debian packages of the project's own that would run a script once they are installed."""


def _interpreters(build: Build, store: Store) -> dict[str, Interpreter]:
    """Unpack the Pythons that compile, by the version of a project's own; "" is Debian's."""
    debian = unpack_interpreter(build.interpreter, store)
    own = {version: unpack_conda_python(lock, debian, store) for version, lock in build.own_interpreters.items()}
    return {"": debian, **own}


def _variables(build: Build, activations: Mapping[Place, Activation]) -> Iterator[tuple[Place, dict[str, str]]]:
    """Yield what the packages of each environment set when it is activated."""
    for platform in build.platforms:
        for prefix in build.all_locks(platform):
            place = Place(platform, prefix)
            yield place, dict(activations[place].variables) if place in activations else {}


def _written(plan: LayerPlan, settings: Settings, interpreters: Mapping[str, Interpreter], store: Store) -> Layer:
    known = known_layer(plan, settings, interpreters, store)
    if known is not None:
        return known
    with store.scratch() as scratch:
        return make_layer(plan, settings, interpreters, store, scratch)


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
        if build.recipe.installs_checkout:
            programs = checkout_wheel(store, build.epoch)
            places_of = map(Place, build.platforms)
            own |= {place: (*own.get(place, ()), programs) for place in places_of}
        plans = [plan for platform in build.platforms for plan in planned(build, platform, store, project, own)]
        require_apart(plans, store, build.recipe.drops)
        total(len(plans))
        look = partial(require_installed, build)
        made, activations = make_layers(plans, settings, interpreters, store, done, look)
        variables = {
            place: {**found, **activated(build, place, found)} for place, found in _variables(build, activations)
        }
        specs = {platform: kernels(build, platform, activations, variables) for platform in build.platforms}
        for platform in build.platforms:
            if (plan := kernel_layer(platform, specs[platform])) is not None:
                made.append(_written(plan, settings, interpreters, store))
    layers = {
        platform.oci: tuple(layer for layer in made if layer.plan.platform == platform) for platform in build.platforms
    }
    notes = notes_of(build.recipe, build.environment, build.created)
    manifests = []
    for platform in build.platforms:
        stack = layers[platform.oci]
        if len(stack) > build.recipe.image.max_layers:
            raise TooManyLayersError(len(stack), build.recipe.image.max_layers)
        more = promised(build, platform, specs[platform])
        about = Extra(variables[Place(platform)], places(build), more)
        config = image_config(build.recipe, platform, build.environment, build.created, stack, about)
        manifests.append(manifest(platform, config, (layer.blob for layer in stack), notes))
    image = index(manifests, notes)
    with space_or(NoSpaceError(output)):
        documents = attached(build, image, manifests, layers, store)
        write_layout(output, build.recipe.image.name, image, manifests, documents, store)
    unread = tuple(dict.fromkeys(path for one in activations.values() for path in one.unread))
    return Result(image, tuple(manifests), layers, unread, _unconfigured(build, store))


def _unconfigured(build: Build, store: Store) -> tuple[str, ...]:
    locks = [build.locks(platform)["apt"] for platform in build.platforms if "apt" in build.locks(platform)]
    files = {file.name: file for lock in locks for file in lock.files}
    return tuple(sorted(name for name, file in files.items() if configures(store.path(file.sha256))))
