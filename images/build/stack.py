"""Which layers an image has.

They follow how things change: the Debian base, the packages of an environment and of what goes over it, the large ones
each for itself and the others in buckets (`images.build.buckets`), the image's own files, and last the project's wheel,
which changes most often. Of several environments, packages of one bucket are in one layer, and so is a package that
several have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from env.formats.lock import Lock, LockedFile
from env.platforms import Platform
from images.build.buckets import Room, grouped, room_for, size_to_be_alone
from images.build.layers import LayerKind, LayerPlan
from images.errors import TooFewLayersError
from images.recipe.recipe import Recipe
from images.rootfs import wheels
from images.rootfs.interpreter import minor_of


@dataclass(frozen=True)
class Other:
    """An environment of an image besides the first."""

    name: str
    prefix: str
    locks: Mapping[str, Lock]
    """``environment``, and ``pypi`` where wheels go over its conda packages."""
    own: Sequence[LockedFile] = field(default=())
    """The wheels of projects that go into it, the one that changes most last."""


def plan_layers(
    recipe: Recipe,
    platform: Platform,
    locks: Mapping[str, Lock],
    project: LockedFile | None = None,
    own: Sequence[LockedFile] = (),
    others: Sequence[Other] = (),
    carried: tuple[LockedFile, ...] = (),
) -> list[LayerPlan]:
    """Divide an image into layers, from the one that changes least to the one that changes most.

    `locks` are those the parts install from: ``debian``, ``environment``, ``overlay``; what a recipe brings is in
    ``environment``, and in ``pypi`` where wheels go over conda packages; ``overlay`` is then what it lacks. Without the
    `project`, its layer is left out; `own` are the wheels of somebody else's projects that the image is for, the one
    that changes most last. `others` are its environments besides that; `carried` are files for the image's own store.
    """
    based = tuple(part for part in recipe.parts if "debian" in part.part.install.locks)
    unbased = tuple(part for part in recipe.parts if part not in based)
    plans = []
    if "debian" in locks:
        plans.append(LayerPlan("debian", "debian", platform, locks["debian"].files, based))
    if "apt" in locks and locks["apt"].files:
        plans.append(LayerPlan("apt", "debian", platform, locks["apt"].files))
    first = Other("", wheels.PREFIX, locks, own)
    room = _room(recipe, first, others, (project is not None) + bool(carried))
    size = recipe.image.own_layer_size or size_to_be_alone(
        [_divided(one.locks) for one in (first, *others)], room.alone
    )
    stacks = [
        [plan for name, lock in _divided(one.locks).items() for plan in _grouped(name, lock, size, one, room)]
        for one in (first, *others)
    ]
    plans += _folded(stacks, [one.name for one in (first, *others)])
    if carried:
        plans.append(LayerPlan("store", "files", platform, carried=carried))
    plans.append(LayerPlan("image", "files", platform, parts=unbased))
    if project is not None and any(part.part.install.project for part in recipe.parts):
        plans.append(_over(project.name, (project,), platform, first))
    owned = [[*_projects(platform, one)] for one in (first, *others)]
    return [*plans, *_folded(owned, [one.name for one in (first, *others)])]


def _room(recipe: Recipe, first: Other, others: Sequence[Other], more: int) -> Room:
    """Return how the layers of packages share out what the other layers leave."""
    every = (first, *others)
    names = dict.fromkeys(name for one in every for name in _divided(one.locks))
    # Debian's, the virtual environments themselves, the image's own files, the kernels, and wheels that are built.
    rest = 3 + ("apt" in first.locks) + len(every) + bool(others) + more + sum(min(len(one.own), 2) for one in every)
    limit = recipe.image.max_layers
    room = room_for(names, limit - rest)
    if room is None:
        least = rest + len(names)
        raise TooFewLayersError(recipe.path, limit, least)
    return room


def _divided(locks: Mapping[str, Lock]) -> dict[str, Lock]:
    return {name: locks[name] for name in ("environment", "pypi", "overlay") if name in locks}


def _projects(platform: Platform, one: Other) -> Iterator[LayerPlan]:
    """Yield the layers of an environment's projects: the last, which changes most, has one for itself."""
    if one.own[:-1]:
        yield _over("projects", tuple(one.own[:-1]), platform, one)
    for last in one.own[-1:]:
        yield _over(last.name, (last,), platform, one)


def _over(name: str, files: tuple[LockedFile, ...], platform: Platform, one: Other) -> LayerPlan:
    """Return a layer of wheels that go over an environment."""
    base = one.locks.get("environment")
    full = base.python if base is not None and base.source == "conda" else ""
    python = f"python{minor_of(full)}" if full else wheels.PYTHON
    return LayerPlan(name, "wheels", platform, files, python=python, full_python=full, prefix=one.prefix)


def _grouped(name: str, lock: Lock, own_size: int, one: Other, room: Room) -> Iterator[LayerPlan]:
    kind: LayerKind = "conda" if lock.source == "conda" else "wheels"
    beside = lock.files if kind == "conda" else ()
    full = lock.python if lock.source in ("conda", "pypi") else ""
    python = f"python{minor_of(full)}" if full and lock.source == "pypi" else wheels.PYTHON
    bare = LayerPlan(name, kind, lock.platform, beside=beside, python=python, full_python=full, prefix=one.prefix)
    if lock.source in ("wheels", "cuda", "pylock"):
        yield replace(bare, environment=True)
    for layer, files in grouped(name, lock.files, own_size, room):
        yield replace(bare, name=layer, files=files)


def _folded(stacks: Sequence[Sequence[LayerPlan]], names: Sequence[str]) -> list[LayerPlan]:
    """Return the layers of several environments as those of one image.

    A layer of another environment goes into one of the same bucket, or of the same single package; without any, it is a
    layer of its own, with the environment's name where another has the same.
    """
    folded = list(stacks[0]) if stacks else []
    for stack, name in zip(stacks[1:], names[1:], strict=True):
        for plan in stack:
            fitting = (at for at, other in enumerate(folded) if _together(other, plan))
            if (at := next(fitting, None)) is not None:
                folded[at] = replace(folded[at], others=(*folded[at].others, plan))
            else:
                taken = {other.name for other in folded}
                folded.append(replace(plan, name=f"{plan.name}-{name}") if plan.name in taken else plan)
    return folded


def _together(one: LayerPlan, other: LayerPlan) -> bool:
    if one.kind != other.kind or one.environment or other.environment:
        return False
    alone = [len(plan.files) == 1 and plan.name == plan.files[0].name for plan in (one, other)]
    if all(alone):
        # Of two versions each has its layer: a change of one leaves the other alone.
        return one.files[0].sha256 == other.files[0].sha256
    return not any(alone) and one.name == other.name
