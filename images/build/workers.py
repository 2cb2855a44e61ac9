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


@dataclass(frozen=True)
class Prefix:
    """A platform's conda packages, installed to make layers of."""

    path: Path
    activation: Activation


def make_layers(
    plans: Sequence[LayerPlan],
    settings: Settings,
    interpreters: Mapping[str, Interpreter],
    store: Store,
    done: Callable[[Layer], None],
    look: Callable[[Platform, Activation], None] = lambda _platform, _activation: None,
) -> tuple[list[Layer], dict[Platform, Activation]]:
    """Return a layer for each plan, in order, and what activating the conda environment of each platform would set.

    `interpreters` are those that compile, by the version of a project's own Python; "" is that of every other layer.
    `done` is told of every layer as it is finished, and `look` of each activation before any layer is made.

    Raises:
        ImageError, StoreMissError, StoreCorruptError: a layer can't be made; none is left half-made.

    """
    made: dict[int, Layer] = {}

    def compiler(plan: LayerPlan) -> Interpreter:
        return interpreters.get(plan.full_python) or interpreters[""]

    for number, plan in enumerate(plans):
        if (known := known_layer(plan, settings, compiler(plan), store)) is not None:
            made[number] = known
            done(known)
    missing = [number for number in range(len(plans)) if number not in made]
    packages = {plan.platform: plan.beside for plan in plans if plan.kind == "conda"}
    read = {platform: known_activation(files, store) for platform, files in packages.items()}
    activations = {platform: activation for platform, activation in read.items() if activation is not None}
    for platform, activation in activations.items():
        look(platform, activation)
    # Installed anew is what a layer is made of, or what was never read.
    lacking = {plans[number].platform for number in missing if plans[number].kind == "conda"}
    lacking |= packages.keys() - activations.keys()
    if missing or lacking:
        # Large layers first, so that no core is left alone with one at the end.
        order = sorted(missing, key=lambda number: -sum(file.size for file in plans[number].files))
        with store.scratch() as scratch, _workers(max(len(missing), 1)) as pool:
            prefixes = _staged({one: packages[one] for one in sorted(lacking, key=str)}, store, scratch)
            activations |= {platform: prefix.activation for platform, prefix in prefixes.items()}
            for platform, staged in prefixes.items():
                look(platform, staged.activation)
            futures = {}
            for number in order:
                plan = plans[number]
                prefix = prefixes[plan.platform].path if plan.kind == "conda" else None
                arguments = (plan, settings, compiler(plan), store, scratch, prefix)
                futures[pool.submit(make_layer, *arguments)] = number
            for future in as_completed(futures):
                made[futures[future]] = future.result()
                done(future.result())
    return [made[number] for number in range(len(plans))], activations


def _staged(packages: Mapping[Platform, tuple[LockedFile, ...]], store: Store, scratch: Path) -> dict[Platform, Prefix]:
    """Install each platform's conda packages below `scratch`, and read what activating them would set."""
    staged = {}
    for platform, files in packages.items():
        path = install(files, platform, store, scratch / f"conda-{platform.slug}")
        staged[platform] = Prefix(path, keep_activation(files, path, store))
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
