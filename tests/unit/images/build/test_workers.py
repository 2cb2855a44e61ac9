"""How layers are made: a small change needs no worker processes, whose start would take longer than its layer."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.platforms import AMD64
from env.store.store import Store
from images.build import workers
from images.build.layers import Layer, LayerPlan, Settings
from images.build.workers import make_layers
from images.recipe.recipe import load_recipe
from images.rootfs.bytecode import Interpreter

WRITTEN = LayerPlan("image", "files", AMD64, written=(("/etc/hello", "hello\n"),))


def made(store: Store, *plans: LayerPlan) -> list[Layer]:
    settings = Settings(load_recipe("jupyter"), 1_790_000_000, "zstd")
    told: list[Layer] = []
    interpreters = {"": Interpreter(Path("/nowhere"), AMD64, "of a test")}
    layers, _ = make_layers(plans, settings, interpreters, store, told.append)
    assert sorted(one.plan.name for one in told) == sorted(plan.name for plan in plans)
    return layers


def test_a_small_layer_is_made_without_a_worker_and_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_FEW", 0)
    by_worker = made(Store(tmp_path / "one"), WRITTEN)
    monkeypatch.undo()
    monkeypatch.setattr(workers, "_workers", pytest.fail)
    store = Store(tmp_path / "other")
    (layer,) = made(store, WRITTEN)
    assert (layer.blob, layer.reused) == (by_worker[0].blob, False)
    assert not [*store.partial.iterdir()]
    (again,) = made(store, WRITTEN)
    assert again.reused
