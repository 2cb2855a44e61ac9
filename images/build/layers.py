"""Layers: what each one is made of, and the pure function that makes its blob.

Layers follow how things change: the Debian base, the packages of an environment and of what goes over it, the large
ones each for itself and the others in buckets (`images.build.buckets`), the image's own files, and last the project's
wheel, which changes most often.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from env.formats.lock import Lock, LockedFile
from env.platforms import Platform
from env.store.store import Store
from images.build.buckets import grouped, size_to_be_alone
from images.cache import Cache, key_of, program_digest
from images.oci.tarball import Blob, Compression, pack
from images.recipe.recipe import NamedPart, Recipe
from images.rootfs import conda, debs, wheels
from images.rootfs.bytecode import Compiler, Interpreter
from images.rootfs.entries import Entry, Kind, merge, with_parents
from images.rootfs.interpreter import minor_of
from images.rootfs.parts import directories, joined, kept, own_entries, unprivileged
from images.rootfs.record_file import recorded

LayerKind = Literal["debian", "wheels", "conda", "files"]


@dataclass(frozen=True)
class LayerPlan:
    """One layer, before it is made."""

    name: str
    kind: LayerKind
    platform: Platform
    files: tuple[LockedFile, ...] = ()
    parts: tuple[NamedPart, ...] = ()
    """The parts whose own files are in it."""
    environment: bool = False
    """Whether the virtual environment itself is in it."""
    beside: tuple[LockedFile, ...] = ()
    """All conda packages of the platform: installed together, they decide which one a shared path comes from."""
    python: str = wheels.PYTHON
    """The Python that wheels in it are for, by the name of its program."""
    full_python: str = ""
    """Of conda packages or of wheels over them: the full version of their Python."""


@dataclass(frozen=True)
class Settings:
    """What all layers of a build share."""

    recipe: Recipe
    mtime: int
    """Seconds since 1970 that every file carries."""
    compression: Compression


@dataclass(frozen=True)
class Layer:
    """A layer that has been made."""

    plan: LayerPlan
    blob: Blob
    reused: bool
    """Whether its blob was in the store already."""


def layer_key(plan: LayerPlan, settings: Settings, interpreter: Interpreter) -> str:
    """Return the key of a layer's blob: everything its bytes depend on."""
    drops = [drop.model_dump() for part in settings.recipe.parts for drop in part.part.drop]
    own = [
        [part.name, part.part.model_dump(mode="json", exclude={"check", "config"}), _digests(part.rootfs)]
        for part in plan.parts
    ]
    files = [[file.sha256 for file in plan.files], [file.sha256 for file in plan.beside]]
    known = [[entry.path, entry.mode, entry.uid, entry.gid] for entry in directories(settings.recipe).values()]
    shared = [settings.mtime, settings.compression, drops, known, settings.recipe.user.model_dump()]
    return key_of(
        program_digest(__name__), plan.kind, plan.environment, files, own, shared, [plan.python, interpreter.identity]
    )


def _digests(folder: Path) -> list[Any]:
    return [
        [path.relative_to(folder).as_posix(), path.stat().st_mode & 0o100, _digest(path)]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_layer(plan: LayerPlan, settings: Settings, interpreter: Interpreter, store: Store) -> Layer | None:
    """Return a layer that was made before, or None."""
    known = Cache(store).get("layer", layer_key(plan, settings, interpreter))
    if known is None or known["digest"] not in store:
        return None
    return Layer(plan, Blob(**known), reused=True)


def make_layer(
    plan: LayerPlan, settings: Settings, interpreter: Interpreter, store: Store, scratch: Path, prefix: Path | None
) -> Layer:
    """Make a layer into the store, with `scratch` for its unpacked files.

    `prefix` is where the platform's conda packages are installed, if the layer is of those.

    Raises:
        ImageError: a package can't be used, or two packages bring one path.
        StoreMissError, StoreCorruptError: a locked file is not in the store as it should be.

    """
    stage = Path(tempfile.mkdtemp(dir=scratch))
    try:
        packages = merge(_packages(plan, store, stage / "packages", prefix))
        tree = _tree(plan, packages, settings, Compiler(interpreter, store), stage)
        with store.writer(stage) as file:
            blob = pack(tree, file, mtime=settings.mtime, compression=settings.compression)
            file.flush()
            store.adopt(Path(file.name), blob.digest)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    Cache(store).put("layer", layer_key(plan, settings, interpreter), asdict(blob))
    return Layer(plan, blob, reused=False)


def _tree(
    plan: LayerPlan, everything: dict[str, Entry], settings: Settings, compiler: Compiler, stage: Path
) -> dict[str, Entry]:
    drops = [drop for part in settings.recipe.parts for drop in part.part.drop]
    packages = unprivileged(recorded(kept(everything, drops), everything))
    own = [entry for part in plan.parts for entry in own_entries(part, settings.recipe.user)]
    joins = [join for part in plan.parts for join in part.part.join]
    compiled: list[Entry] = []
    for number, origin in enumerate(sorted({entry.origin for entry in packages.values()})):
        sources = [entry for entry in packages.values() if entry.origin == origin and _is_module(entry)]
        compiled.extend(compiler.compiled(sources, stage / "bytecode" / str(number)))
    tree = merge([*packages.values(), *own, *compiled, *joined(joins, packages)])
    return with_parents(tree, directories(settings.recipe))


def _is_module(entry: Entry) -> bool:
    return entry.kind is Kind.FILE and entry.path.endswith(".py") and "/lib/python3" in f"/{entry.path}"


def _packages(plan: LayerPlan, store: Store, stage: Path, prefix: Path | None) -> Iterator[Entry]:
    if plan.environment:
        yield from wheels.environment(wheels.PYTHON)
    for number, file in enumerate(plan.files):
        if prefix is not None:
            yield from conda.entries(file, prefix)
            continue
        path = store.verified(file.sha256, file.file)
        if plan.kind == "debian":
            yield from debs.unpack(path, file.name, stage / str(number))
            status = f"var/lib/dpkg/status.d/{file.name}"
            yield Entry(status, Kind.FILE, 0o644, content=debs.control(path).encode(), origin=file.name)
        else:
            yield from wheels.staged([(path, file.file)], stage / str(number), file.name, plan.python)


def plan_layers(
    recipe: Recipe,
    platform: Platform,
    locks: Mapping[str, Lock],
    project: LockedFile | None = None,
    own: Sequence[LockedFile] = (),
) -> list[LayerPlan]:
    """Divide an image into layers, from the one that changes least to the one that changes most.

    `locks` are those the parts install from: ``debian``, ``environment``, ``overlay``; what a recipe brings is in
    ``environment``, and in ``pypi`` where wheels go over conda packages; ``overlay`` is then what it lacks. Without the
    `project`, its layer is left out; `own` are the wheels of somebody else's projects that the image is for, the one
    that changes most last.
    """
    based = tuple(part for part in recipe.parts if "debian" in part.part.install.locks)
    others = tuple(part for part in recipe.parts if part not in based)
    plans = []
    if "debian" in locks:
        plans.append(LayerPlan("debian", "debian", platform, locks["debian"].files, based))
    divided = {name: locks[name] for name in ("environment", "pypi", "overlay") if name in locks}
    own_size = recipe.image.own_layer_size or size_to_be_alone(divided)
    for name_of_lock, lock in divided.items():
        plans.extend(_grouped(name_of_lock, lock, own_size))
    plans.append(LayerPlan("image", "files", platform, parts=others))
    base = locks.get("environment")
    full = base.python if base is not None and base.source == "conda" else ""
    name = f"python{minor_of(full)}" if full else wheels.PYTHON
    if project is not None and any(part.part.install.project for part in recipe.parts):
        plans.append(LayerPlan(project.name, "wheels", platform, (project,), python=name, full_python=full))
    others_of_own = tuple(own[:-1])
    if others_of_own:
        plans.append(LayerPlan("projects", "wheels", platform, others_of_own, python=name, full_python=full))
    plans += [LayerPlan(one.name, "wheels", platform, (one,), python=name, full_python=full) for one in own[-1:]]
    return plans


def _grouped(name: str, lock: Lock, own_size: int) -> Iterator[LayerPlan]:
    kind: LayerKind = "conda" if lock.source == "conda" else "wheels"
    beside = lock.files if kind == "conda" else ()
    full = lock.python if lock.source in ("conda", "pypi") else ""
    python = f"python{minor_of(full)}" if full and lock.source == "pypi" else wheels.PYTHON
    bare = LayerPlan(name, kind, lock.platform, beside=beside, python=python, full_python=full)
    if lock.source in ("wheels", "cuda", "pylock"):
        yield replace(bare, environment=True)
    for layer, files in grouped(name, lock.files, own_size):
        yield replace(bare, name=layer, files=files)
