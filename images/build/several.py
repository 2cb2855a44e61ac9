"""Several environments in one image: where each is, its kernel in Jupyter, and what is promised of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from pydantic import TypeAdapter

from env.formats.lock import Lock, LockedFile
from env.platforms import Platform
from env.store.store import Store
from images.build.buckets import sized
from images.build.build import Build
from images.build.kernels import kernels_of, promises, written
from images.build.layers import LayerPlan
from images.build.stack import Other, plan_layers
from images.build.workers import Place
from images.recipe.checks import Check
from images.rootfs.activation import Activation
from images.rootfs.wheels import PREFIX

_CHECK: TypeAdapter[Check] = TypeAdapter(Check)
_NOTHING = Activation({})
_SERVER = "jupyter-client"


def planned(
    build: Build,
    platform: Platform,
    store: Store,
    project: LockedFile | None = None,
    own: Mapping[Place, Sequence[LockedFile]] = MappingProxyType({}),
) -> list[LayerPlan]:
    """Return the layers of a platform's image, but for what is known only once its packages are installed.

    Raises:
        LockMissingError, LockFormatError, StaleLockError: a lock can't be built from.

    """
    others = [
        Other(one.name, one.prefix, sized(locks, store), own.get(Place(platform, one.prefix), ()))
        for one, locks in build.others(platform)
    ]
    locks = sized(build.locks(platform), store)
    carried = tuple({file.sha256: file for lock in build.carried() for file in lock.files}.values())
    return plan_layers(build.recipe, platform, locks, project, own.get(Place(platform), ()), others, carried)


def kernels(
    build: Build,
    platform: Platform,
    activations: Mapping[Place, Activation],
    variables: Mapping[Place, Mapping[str, str]],
) -> dict[str, dict[str, object]]:
    """Return the kernel specs of an image with several environments, by the kernel's name; of one, none are needed."""
    found: dict[str, dict[str, object]] = {}
    for name, prefix, locks in _each(build, platform):
        place = Place(platform, prefix)
        brought = activations.get(place, _NOTHING).kernels
        python, packages = _python(locks), [file.name for lock in locks for file in lock.files]
        found |= kernels_of(name, prefix, python, packages, brought, variables.get(place, {}))
    return found


def kernel_layer(platform: Platform, specs: Mapping[str, Mapping[str, object]]) -> LayerPlan | None:
    """Return the layer with these kernel specs; None where there are none."""
    return LayerPlan("kernels", "files", platform, written=tuple(written(specs))) if specs else None


def promised(build: Build, platform: Platform, specs: Mapping[str, object]) -> list[Check]:
    """Return the checks that an image with several environments carries besides its recipe's."""
    first = {file.name for lock in build.locks(platform).values() for file in lock.files}
    checks = [
        promise
        for name, prefix, locks in _each(build, platform)
        for promise in promises(name, prefix, _python(locks), list(specs), serves=_SERVER in first)
    ]
    return [_CHECK.validate_python(check) for check in checks]


def places(build: Build) -> dict[str, str]:
    """Return where the image has each of several environments, by their names."""
    return {one.name: one.prefix for one in build.environments} if len(build.environments) > 1 else {}


def described(build: Build) -> Iterator[str]:
    """Yield, in words, where several environments are."""
    for name, prefix in places(build).items():
        yield f"environment {name} at {prefix}{', first on PATH' if prefix == PREFIX else ''}"


def _each(build: Build, platform: Platform) -> Iterator[tuple[str, str, list[Lock]]]:
    """Yield name, prefix and locks of several environments."""
    if len(build.environments) > 1:
        locks = build.all_locks(platform)
        yield from ((one.name, one.prefix, locks[one.prefix]) for one in build.environments)


def _python(locks: Sequence[Lock]) -> str:
    return next((lock.python for lock in locks if lock.source == "conda"), "")
