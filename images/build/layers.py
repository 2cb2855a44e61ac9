"""Layers: what each one is made of, and the pure function that makes its blob.

`images.build.stack` says which there are.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from env.formats.lock import LockedFile
from env.platforms import Platform
from env.store.store import Store
from images.build.sharing import shared, shared_bytecode
from images.cache import Cache, key_of, program_digest
from images.oci.tarball import Blob, Compression, pack
from images.recipe.recipe import NamedPart, Recipe
from images.rootfs import conda, debs, wheels
from images.rootfs.bytecode import Compiler, Interpreter, pyc_path
from images.rootfs.carried import carried_entries
from images.rootfs.entries import Entry, Kind, merge, with_parents
from images.rootfs.parts import directories, divided, joined, own_entries, unprivileged
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
    prefix: str = wheels.PREFIX
    """Where the environment is that its packages are of."""
    others: tuple[LayerPlan, ...] = ()
    """What is in the layer of other environments: packages with these names, or these packages at their prefixes."""
    written: tuple[tuple[str, str], ...] = ()
    """Files that the build itself writes: paths and texts."""
    carried: tuple[LockedFile, ...] = ()
    """Files that the image has in a store of its own."""

    @property
    def environments(self) -> tuple[LayerPlan, ...]:
        """What is in the layer of each environment."""
        return (self, *self.others)

    @property
    def packages(self) -> tuple[LockedFile, ...]:
        """Every package in it, each once, in however many environments it is."""
        return tuple({file.sha256: file for one in self.environments for file in one.files}.values())


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


def layer_key(plan: LayerPlan, settings: Settings, interpreters: Mapping[str, Interpreter]) -> str:
    """Return the key of a layer's blob: everything its bytes depend on; the errors and arguments are `make_layer`'s."""
    drops = [drop.model_dump() for drop in settings.recipe.drops]
    own = [
        [part.name, part.part.model_dump(mode="json", exclude={"check", "config"}), _digests(part.rootfs)]
        for part in plan.parts
    ]
    files = [
        [
            one.prefix,
            [file.sha256 for file in one.files],
            [file.sha256 for file in one.beside],
            one.python,
            interpreter_of(one, interpreters).identity,
        ]
        for one in plan.environments
    ]
    known = [[entry.path, entry.mode, entry.uid, entry.gid] for entry in directories(settings.recipe).values()]
    shared = [settings.mtime, settings.compression, drops, known, settings.recipe.user.model_dump()]
    written, carried = list(map(list, plan.written)), [file.sha256 for file in plan.carried]
    return key_of(
        program_digest(__name__),
        plan.kind,
        plan.environment,
        files,
        own,
        shared,
        written,
        carried,
    )


def interpreter_of(plan: LayerPlan, interpreters: Mapping[str, Interpreter]) -> Interpreter:
    """Return what compiles the modules of a layer: its environment's own Python, or Debian's, which is "" in these."""
    return interpreters.get(plan.full_python) or interpreters[""]


def _digests(folder: Path) -> list[Any]:
    return [
        [path.relative_to(folder).as_posix(), path.stat().st_mode & 0o100, _digest(path)]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_layer(
    plan: LayerPlan, settings: Settings, interpreters: Mapping[str, Interpreter], store: Store
) -> Layer | None:
    """Return a layer that was made before, or None."""
    known = Cache(store).get("layer", layer_key(plan, settings, interpreters))
    if known is None or known["digest"] not in store:
        return None
    return Layer(plan, Blob(**known), reused=True)


def make_layer(
    plan: LayerPlan,
    settings: Settings,
    interpreters: Mapping[str, Interpreter],
    store: Store,
    scratch: Path,
    prefixes: Mapping[str, Path] = MappingProxyType({}),
) -> Layer:
    """Make a layer into the store, with `scratch` for its unpacked files.

    `interpreters` are those that compile, by the version of an environment's own Python; "" is Debian's. `prefixes` are
    where the platform's conda packages are installed, by their prefix in the image, if the layer is of those.

    Raises:
        ImageError: a package can't be used, or two packages bring one path.
        StoreMissError, StoreCorruptError: a locked file is not in the store as it should be.

    """
    stage = Path(tempfile.mkdtemp(dir=scratch))
    try:
        tree = _tree(plan, settings, interpreters, store, stage, prefixes)
        with store.writer(stage) as file:
            blob = pack(tree, file, mtime=settings.mtime, compression=settings.compression)
            file.flush()
            store.adopt(Path(file.name), blob.digest)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    Cache(store).put("layer", layer_key(plan, settings, interpreters), asdict(blob))
    return Layer(plan, blob, reused=False)


def _tree(
    plan: LayerPlan,
    settings: Settings,
    interpreters: Mapping[str, Interpreter],
    store: Store,
    stage: Path,
    prefixes: Mapping[str, Path],
) -> dict[str, Entry]:
    own = [entry for part in plan.parts for entry in own_entries(part, settings.recipe.user)]
    own += [Entry(path.lstrip("/"), Kind.FILE, 0o644, content=text.encode()) for path, text in plan.written]
    own += carried_entries(plan.carried, store, settings.recipe.user)
    joins = [join for part in plan.parts for join in part.part.join]
    packages: dict[str, Entry] = {}
    compiled: list[Entry] = []
    made: list[tuple[str, dict[str, Entry], dict[str, Entry], str]] = []
    for number, one in enumerate(plan.environments):
        place = stage / str(number)
        # Before they are merged: what no one needs may clash.
        everything = _packages(one, store, place / "packages", prefixes.get(one.prefix))
        staying, dropped = divided(everything, settings.recipe.drops)
        files = unprivileged(recorded(merge(staying), dropped))
        files = shared(files, one.prefix, [(prefix, tree) for prefix, tree, _, _ in made]) if made else files
        interpreter = interpreter_of(one, interpreters)
        alike = [(prefix, tree, pycs) for prefix, tree, pycs, who in made if who == interpreter.identity]
        modules = [entry for entry in files.values() if _is_module(entry)]
        bytecode = shared_bytecode(modules, one.prefix, alike)
        rest = [entry for entry in modules if entry.path not in bytecode]
        bytecode |= _compiled(rest, Compiler(interpreter, store), place / "bytecode")
        made.append((one.prefix, files, bytecode, interpreter.identity))
        packages |= files
        compiled += bytecode.values()
    tree = merge([*packages.values(), *own, *compiled, *joined(joins, packages)])
    return with_parents(tree, directories(settings.recipe))


def _compiled(sources: Sequence[Entry], compiler: Compiler, stage: Path) -> dict[str, Entry]:
    """Return the bytecode of modules, by the path of its source."""
    found: dict[str, Entry] = {}
    for number, origin in enumerate(sorted({entry.origin for entry in sources})):
        some = [entry for entry in sources if entry.origin == origin]
        paths = {pyc_path(entry.path, compiler.tag): entry.path for entry in some}
        found |= {paths[entry.path]: entry for entry in compiler.compiled(some, stage / str(number))}
    return found


def _is_module(entry: Entry) -> bool:
    return entry.kind is Kind.FILE and entry.path.endswith(".py") and "/lib/python3" in f"/{entry.path}"


def _packages(plan: LayerPlan, store: Store, stage: Path, prefix: Path | None) -> Iterator[Entry]:
    if plan.environment:
        yield from wheels.environment(wheels.PYTHON)
    for number, file in enumerate(plan.files):
        if prefix is not None:
            yield from conda.entries(file, prefix, plan.prefix)
            continue
        path = store.verified(file.sha256, file.file)
        if plan.kind == "debian":
            yield from debs.unpack(path, file.name, stage / str(number))
            status = f"var/lib/dpkg/status.d/{file.name}"
            yield Entry(status, Kind.FILE, 0o644, content=debs.control(path).encode(), origin=file.name)
        else:
            yield from wheels.staged([(path, file.file)], stage / str(number), file.name, plan.python, plan.prefix)
