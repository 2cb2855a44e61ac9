"""Make the layers that the store lacks, in worker processes that leave nothing behind when they are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from env.formats.lock import LockedFile
from env.platforms import Platform
from env.store.store import Store
from images.build.layers import Layer, LayerPlan, Settings, known_layer, make_layer
from images.rootfs.activation import Activation, keep_activation, known_activation
from images.rootfs.bytecode import Interpreter
from images.rootfs.conda import install
from images.rootfs.wheels import PREFIX

_FEW = 2
"""Layers, such as those of the project's wheel for two platforms."""
_SMALL = 4 << 20
"""Bytes of packages: 4 MiB are made into a layer in about a second."""


@dataclass(frozen=True)
class Place:
    """An environment of a platform's image."""

    platform: Platform
    prefix: str = PREFIX


@dataclass(frozen=True)
class Prefix:
    """An environment's conda packages, installed to make layers of."""

    path: Path
    activation: Activation


def make_layers(
    plans: Sequence[LayerPlan],
    settings: Settings,
    interpreters: Mapping[str, Interpreter],
    store: Store,
    done: Callable[[Layer], None],
    look: Callable[[Place, Activation], None] = lambda _place, _activation: None,
) -> tuple[list[Layer], dict[Place, Activation]]:
    """Return a layer for each plan, in order, and what activating each conda environment would set.

    `interpreters` are those that compile, by the version of a project's own Python; "" is that of every other layer.
    `done` is told of every layer as it is finished, and `look` of each activation before any layer is made.

    Raises:
        ImageError, StoreMissError, StoreCorruptError: a layer can't be made; none is left half-made.

    """
    made: dict[int, Layer] = {}
    for number, plan in enumerate(plans):
        if (known := known_layer(plan, settings, interpreters, store)) is not None:
            made[number] = known
            done(known)
    missing = [number for number in range(len(plans)) if number not in made]
    packages = {place: one.beside for plan in plans if plan.kind == "conda" for place, one in _places(plan)}
    read = {place: known_activation(files, store, place.prefix) for place, files in packages.items()}
    activations = {place: activation for place, activation in read.items() if activation is not None}
    for place, activation in activations.items():
        look(place, activation)
    # Installed anew is what a layer is made of, or what was never read.
    lacking = {place for number in missing if plans[number].kind == "conda" for place, _ in _places(plans[number])}
    lacking |= packages.keys() - activations.keys()
    if not lacking and _are_small([plans[number] for number in missing]):
        with store.scratch() as scratch:
            for number in missing:
                made[number] = make_layer(plans[number], settings, interpreters, store, scratch)
                done(made[number])
    elif missing or lacking:
        # Large layers first, so that no core is left alone with one at the end.
        order = sorted(missing, key=lambda number: -sum(file.size for file in plans[number].packages))
        with store.scratch() as scratch, _workers(max(len(missing), 1)) as pool:
            prefixes = _staged({one: packages[one] for one in sorted(lacking, key=str)}, store, scratch)
            activations |= {place: prefix.activation for place, prefix in prefixes.items()}
            for place, staged in prefixes.items():
                look(place, staged.activation)
            futures = {}
            for number in order:
                plan = plans[number]
                installed = (
                    {place.prefix: prefixes[place].path for place, _ in _places(plan)} if plan.kind == "conda" else {}
                )
                arguments = (plan, settings, interpreters, store, scratch, installed)
                futures[pool.submit(make_layer, *arguments)] = number
            for future in as_completed(futures):
                made[futures[future]] = future.result()
                done(future.result())
    return [made[number] for number in range(len(plans))], activations


def _are_small(plans: Sequence[LayerPlan]) -> bool:
    """Say whether making these layers takes less than starting workers does: after a change in the project itself."""
    return sum(file.size for plan in plans for file in (*plan.packages, *plan.carried)) <= _SMALL and len(plans) <= _FEW


def _places(plan: LayerPlan) -> list[tuple[Place, LayerPlan]]:
    return [(Place(plan.platform, one.prefix), one) for one in plan.environments]


def _staged(packages: Mapping[Place, tuple[LockedFile, ...]], store: Store, scratch: Path) -> dict[Place, Prefix]:
    """Install each environment's conda packages below `scratch`, and read what activating them would set."""
    staged = {}
    for number, (place, files) in enumerate(packages.items()):
        path = install(files, place.platform, store, scratch / f"conda-{number}", place.prefix)
        staged[place] = Prefix(path, keep_activation(files, path, store, place.prefix))
    return staged


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
            _terminate(worker)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _terminate(worker: BaseProcess) -> None:
    # The compiler that it waits for is in its group; one that has not yet made its group runs none.
    if worker.pid is not None:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGTERM)
    worker.terminate()


def _follow_parent() -> None:
    # A group of its own, so that what a worker runs ends with it.
    os.setpgrp()
    # The parent tells the person; a worker that printed a traceback as well would bury it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A parent that is killed can't tell its workers, and each would go on for the others' sake.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os.killpg(0, signal.SIGKILL)
