"""Batched writes: the same document in the store, with fewer writes."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, ClassVar

import pycrdt.store.sqlite
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Decoder, Doc, Map, Text
from pycrdt.store import SQLiteYStore

from jupyter_mcp.rooms import batched_store
from jupyter_mcp.rooms.batched_store import BatchedWrites, batched, write_to
from tests.support import gaps
from tests.support.documents import ROOT

HOUR = 3600.0


class Counting(SQLiteYStore):
    """A real store that notes how much it is asked to write, and can fail."""

    writes: ClassVar[list[int]] = []
    failing: ClassVar[bool] = False

    async def write(self, data: bytes) -> None:
        if self.failing:
            raise OSError("the disk is full")
        self.writes.append(len(data))
        await super().write(data)


class Batched(BatchedWrites, Counting):
    """What a room gets."""


@asynccontextmanager
async def opened(folder: str) -> AsyncIterator[tuple[Batched, Doc[Any]]]:
    """Yield a started store, and a document whose every update is written to it as a room does."""
    Counting.writes, Counting.failing = [], False
    Counting.db_path = str(Path(folder, "store.db"))
    store = Batched("x.y")
    async with store:
        yield store, Doc()
        await store.flush()


def run(job: Callable[[Batched, Doc[Any]], Awaitable[None]]) -> None:
    async def with_store(folder: str) -> None:
        async with opened(folder) as (store, document):
            await job(store, document)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(with_store(folder))


def start_writes(store: Batched, document: Doc[Any], values: list[int]) -> list[asyncio.Task[None]]:
    """Append the values, one update each, and begin to store each update."""
    tasks: list[asyncio.Task[None]] = []
    subscription = document.observe(lambda event: tasks.append(asyncio.create_task(store.write(event.update))))
    shared: Array[int] = document.get("values", type=Array)
    for value in values:
        shared.append(value)
    document.unobserve(subscription)
    return tasks


def clocks(document: Doc[Any]) -> dict[int, int]:
    """Return how far the document has each client; the encoded state vector has them in any order."""
    decoder = Decoder(document.get_state())
    return {decoder.read_var_uint(): decoder.read_var_uint() for _ in range(decoder.read_var_uint())}


async def stored(store: Batched) -> list[int]:
    document: Doc[Any] = Doc()
    await store.apply_updates(document)
    found: Array[int] = document.get("values", type=Array)
    return [int(value) for value in found]


@given(st.lists(st.tuples(st.integers(0, 99), st.booleans()), min_size=1, max_size=30))
@settings(max_examples=15, deadline=None)
def test_the_store_holds_every_update_in_order(values: list[tuple[int, bool]]) -> None:
    async def job(store: Batched, document: Doc[Any]) -> None:
        tasks = []
        for value, pause in values:
            tasks += start_writes(store, document, [value])
            if pause:
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert await stored(store) == [value for value, _ in values]

    run(job)


def test_what_comes_together_is_one_write_after_the_first() -> None:
    async def job(store: Batched, document: Doc[Any]) -> None:
        first = start_writes(store, document, [0])
        await asyncio.sleep(0)
        await asyncio.gather(*first, *start_writes(store, document, list(range(1, 100))))
        assert len(Counting.writes) == 2
        assert await stored(store) == list(range(100))

    run(job)


def test_the_first_update_after_a_pause_is_stored_at_once() -> None:
    async def job(store: Batched, document: Doc[Any]) -> None:
        for value in range(3):
            await asyncio.gather(*start_writes(store, document, [value]))
            await store.flush()
        assert len(Counting.writes) == 3

    run(job)


def test_a_room_that_is_stopped_loses_nothing_it_has_handed_over() -> None:
    async def job(store: Batched, document: Doc[Any]) -> None:
        tasks = start_writes(store, document, [1])
        await asyncio.sleep(0)  # the first write begins; the others wait for it
        tasks += start_writes(store, document, [2, 3])
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await store.flush()
        assert await stored(store) == [1, 2, 3]

    run(job)


def test_a_room_is_told_nothing_of_a_store_that_fails_and_the_next_write_brings_what_it_lacks() -> None:
    async def job(store: Batched, document: Doc[Any]) -> None:
        Counting.failing = True
        await asyncio.gather(*start_writes(store, document, [1, 2]))
        assert str(store.fault) == "the disk is full"
        Counting.failing = False
        await asyncio.gather(*start_writes(store, document, [3]))
        assert await stored(store) == [1, 2, 3]
        assert store.fault is None

    run(job)


def test_what_a_store_could_not_take_is_tried_again_without_a_further_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_store, "AGAIN", 0.01)

    async def job(store: Batched, document: Doc[Any]) -> None:
        Counting.failing = True
        await asyncio.gather(*start_writes(store, document, [1]))
        Counting.failing = False
        assert store._writing is not None
        await asyncio.wait_for(store._writing, 10)
        assert await stored(store) == [1]

    run(job)


def test_who_must_know_is_told_what_the_store_raised_and_a_flush_tries_again() -> None:
    async def job(store: Batched, document: Doc[Any]) -> None:
        document.get("values", type=Array).append(1)
        Counting.failing = True
        with pytest.raises(OSError, match="the disk is full"):
            await asyncio.wait_for(write_to(store, document.get_update()), 5)
        await asyncio.wait_for(store.flush(), 5)
        assert store.fault is not None
        Counting.failing = False
        await store.flush()
        assert await stored(store) == [1]

    run(job)


def test_who_writes_to_a_store_that_was_stopped_waits_for_nothing() -> None:
    async def job(folder: str) -> None:
        async with opened(folder) as (store, document):
            await asyncio.gather(*start_writes(store, document, [1]))
        await asyncio.wait_for(asyncio.gather(*start_writes(store, document, [2])), 5)
        await asyncio.wait_for(store.flush(), 5)
        assert store.fault is not None

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(job(folder))


def test_a_database_that_can_not_be_written_leaves_no_gap(caplog: pytest.LogCaptureFixture) -> None:
    """pycrdt-store logs what SQLite raises, and goes on."""

    async def job(store: Batched, document: Doc[Any]) -> None:
        await asyncio.gather(*start_writes(store, document, [1]))
        await store._db.execute("PRAGMA query_only = 1")
        await asyncio.gather(*start_writes(store, document, [2]))
        await store._db.execute("PRAGMA query_only = 0")
        await asyncio.gather(*start_writes(store, document, [3]))
        assert await stored(store) == [1, 2, 3]

    run(job)
    assert "readonly database" in caplog.text


def test_a_database_that_can_not_be_read_is_no_new_notebook() -> None:
    async def job(store: Batched, document: Doc[Any]) -> None:
        await asyncio.gather(*start_writes(store, document, [1]))
        await store._db.execute("ALTER TABLE yupdates RENAME TO lost")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await stored(store)
        await store._db.execute("ALTER TABLE lost RENAME TO yupdates")

    run(job)


def test_flushing_a_store_that_was_never_written_returns() -> None:
    async def job(store: Batched, _: Doc[Any]) -> None:
        await asyncio.wait_for(store.flush(), 5)

    run(job)


def test_what_a_room_wrote_before_it_loaded_is_stored_too() -> None:
    """Upstream's room notes its path first. Without that, browsers wait for ever for all it did later."""

    async def job(store: Batched, document: Doc[Any]) -> None:
        document.get("cells", type=Array).append(1)
        await store.encode_state_as_update(document)
        again: Doc[Any] = Doc()
        again.get("state", type=Map)["path"] = "a.ipynb"
        await store.apply_updates(again)
        await asyncio.gather(*start_writes(store, again, [2]))
        third: Doc[Any] = Doc()
        await store.apply_updates(third)
        assert clocks(third) == clocks(again)

    run(job)


@pytest.mark.parametrize("there", [False, True])
def test_only_the_owner_reads_the_store(tmp_path: Path, there: bool) -> None:
    file = tmp_path / "store.db"
    if there:
        sqlite3.connect(file).close()
        file.touch(0o644)
        file.chmod(0o644)

    async def job() -> None:
        async with opened(str(tmp_path)) as (store, document):
            document["text"] = Text("secret")
            await store.write(document.get_update())
            assert stat.S_IMODE(file.stat().st_mode) == 0o600

    asyncio.run(job())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_history_that_is_older_than_is_kept_becomes_one_update_without_what_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "store.db"
    store_class = batched(SQLiteYStore, None, kept=HOUR)
    store_class.db_path = str(file)  # type: ignore[attr-defined]
    now = [1_000_000.0]
    monkeypatch.setattr(pycrdt.store.sqlite.time, "time", lambda: now[0])

    async def job() -> None:
        document: Doc[Any] = Doc()
        text = document.get("text", type=Text)
        async with store_class("x.y") as store:  # type: ignore[call-arg]
            for word in ("hunter2", *"abcdefgh"):
                before = document.get_state()
                text += word
                await store.write(document.get_update(before))
            before = document.get_state()
            del text[: len("hunter2")]
            await store.write(document.get_update(before))
            now[0] += 2 * HOUR
            before = document.get_state()
            text += "i"
            await store.write(document.get_update(before))
            again: Doc[Any] = Doc()
            await store.apply_updates(again)
            assert str(again.get("text", type=Text)) == "abcdefghi"
            # A tab that was away brings what it had, and nothing twice.
            assert again.get_state() == document.get_state()

    asyncio.run(job())
    with closing(sqlite3.connect(file)) as database:
        updates = [row[0] for row in database.execute("SELECT yupdate FROM yupdates")]
    assert len(updates) == 2
    assert not any(b"hunter2" in update for update in updates)


def test_a_history_with_a_gap_that_is_filled_later_does_not_end_the_process(tmp_path: Path) -> None:
    async def write(path: str) -> None:
        class Stored(SQLiteYStore):
            db_path = path

        async with Stored("a.y") as store:
            await store.write(updates[0])
        rows = [("a.y", update, b"", time.time() + number) for number, update in enumerate(updates[1:])]
        with closing(sqlite3.connect(path)) as database, database:
            database.executemany("INSERT INTO yupdates VALUES (?, ?, ?, ?)", rows)

    updates = gaps.history(gaps.SEED)[0]
    path = str(tmp_path / "store.db")
    asyncio.run(write(path))
    words = [sys.executable, "-m", "tests.support.gaps", path, str(gaps.SEED)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=200))
@settings(deadline=None, max_examples=20)
def test_one_update_of_many_is_all_of_them(sizes: list[int]) -> None:
    updates: list[bytes] = []
    document: Doc[Any] = Doc()
    document.observe(lambda event: updates.append(event.update))
    text: Text = document.get("text", type=Text)
    for number, size in enumerate(sizes):
        text.insert(number % (len(text) + 1), "x" * size + str(number))
    again: Doc[Any] = Doc()
    again.apply_update(batched_store.merged(updates))
    assert str(again.get("text", type=Text)) == str(text)


def test_a_store_that_can_not_be_read_is_not_told_to_be_empty(tmp_path: Path) -> None:
    class Stored(SQLiteYStore):
        db_path = str(tmp_path / "store.db")

    async def load() -> None:
        async with batched(Stored, None)("a.y") as store:
            await write_to(store, Doc().get_update())
            with closing(sqlite3.connect(Stored.db_path)) as database:
                database.execute("DROP TABLE yupdates")
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                await store.apply_updates(Doc())

    asyncio.run(load())
