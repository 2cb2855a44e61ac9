"""The jupyter image at work, hardened: an arbitrary uid, no capabilities, a read-only root, one volume."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest
from fastmcp import Client
from jupyter_ydoc import YNotebook
from websockets.exceptions import ConnectionClosed

from images.check.sandbox import Sandbox
from images.check.service import Service
from tests.images.conftest import images
from tests.live.conftest import Server
from tests.live.person import in_room
from tests.live.test_outside import eventually

from .container import OPENSHIFT, Container, Running, on, volume

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: an image is run as another user"),
]


SECRET = "/tmp/secret"  # noqa: S108 - inside, where only a tmpfs can be mounted into


def sources(file: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]


def ended(service: Service) -> int:
    return service.process.wait(60)


def test_an_arbitrary_user_gets_a_server_that_is_healthy_and_whose_services_can_be_read(first_start: Running) -> None:
    service, (code, said) = first_start.service, first_start.health
    assert code == 1
    assert said.startswith("unhealthy: /api does not answer")
    assert first_start.container.health() == (0, "healthy")
    assert {process.uid for process in service.processes()} == {OPENSHIFT[0]}
    # As an administrator looks into a container.
    first = str(service.processes()[0].pid)
    inside = ["nsenter", "-t", first, "-U", "-m", "-S", str(OPENSHIFT[0]), "-G", "0"]
    status = subprocess.run(
        [*inside, "/opt/env/bin/supervisorctl", "status"], cwd="/", capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"(?:(?:dbus|jupyter) +RUNNING +pid \d+, uptime [\d:]+\n){2}", status.stdout)


def test_a_token_is_made_kept_privately_and_printed_once(first_start: Running) -> None:
    container = first_start.container
    assert container.log.count(container.token) == 1
    kept = container.workspace / ".jupyter" / "token"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert httpx.get(f"{container.url}/api/contents").status_code == 403
    headers = {"Authorization": f"token {container.token}"}
    assert httpx.get(f"{container.url}/api/contents", headers=headers).status_code == 200
    # Neither the file browser nor an agent sees the state.
    assert httpx.get(f"{container.url}/api/contents/.jupyter/token", headers=headers).status_code == 404


def test_the_token_of_a_file_counts(container: Container) -> None:
    secret = container.workspace.with_name("secret")
    secret.write_text("from-a-file\n")
    container.sandbox = replace(container.sandbox, files={SECRET: secret})
    container.env = {"JUPYTER_TOKEN_FILE": SECRET}
    with container.started():
        headers = {"Authorization": "token from-a-file"}
        assert httpx.get(f"{container.url}/api/contents", headers=headers).status_code == 200
    secret.write_text("\n")
    with container.begun() as service:
        assert ended(service) == 78
    assert container.log == f"error: JUPYTER_TOKEN_FILE={SECRET} is empty: put the token into it\n"


def test_no_authentication_is_explicit_loud_and_holds_for_agents_too(container: Container) -> None:
    with container.started({"JUPYTER_AUTH": "none"}):
        assert "WARNING: JUPYTER_AUTH=none: anyone who reaches port" in container.log
        assert httpx.get(f"{container.url}/api/contents").status_code == 200
        assert container.health() == (0, "healthy")
        # A page whose own name was turned to this address sends that name.
        for path in ("api/contents", "mcp"):
            assert httpx.get(f"{container.url}/{path}", headers={"Host": "rebound.example"}).status_code == 403

        async def tools() -> set[str]:
            async with Client(f"{container.url}/mcp") as client:
                return {tool.name for tool in await client.list_tools()}

        assert "execute_cell" in asyncio.run(tools())
    with container.begun({"JUPYTER_AUTH": "nobody"}) as service:
        assert ended(service) == 78
    assert container.log == "error: JUPYTER_AUTH=nobody is not known: use token (the default) or none\n"


def test_a_workspace_of_another_owner_is_one_clear_line(container: Container) -> None:
    os.chown(container.workspace, 4321, 4321)
    container.workspace.chmod(0o755)
    with container.begun() as service:
        assert ended(service) == 78
    assert container.log.count("\n") == 1
    assert "uid 12345 can't write /home/jovyan/workspace, which belongs to" in container.log
    assert "run with --user" in container.log


@dataclass
class Stopped:
    """A container that was stopped in the middle of work."""

    container: Container
    seconds: float | None
    """How long it took; None where it had to be killed."""


@pytest.fixture(scope="module")
def stopped(image: Sandbox) -> Iterator[Stopped]:
    """A container that is stopped while a cell ignores interrupts, an agent's edit is not saved, and a person types."""
    stubborn = (
        "while True:\n    try:\n        print('on', flush=True)\n        import time; time.sleep(60)\n"
        "    except KeyboardInterrupt:\n        pass"
    )

    async def work(container: Container, service: Service) -> None:
        async with container.client() as client:
            for name in ("agents", "stubborn", "persons"):
                await client.call_tool("create_notebook", {"path": f"{name}.ipynb"})
            await client.call_tool("close_notebook_session", {"path": "persons.ipynb"})
            await client.call_tool("insert_cell", {"path": "stubborn.ipynb", "index": 0, "source": stubborn})
            running = asyncio.create_task(client.call_tool("execute_cell", {"path": "stubborn.ipynb", "index": 0}))

            async def goes_on() -> bool:
                return "on" in str(await client.call_tool("get_cell", {"path": "stubborn.ipynb", "index": 0}))

            await eventually(goes_on, wanted=True)
            await client.call_tool("insert_cell", {"path": "agents.ipynb", "index": 0, "source": "unsaved = 1"})
            seat = Server(container.workspace, container.workspace, token=container.token, port=container.port)
            async with in_room(seat, "persons.ipynb", YNotebook()) as notebook:
                notebook.append_cell({"cell_type": "code", "source": "typed = 1", "metadata": {}, "outputs": []})
                await asyncio.sleep(0.3)
                assert "unsaved = 1" not in sources(container.workspace / "agents.ipynb")
                assert "typed = 1" not in sources(container.workspace / "persons.ipynb")
                seconds.append(await asyncio.to_thread(service.stop, 30))
                running.cancel()

    with volume() as folder:
        container = on(image, folder)
        seconds: list[float | None] = []
        # The person's connection ends with the server.
        with container.started() as service, contextlib.suppress(ConnectionClosed):
            asyncio.run(work(container, service))
        yield Stopped(container, *seconds)


def test_a_stop_loses_nothing_and_takes_less_than_a_runtime_waits(stopped: Stopped) -> None:
    assert "unsaved = 1" in sources(stopped.container.workspace / "agents.ipynb")
    assert "SIGKILL" not in stopped.container.log, stopped.container.log
    assert stopped.seconds is not None, stopped.container.log
    assert stopped.seconds < 10


def test_a_stop_loses_nothing_that_a_person_typed(stopped: Stopped) -> None:
    assert "typed = 1" in sources(stopped.container.workspace / "persons.ipynb"), stopped.container.log


@pytest.mark.slow
def test_the_other_platform_runs_hardened_and_saves_at_a_stop(emulated: Container) -> None:
    container = emulated

    async def edit(service: Service) -> float | None:
        async with container.client() as client:
            await client.call_tool("create_notebook", {"path": "a.ipynb"})
            await client.call_tool("insert_cell", {"path": "a.ipynb", "index": 0, "source": "unsaved = 1"})
            assert "unsaved = 1" not in sources(container.workspace / "a.ipynb")
            return await asyncio.to_thread(service.stop, 60)

    with container.started() as service:
        assert {process.uid for process in service.processes()} == {OPENSHIFT[0]}
        first = Path(f"/proc/{service.processes()[0].pid}")
        capabilities = [line for line in (first / "status").read_text().splitlines() if line.startswith("Cap")]
        assert {line.split()[1] for line in capabilities} == {"0" * 16}
        with pytest.raises(OSError, match="Read-only file system"):
            (first / "root" / "home" / "jovyan" / "x").touch()
        kept = container.workspace / ".jupyter" / "token"
        assert (stat.S_IMODE(kept.stat().st_mode), kept.stat().st_uid) == (0o600, OPENSHIFT[0])
        assert container.health() == (0, "healthy")
        assert asyncio.run(edit(service)) is not None, container.log
    assert "unsaved = 1" in sources(container.workspace / "a.ipynb")


@pytest.fixture(scope="module")
def made_anew(image: Sandbox) -> Iterator[Running]:
    """A container on the volume of one that was killed; its token is that of a variable."""

    async def edit(container: Container) -> None:
        async with container.client() as client:
            await client.call_tool("create_notebook", {"path": "a.ipynb"})
            await client.call_tool("insert_cell", {"path": "a.ipynb", "index": 0, "source": "acknowledged = 1"})

    with volume() as folder:
        container = on(image, folder)
        with container.started() as service:
            asyncio.run(edit(container))
            service.process.kill()
            service.process.wait()
        assert "acknowledged = 1" not in sources(folder / "a.ipynb")
        with container.started({"JUPYTER_TOKEN": "from-a-variable"}) as service:
            yield Running(container, service, (0, ""))


def test_a_container_made_anew_has_the_edits_that_a_killed_one_acknowledged(made_anew: Running) -> None:
    assert "acknowledged = 1" in sources(made_anew.container.workspace / "a.ipynb")


def test_the_token_of_a_variable_counts_and_reaches_no_environment(made_anew: Running) -> None:
    headers = {"Authorization": "token from-a-variable"}
    assert httpx.get(f"{made_anew.container.url}/api/contents", headers=headers).status_code == 200
    everything = made_anew.service.processes()
    jupyter = next(one for one in everything if any("jupyter-lab" in word for word in one.words))
    assert b"from-a-variable" not in Path(f"/proc/{jupyter.pid}/environ").read_bytes()


TEMPLATES = ("agent-playbook.ipynb", "data-tour.ipynb", "getting-started.ipynb")
REPORT = "report-to-mend.ipynb"
"""What the playbook writes, and the agent in it mends."""


def test_the_starter_notebooks_run_clean(first_start: Running) -> None:
    container = first_start.container

    async def run(path: str) -> None:
        cells = json.loads((container.workspace / path).read_text())["cells"]
        async with container.client() as client:
            for index, cell in enumerate(cells):
                if cell["cell_type"] == "code":
                    await client.call_tool("execute_cell", {"path": path, "index": index})
            await client.call_tool("close_notebook_session", {"path": path})

    for path in TEMPLATES:
        asyncio.run(run(path))
        ran = json.loads((container.workspace / path).read_text())["cells"]
        outputs = [output for cell in ran if cell["cell_type"] == "code" for output in cell["outputs"]]
        assert outputs
        assert [output for output in outputs if output["output_type"] == "error"] == []
    assert "f'An agent greets {name}.'" in sources(container.workspace / "getting-started.ipynb")
    assert "image/png" in (container.workspace / "data-tour.ipynb").read_text()
    report = json.loads((container.workspace / REPORT).read_text())["cells"]
    assert report[1]["source"][0].startswith('rain = {"Jan": 60, "Feb": 57, "Mar": 116,')
    assert "mm in the year" in str(report[2]["outputs"])
    assert "image/png" in str(report[4]["outputs"])
    (container.workspace / REPORT).unlink()


@pytest.mark.slow
def test_a_running_server_is_checked_with_no_source_and_asked_from_the_command_line(
    first_start: Running, tmp_path: Path
) -> None:
    container = first_start.container
    inspected = tmp_path / "inspect.json"
    inspected.write_text(json.dumps([{"Config": container.sandbox.config}]))
    token = container.workspace / ".jupyter" / "token"
    live = images("check", inspected, "--live", container.url, "--token-file", token, "--format", "junit")
    assert live.returncode == 0, live.stderr
    suite = ET.fromstring(live.stdout)[0]  # noqa: S314 - our own
    assert (suite.get("name"), suite.get("failures")) == (container.url, "0")
    tried = {case.get("name") for case in suite if case.find("skipped") is None}
    assert {"jupyter-api", "jupyter-listens", "mcp-ping", "mcp-lists-the-notebook", "mcp-runs-the-cell"} <= tried
    skipped = {case.get("name") for case in suite if case.find("skipped") is not None}
    assert {"jupyter-runs", "health-command", "supervisord-runs"} <= skipped

    url = f"{container.url}/mcp"
    assert json.loads(images("mcp", "ping", url, "--token-file", token).stdout) == "pong"
    tools = json.loads(images("mcp", "list-tools", url, "--token-file", token).stdout)
    assert "execute_cell" in {tool["name"] for tool in tools}
    listed = images("mcp", "call", url, "list_notebooks", "--token-file", token)
    assert "getting-started.ipynb" in listed.stdout
    assert images("mcp", "list-resources", url, "--token-file", token).returncode == 0
    closed = images("mcp", "ping", url)
    assert closed.returncode == 69
    assert closed.stderr.count("\n") == 1
    gone = images("check", inspected, "--live", "http://127.0.0.1:9", "--format", "tap")
    assert gone.returncode == 1
    assert "not ok" in gone.stdout
