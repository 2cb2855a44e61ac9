"""When the server stops, tabs are let go and what people typed is saved."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from jupyter_server_ydoc.utils import OutOfBandChanges
from tornado.websocket import WebSocketHandler

from jupyter_mcp.rooms import shutdown
from jupyter_mcp.rooms.shutdown import GOING_AWAY, dismiss, save_due, workers_end
from tests.support.rooms import LOG, Workshop, workshop


class Tab(WebSocketHandler):
    """A tab that answers its closing, or never does."""

    path = "tab"

    def __init__(self, room: Any, *, answers: bool) -> None:
        self.room, self.answers = room, answers
        self.closed: tuple[int | None, str | None] | None = None

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.closed = code, reason
        if self.answers:
            asyncio.get_running_loop().call_later(0.05, self.room.clients.discard, self)


def within(folder: Path, job: Callable[[Workshop, Any], Awaitable[None]]) -> None:
    """Run `job` with a room of a notebook, in which a save is due a long time after an edit."""

    async def run() -> None:
        async with workshop(folder, delay=1000) as rooms:
            (rooms.root / "n.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
            live = await rooms.rooms.join("n.ipynb")
            await job(rooms, live)

    asyncio.run(asyncio.wait_for(run(), 60))  # type: ignore[arg-type]


def test_tabs_are_closed_and_waited_for(tmp_path: Path) -> None:
    async def job(_: Workshop, live: Any) -> None:
        tab = Tab(live.room, answers=True)
        live.room.clients.add(tab)
        await dismiss([live.room])
        assert tab.closed == (GOING_AWAY, "The server stops")
        assert tab not in live.room.clients

    within(tmp_path, job)


def test_a_tab_that_never_answers_holds_the_stop_up_no_longer_than_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "CLOSED_WITHIN", 0.1)

    async def job(_: Workshop, live: Any) -> None:
        tab = Tab(live.room, answers=False)
        live.room.clients.add(tab)
        await dismiss([live.room])
        assert tab in live.room.clients
        live.room.clients.discard(tab)

    within(tmp_path, job)


def type_something(live: Any) -> None:
    live.document.append_cell({"id": "a", "cell_type": "code", "source": "typed", "metadata": {}, "outputs": []})


async def due(rooms: Workshop, live: Any) -> list[asyncio.Task[None]]:
    type_something(live)
    while not shutdown.save_is_due(live.room):  # noqa: ASYNC110 - upstream notices in its own time
        await asyncio.sleep(0.01)
    return save_due([live.room, object()], rooms.contents, LOG)


def test_what_was_typed_is_saved_though_its_save_was_not_due_for_long(tmp_path: Path) -> None:
    async def job(rooms: Workshop, live: Any) -> None:
        tasks = await due(rooms, live)
        await asyncio.gather(*tasks)
        assert len(tasks) == 1
        assert "typed" in (rooms.root / "n.ipynb").read_text()

    within(tmp_path, job)


def test_a_file_that_was_changed_outside_meanwhile_keeps_that_and_what_was_typed_is_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def job(rooms: Workshop, live: Any) -> None:
        other = '{"cells": [], "metadata": {"outside": 1}, "nbformat": 4, "nbformat_minor": 5}'
        (rooms.root / "n.ipynb").write_text(other)
        with caplog.at_level(logging.CRITICAL, "none"):
            await asyncio.gather(*await due(rooms, live))
        files = {file.name: file.read_text() for file in rooms.root.glob("*.ipynb")}
        assert "outside" in files["n.ipynb"]
        assert any("typed" in content for content in files.values()), files

    within(tmp_path, job)


def test_a_save_that_fails_is_told_and_raises_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def job(rooms: Workshop, live: Any) -> None:
        async def fail(_: Any) -> None:
            raise OSError("no room")

        monkeypatch.setattr(shutdown.loader_of(live.room), "maybe_save_content", fail)
        with caplog.at_level(logging.ERROR, LOG.name):
            await asyncio.gather(*await due(rooms, live))
        assert "n.ipynb could not be saved while the server stopped" in caplog.text

    within(tmp_path, job)


def test_what_is_no_notebook_is_said_not_to_be_saved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def job(rooms: Workshop, live: Any) -> None:
        async def changed(_: Any) -> None:
            raise OutOfBandChanges

        monkeypatch.setattr(shutdown.loader_of(live.room), "maybe_save_content", changed)
        real = shutdown.model_of
        monkeypatch.setattr(shutdown, "model_of", lambda room: {**real(room), "type": "file"})
        with caplog.at_level(logging.WARNING, LOG.name):
            await asyncio.gather(*await due(rooms, live))
        assert "the last edits are not saved" in caplog.text

    within(tmp_path, job)


def run_as_a_server_does(job: Coroutine[Any, Any, None]) -> None:
    """Run on a loop that no task has started: AnyIO gives the main task of `asyncio.run` all threads."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(job)
    task.add_done_callback(lambda _: loop.stop())
    loop.run_forever()
    loop.close()
    task.result()


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[threading.Thread]]:
    """Return what tells the worker threads; those that earlier tests left are none."""
    before = set(threading.enumerate())
    every = threading.enumerate
    monkeypatch.setattr(threading, "enumerate", lambda: [thread for thread in every() if thread not in before])
    return lambda: [thread for thread in threading.enumerate() if thread.name == shutdown._WORKER]


def test_a_stop_waits_for_what_a_request_still_does_in_a_worker_thread(
    workers: Callable[[], list[threading.Thread]],
) -> None:
    """Else the thread, and the process with it, waits for ever."""

    async def job() -> None:
        go_on = threading.Event()
        request = asyncio.create_task(to_thread.run_sync(go_on.wait))
        while not workers():  # noqa: ASYNC110 - a thread tells nobody
            await asyncio.sleep(0.001)
        asyncio.get_running_loop().call_later(0.1, go_on.set)
        await asyncio.create_task(workers_end())
        assert request.done()
        assert not workers()

    run_as_a_server_does(job())


class Request:
    """A request of a page that never ends, and needs a worker thread before."""

    async def _execute(self) -> None:
        await to_thread.run_sync(int)
        await asyncio.Event().wait()

    _execute.__qualname__ = "RequestHandler._execute"


def test_a_request_that_never_ends_is_cancelled(
    workers: Callable[[], list[threading.Thread]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "WORKERS_WITHIN", 0.2)

    async def job() -> None:
        request = asyncio.create_task(Request()._execute())
        other = asyncio.create_task(asyncio.Event().wait())
        while not workers():  # noqa: ASYNC110 - a thread tells nobody
            await asyncio.sleep(0.001)
        await asyncio.create_task(workers_end())
        assert request.cancelled()
        assert not other.done()
        assert not workers()
        other.cancel()

    run_as_a_server_does(job())
