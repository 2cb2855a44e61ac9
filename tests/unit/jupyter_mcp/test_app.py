"""The extension as Jupyter Server meets it: its handlers, its start and its stop, also where parts are missing."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tornado.web
from jupyter_core.paths import jupyter_data_dir
from jupyter_events import EventLogger
from traitlets.config import Config

from jupyter_mcp import app as module
from jupyter_mcp.app import JupyterMCP
from jupyter_mcp.probe import Part
from tests.support.fake_kernel import FakeManagers, FakeSessions, FakeSpecs
from tests.support.rooms import workshop


def extension(settings: dict[str, Any], folder: Path, **traits: Any) -> Any:
    """Return the extension, linked to a server that has what it asks of one."""
    made: Any = JupyterMCP(journal_dir=str(folder / "state"), **traits)
    managers = FakeManagers()
    known = {
        "session_manager": FakeSessions(managers),
        "kernel_manager": managers,
        "kernel_spec_manager": FakeSpecs("python3"),
        **settings,
    }
    web: Any = tornado.web.Application([], **known)
    made.serverapp = SimpleNamespace(
        web_app=web,
        base_url="/base/",
        connection_url="http://127.0.0.1/base/",
        event_logger=EventLogger(),
        identity_provider=SimpleNamespace(token="secret\n", auth_enabled=True),
        contents_manager=settings.get("contents_manager"),
        contents_manager_class=lambda **_: settings["contents_manager"],
    )
    made.log = logging.getLogger("extension")
    return made


def test_journals_are_in_jupyters_data_folder_or_where_the_setting_says(tmp_path: Path) -> None:
    assert JupyterMCP()._journals() == Path(jupyter_data_dir(), "jupyter_mcp", "journal")
    assert JupyterMCP(journal_dir=str(tmp_path))._journals() == tmp_path / "journal"
    assert JupyterMCP(journal_dir="~/here")._journals() == Path("~/here/journal").expanduser()


@pytest.mark.parametrize(("named", "left"), [(True, "secret"), (False, "secret\n")])
def test_a_token_from_a_file_loses_its_last_newline_and_no_other_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool, left: str
) -> None:
    monkeypatch.delenv("JUPYTER_TOKEN_FILE", raising=False)
    if named:
        monkeypatch.setenv("JUPYTER_TOKEN_FILE", "/a/file")
    made = extension({}, tmp_path)
    made._tidy_token()
    assert made._server.identity_provider.token == left


def test_what_lacks_and_what_was_not_tried_is_told_in_a_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "missing", lambda: {Part.ROOMS: ["a name"]})
    monkeypatch.setattr(module, "warning", lambda _: "a name")
    monkeypatch.setattr(module, "out_of_bounds", lambda: ["jupyter-server 99"])
    with caplog.at_level(logging.WARNING, "extension"):
        extension({}, tmp_path)._look_at_what_is_installed()
    assert "MCP goes without what the installed packages lack: a name" in caplog.text
    assert "MCP was not tried with what is installed: jupyter-server 99" in caplog.text


def test_an_extension_that_was_never_set_up_stops_at_once() -> None:
    asyncio.run(JupyterMCP().stop_extension())


def test_it_serves_with_rooms_sweeps_though_a_sweep_fails_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.01)
    monkeypatch.setattr(module, "warm_up", lambda: None)
    monkeypatch.setattr(module, "tune", lambda **_: None)

    async def job() -> None:
        async with workshop(tmp_path) as rooms:
            rooms.collaboration.config = Config()
            made = extension(rooms.settings, tmp_path)
            made.initialize_handlers()
            assert made.handlers[0][0] == r"/mcp/?"
            swept = asyncio.Event()

            async def fail() -> None:
                if failed:
                    swept.set()
                    return
                failed.append(1)
                raise OSError("one bad room")

            failed: list[int] = []
            monkeypatch.setattr(made._rooms, "sweep", fail)
            await made._start_jupyter_server_extension(made.serverapp)
            live = await made._rooms.join(rooms_notebook(rooms.root))
            assert live.path == "n.ipynb"
            await asyncio.wait_for(swept.wait(), 60)
            await asyncio.wait_for(made.stop_extension(), 60)

    with caplog.at_level(logging.INFO, "extension"):
        asyncio.run(job())
    assert "MCP is served at http://127.0.0.1/base/mcp" in caplog.text
    assert "Closing what is idle failed; will try again" in caplog.text


def rooms_notebook(root: Path) -> str:
    (root / "n.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    return "n.ipynb"


def test_without_collaboration_and_without_authentication_it_says_so_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "warm_up", lambda: None)
    monkeypatch.setattr(module, "tune", lambda **_: None)

    async def job() -> None:
        async with workshop(tmp_path) as rooms:
            settings = {key: one for key, one in rooms.settings.items() if key != "jupyter_server_ydoc"}
            made = extension(settings, tmp_path)
            made.initialize_handlers()
            made._server.identity_provider.auth_enabled = False
            await made._start_jupyter_server_extension(made.serverapp)
            await asyncio.wait_for(made.stop_extension(), 60)

    with caplog.at_level(logging.WARNING, "extension"):
        asyncio.run(job())
    assert "Notebooks can be read from their files" in caplog.text
    assert "This server has no authentication: MCP is switched off" in caplog.text


def test_a_collaboration_that_can_not_be_used_is_told_and_the_rest_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "warm_up", lambda: None)
    monkeypatch.setattr(module, "tune", lambda **_: None)

    def fail(*_: Any, **__: Any) -> None:
        raise AttributeError("another release")

    monkeypatch.setattr(module, "batched", fail)

    async def job() -> None:
        async with workshop(tmp_path) as rooms:
            made = extension(rooms.settings, tmp_path)
            made.initialize_handlers()
            await made._start_jupyter_server_extension(made.serverapp)
            assert not made._rooms.available
            await asyncio.wait_for(made.stop_extension(), 60)

    with caplog.at_level(logging.INFO, "extension"):
        asyncio.run(job())
    assert "MCP can't use jupyter-collaboration" in caplog.text
    assert "MCP is served at" in caplog.text
