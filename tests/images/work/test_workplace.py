"""The image as a workplace: what a person adds and says is there on the second day, in a container made anew."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from env.platforms import Platform
from images.check.sandbox import Sandbox
from images.check.service import Service
from tests.support.wheels import wheel

from .container import OPENSHIFT, WORKSPACE, Container, native, on, volume

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root: an image is run as another user")]

PERSON = {"user.name": "Ada", "user.email": "ada@example.org"}
SHOW = "import added, numpy, pandas, sys; print(added.version, added.__file__, numpy.__file__, pandas.__file__)"


@dataclass
class Seat:
    """A person before a running container; what they saw is kept."""

    container: Container
    service: Service
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.container.token}"}

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return httpx.request(method, f"{self.container.url}{path}", json=body, headers=self.headers, timeout=90)

    def run(self, source: str) -> str:
        """Run a cell of a notebook of its own; give what it printed."""

        async def work() -> str:
            async with self.container.client() as client:
                name = f"cell-{len(self.seen)}.ipynb"
                await client.call_tool("create_notebook", {"path": name})
                await client.call_tool("insert_cell", {"path": name, "index": 0, "source": source})
                done = await client.call_tool("execute_cell", {"path": name, "index": 0, "timeout": 120})
                await client.call_tool("close_notebook_session", {"path": name})
                return str(done.structured_content)

        self.seen[source] = asyncio.run(work())
        return str(self.seen[source])

    def terminal(self, line: str) -> str:
        """Type a line into a new terminal; give what it shows until the line has been run."""
        name = self.ask("POST", "/api/terminals").json()["name"]
        url = f"{self.container.url.replace('http', 'ws')}/terminals/websocket/{name}"
        shown = ""
        with connect(url, additional_headers=self.headers) as socket:
            # What is typed is shown, too, so it must not be what is waited for.
            socket.send(json.dumps(["stdin", f"export NO_COLOR=1; {line}; echo end=$((40+2))\r"]))
            while "end=42" not in shown:
                try:
                    kind, *rest = json.loads(socket.recv(timeout=60))
                except TimeoutError:
                    raise AssertionError(shown) from None
                shown += rest[0] if kind == "stdout" else ""
        return shown

    def beside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program beside the services, as `podman exec` does: with the image's variables alone."""
        first = str(self.service.processes()[0].pid)
        inside = ["nsenter", "-t", first, "-U", "-m", "-S", str(OPENSHIFT[0]), "-G", "0", *words]
        variables = dict(one.split("=", 1) for one in self.container.sandbox.config["Env"])
        return subprocess.run(inside, cwd="/", env=variables, capture_output=True, text=True, check=False)


@dataclass
class Days:
    """What was seen on the first day, and the second, which still runs."""

    first_log: str
    first: dict[str, Any]
    second: Seat


@pytest.fixture(scope="module")
def days(unpacked_for: Callable[[Platform], Sandbox]) -> Iterator[Days]:
    with volume() as folder:
        container = on(unpacked_for(native()), folder)
        with container.started() as service:
            seat = Seat(container, service)
            seat.seen["token"] = container.token
            seat.seen["page"] = httpx.get(f"{container.url}/", headers=seat.headers, follow_redirects=True).url.path
            for name in ("added", "second", "third"):
                wheel(folder, name, "1.0", "pandas")
            seat.seen["pip"] = seat.run("%pip install --no-index ./added-1.0-py3-none-any.whl")
            seat.seen["import"] = seat.run(SHOW)
            seat.seen["uv"] = seat.terminal("uv pip install --no-index ./second-1.0-py3-none-any.whl")
            seat.seen["beside"] = seat.beside("pip", "install", "--no-index", f"{WORKSPACE}/third-1.0-py3-none-any.whl")
            seat.seen["shell"] = seat.terminal('echo "=$0=$PWD="')
            seat.seen["init"] = seat.ask("POST", "/git/init", {}).status_code
            seat.seen["who"] = seat.ask("POST", "/git/config", {"options": PERSON}).status_code
            seat.seen["files"] = seat.ask("POST", "/git/status", {}).json()["files"]
            seat.ask("POST", "/api/contents/getting-started.ipynb/trust")
            (folder / "data-tour.ipynb").unlink()
            (folder / "agent-playbook.ipynb").write_text("{}")
            seen, log = seat.seen, container.log
        with container.started() as service:
            yield Days(log, seen, Seat(container, service))


@pytest.mark.slow
def test_what_pip_adds_in_a_notebook_is_found_at_once_over_the_locked_packages(days: Days) -> None:
    assert "Successfully installed added-1.0" in days.first["pip"]
    assert "1.0 " in days.first["import"]
    assert f"{WORKSPACE}/.jupyter/private/packages/lib" in days.first["import"]
    assert "/opt/env/lib/python3.13/site-packages/pandas" in days.first["import"]


@pytest.mark.slow
def test_a_container_made_anew_has_what_was_added_by_pip_uv_and_beside_the_services(days: Days) -> None:
    assert days.first["beside"].returncode == 0, days.first["beside"].stderr
    assert "1.0 1.0 1.0" in days.second.run(
        "import added, second, third; print(added.version, second.version, third.version)"
    )
    listed = days.second.beside(
        "pip", "list", "--path", f"{WORKSPACE}/.jupyter/private/packages/lib/python3.13/site-packages"
    )
    assert [line.split()[0] for line in listed.stdout.splitlines()[2:]] == ["added", "second", "third"]


def test_terminals_are_bash_in_the_workspace(days: Days) -> None:
    assert f"=bash={WORKSPACE}=" in days.first["shell"]


def test_the_first_page_is_getting_started_and_later_ones_are_what_was_open(days: Days) -> None:
    assert days.first["page"] == "/lab/tree/getting-started.ipynb"
    page = httpx.get(f"{days.second.container.url}/", headers=days.second.headers, follow_redirects=True)
    assert page.url.path == "/lab"


def test_a_repository_can_be_made_who_one_is_is_asked_once_and_no_token_is_committed(days: Days) -> None:
    assert (days.first["init"], days.first["who"]) == (200, 201)
    assert [one["to"] for one in days.first["files"] if ".jupyter" in one["to"]] == []
    shown = days.second.terminal("mkdir -p other && cd other && git init -q && git config user.email")
    assert PERSON["user.email"] in shown
    told = days.second.ask("POST", "/git/other/config", {}).json()["options"]
    assert told == PERSON


def test_ones_own_notebooks_stay_trusted(days: Days) -> None:
    model = days.second.ask("GET", "/api/contents/getting-started.ipynb").json()
    code = [cell for cell in model["content"]["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["metadata"].get("trusted") for cell in code)


def test_a_token_is_made_once_and_printed_once_and_no_line_is_critical(days: Days) -> None:
    container = days.second.container
    assert container.token == days.first["token"]
    assert days.first_log.count(container.token) == 1
    assert container.token not in container.log
    assert "CRIT" not in days.first_log + container.log


def test_starter_notebooks_are_the_persons_from_then_on(days: Days) -> None:
    workspace = days.second.container.workspace
    assert not (workspace / "data-tour.ipynb").exists()
    assert (workspace / "agent-playbook.ipynb").read_text() == "{}"


def test_the_server_itself_loads_nothing_that_was_added(days: Days) -> None:
    server = next(one for one in days.second.service.processes() if any("jupyter-lab" in word for word in one.words))
    assert server.words[0].startswith("/opt/env/bin/python")
    variables = Path(f"/proc/{server.pid}/environ").read_bytes().decode().split("\0")
    assert not any(one.startswith(("PYTHONPATH=", "PYTHONUSERBASE=", "VIRTUAL_ENV=")) for one in variables)
    assert not any(".jupyter" in one for one in variables if one.startswith("PATH="))


@pytest.mark.slow
def test_packages_may_be_forbidden_which_pip_and_uv_say(container: Container) -> None:
    with container.started({"JUPYTER_PACKAGES": "none"}) as service:
        seat = Seat(container, service)
        why = "JUPYTER_PACKAGES=none: no packages can be added in this container"
        assert why in seat.run("%pip install added")
        assert why in seat.run("!uv pip install added")
        assert "Name: numpy" in seat.run("%pip show numpy")
        assert why in container.log
    with container.begun({"JUPYTER_PACKAGES": "here"}) as service:
        assert service.process.wait(60) == 78
    assert container.log.startswith("error: JUPYTER_PACKAGES=here is not known")


THEIRS = "known-to-the-author-of-this-folder"


@pytest.fixture(scope="module")
def elsewhere(unpacked_for: Callable[[Platform], Sandbox]) -> Iterator[Seat]:
    """A container on a folder that somebody else has made: with a file, a token, and code that is to be run."""
    with volume() as folder:
        container = on(unpacked_for(native()), folder)
        state = folder / ".jupyter"
        site = state / "private" / "packages" / "lib" / "python3.13" / "site-packages"
        site.mkdir(parents=True)
        (site / "known.pth").write_text(f"import pathlib; pathlib.Path('{WORKSPACE}/ran').touch()\n")
        (state / "private" / "gitconfig").write_text(f"[core]\nfsmonitor = touch {WORKSPACE}/ran\n")
        (state / "token").write_text(THEIRS)
        for path in (state, *state.rglob("*")):
            os.chown(path, *OPENSHIFT)
        (folder / "mine.txt").write_text("mine")
        with container.started() as service:
            yield Seat(container, service, {"files": [file.name for file in folder.glob("[!.]*")]})


def test_a_workspace_that_holds_something_is_left_as_it_is(elsewhere: Seat) -> None:
    assert elsewhere.seen["files"] == ["mine.txt"]


def test_a_token_that_others_can_read_is_not_trusted(elsewhere: Seat) -> None:
    assert elsewhere.container.token != THEIRS
    assert "can be read by others and is replaced" in elsewhere.container.log


def test_what_a_folder_from_elsewhere_brings_is_not_run(elsewhere: Seat) -> None:
    assert "was not made here" in elsewhere.container.log
    assert "2" in elsewhere.run("print(1 + 1)")
    elsewhere.ask("POST", "/git/init", {})
    elsewhere.ask("POST", "/git/status", {})
    assert not (elsewhere.container.workspace / "ran").exists()
