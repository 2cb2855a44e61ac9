"""Assemble: recipe + locks + store -> OCI image, as a pure function: no network, no clock, no root, no emulation."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from env.environments import locks_of
from env.lock import LOCKS, Lock, lock_name, read_lock
from env.platforms import Platform, parse_platform
from env.store import Store
from images import debs
from images.activation import Activation, keep_activation, known_activation
from images.bytecode import Interpreter, host
from images.cache import key_of
from images.conda import install, prefix_of
from images.entries import Kind
from images.errors import NoSpaceError, PlatformNotOfferedError, TooManyLayersError, UnknownEnvironmentError
from images.layers import Layer, LayerPlan, Settings, known_layer, make_layer, plan_layers
from images.layout import Document, Manifest, Referrer, index, manifest, write_layout
from images.ociconfig import image_config, notes_of
from images.project import project_wheel
from images.provenance import materials_of, provenance
from images.recipe import Recipe
from images.sbom import components, index_sbom, platform_sbom
from images.scratch import scratch_folder
from images.tarball import Compression

MAX_LAYERS = 127
"""What overlayfs mounts of common runtimes accept."""
INTERPRETER = ("libc6", "libexpat1", "libpython3.13-minimal", "libpython3.13-stdlib", "python3.13-minimal", "zlib1g")
"""The Debian packages that a locked Python needs to compile."""


@dataclass(frozen=True)
class Build:
    """What is to be built."""

    recipe: Recipe
    platforms: tuple[Platform, ...]
    environment: str
    compression: Compression = "zstd"

    def __post_init__(self) -> None:
        """Refuse what the recipe does not offer."""
        image = self.recipe.image
        if self.environment not in image.environments:
            raise UnknownEnvironmentError(self.environment, image.environments)
        offered = [parse_platform(name) for name in image.platforms]
        for platform in self.platforms:
            if platform not in offered:
                raise PlatformNotOfferedError(platform, image.name, image.platforms)

    @property
    def epoch(self) -> int:
        """Seconds since 1970 that the image and its files carry (reproducible-builds.org, SOURCE_DATE_EPOCH)."""
        return int(os.environ.get("SOURCE_DATE_EPOCH") or self.recipe.image.created.timestamp())

    def locks(self, platform: Platform) -> dict[str, Lock]:
        """Read the locks of one platform by the names that parts install from.

        Raises:
            LockMissingError, LockFormatError: a lock is not there or not one.
            StaleLockError: pixi.lock does not answer pixi.toml.

        """
        return locks_of(self.environment, platform)

    def needed(self) -> list[Lock]:
        """Give every lock whose files the build reads, the host's interpreter included."""
        locks = [lock for platform in self.platforms for lock in self.locks(platform).values()]
        compiler = self._interpreter_lock()
        return locks if compiler in locks else [*locks, compiler]

    def _interpreter_lock(self) -> Lock:
        lock = read_lock(LOCKS / lock_name("debian", host()))
        if host() in self.platforms and self.environment == "wheels":
            return lock
        return Lock(lock.source, lock.platform, lock.spec, tuple(f for f in lock.files if f.name in INTERPRETER))


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
    with _space(store.root):
        interpreter = unpack_interpreter(store)
        settings = Settings(build.recipe, build.epoch, build.compression)
        project = project_wheel(store, build.epoch)
        plans = [
            plan
            for platform in build.platforms
            for plan in plan_layers(build.recipe, platform, build.locks(platform), project)
        ]
        total(len(plans))
        made, activations = _make(plans, settings, interpreter, store, done)
    layers = {
        platform.oci: tuple(layer for layer in made if layer.plan.platform == platform) for platform in build.platforms
    }
    created = datetime.fromtimestamp(build.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifests = []
    for platform in build.platforms:
        own = layers[platform.oci]
        if len(own) > MAX_LAYERS:
            raise TooManyLayersError(len(own), MAX_LAYERS)
        variables = activations[platform].variables if platform in activations else {}
        config = image_config(build.recipe, platform, build.environment, created, own, variables)
        notes = notes_of(build.recipe, build.environment, created)
        manifests.append(manifest(platform, config, (layer.blob for layer in own), notes))
    image = index(manifests, notes_of(build.recipe, build.environment, created))
    with _space(output):
        about = attached(build, image, manifests, layers, created, store)
        write_layout(output, build.recipe.image.name, image, manifests, about, store)
    unread = tuple(dict.fromkeys(path for one in activations.values() for path in one.unread))
    return Result(image, tuple(manifests), layers, unread)


def attached(
    build: Build,
    image: Document,
    manifests: Sequence[Manifest],
    layers: Mapping[str, Sequence[Layer]],
    created: str,
    store: Store,
) -> list[Referrer]:
    """Give what is attached to each manifest and to the index: its bill of materials and its provenance."""
    name = build.recipe.image.name
    parameters = {"image": name, "environment": build.environment, "compression": build.compression}
    about: list[Referrer] = []
    everything: dict[str, Any] = {}
    for one in manifests:
        packages = components(layers[one.platform.oci], store)
        materials = materials_of(build.recipe, build.locks(one.platform).values(), packages)
        everything |= {material["name"]: material for material in materials}
        bill = platform_sbom(name, one, packages, created)
        statement = provenance(name, one.document, {**parameters, "platform": one.platform.oci}, materials)
        about += [Referrer.to(one.document, payload, created) for payload in (bill, statement)]
    platforms = [one.platform.oci for one in manifests]
    bill = index_sbom(name, image, manifests, created)
    merged = [everything[key] for key in sorted(everything)]
    statement = provenance(name, image, {**parameters, "platforms": platforms}, merged)
    return about + [Referrer.to(image, payload, created) for payload in (bill, statement)]


def _make(
    plans: Sequence[LayerPlan],
    settings: Settings,
    interpreter: Interpreter,
    store: Store,
    done: Callable[[Layer], None],
) -> tuple[list[Layer], dict[Platform, Activation]]:
    made: dict[int, Layer] = {}
    for number, plan in enumerate(plans):
        if (known := known_layer(plan, settings, interpreter, store)) is not None:
            made[number] = known
            done(known)
    missing = [number for number in range(len(plans)) if number not in made]
    prefixes = {plan.platform: plan.beside for plan in plans if plan.kind == "conda"}
    activations = {platform: known_activation(files, store) for platform, files in prefixes.items()}
    lacking = {plans[number].platform for number in missing if plans[number].kind == "conda"}
    lacking |= {platform for platform, activation in activations.items() if activation is None}
    if missing or lacking:
        # Large layers first, so that no core is left alone with one at the end.
        order = sorted(missing, key=lambda number: -sum(file.size for file in plans[number].files))
        with scratch_folder(store) as scratch, _workers(max(len(missing), 1)) as pool:
            for platform in sorted(lacking, key=str):
                install(prefixes[platform], platform, store, scratch)
                activations[platform] = keep_activation(prefixes[platform], prefix_of(scratch, platform), store)
            futures = {
                pool.submit(make_layer, plans[number], settings, interpreter, store, scratch): number
                for number in order
            }
            for future in as_completed(futures):
                made[futures[future]] = future.result()
                done(future.result())
    return [made[number] for number in range(len(plans))], {
        platform: activation for platform, activation in activations.items() if activation is not None
    }


@contextmanager
def _workers(count: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: the progress display and the fetch have threads.
    pool = ProcessPoolExecutor(
        min(count, os.cpu_count() or 1), multiprocessing.get_context("spawn"), initializer=_follow_parent
    )
    try:
        yield pool
    except BaseException:
        # Nobody waits for what the others are doing; their half-made files go with the scratch folder.
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    # The parent tells the person; a worker that printed a traceback as well would bury it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A parent that is killed can't tell its workers, and each would go on for the others' sake.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def unpack_interpreter(store: Store) -> Interpreter:
    """Give the locked Python, unpacked in the store for the host's platform.

    Raises:
        InterpreterError: the host can't run it.

    """
    platform = host()
    files = [file for file in read_lock(LOCKS / lock_name("debian", platform)).files if file.name in INTERPRETER]
    # The bytes that another platform's interpreter of the same version makes are the same, so the version is enough.
    identity = key_of([file.version for file in files if file.name == "python3.13-minimal"])
    root = store.root / "interpreters" / key_of(platform.oci, [file.sha256 for file in files])
    if not root.is_dir():
        stage = Path(tempfile.mkdtemp(dir=store.partial, prefix="python-"))
        try:
            for file in files:
                _extract(store.verified(file.sha256, file.file), file.name, stage)
            root.parent.mkdir(parents=True, exist_ok=True)
            (stage / "root").rename(root)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return Interpreter(root, platform, identity)


def _extract(deb: Path, package: str, stage: Path) -> None:
    root = stage / "root"
    for alias in ("bin", "lib", "lib64"):
        (root / "usr" / alias).mkdir(parents=True, exist_ok=True)
        if not (root / alias).is_symlink():
            (root / alias).symlink_to(f"usr/{alias}")
    for entry in debs.unpack(deb, package, stage / package):
        target = root / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind is Kind.FILE and isinstance(entry.content, Path):
            shutil.copyfile(entry.content, target)
            target.chmod(entry.mode | 0o600)
        elif entry.kind is Kind.SYMLINK and not target.is_symlink():
            # Absolute targets stay inside this root.
            depth = "../" * entry.path.count("/")
            absolute = entry.target.startswith("/")
            target.symlink_to(f"{depth}{entry.target.lstrip('/')}" if absolute else entry.target)


@contextmanager
def _space(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(path) from None
        raise
