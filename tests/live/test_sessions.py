"""A notebook has one session and one kernel, whoever asks first and however close together."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from .conftest import MakeServer, Server
from .test_execution import notebook, run_cell, text_of
from .test_outside import eventually
from .test_tools import call, fresh


async def open_as_a_browser_does(http: httpx.AsyncClient, path: str, kernel: str = "python3") -> httpx.Response:
    body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": kernel}}
    return await http.post("api/sessions", json=body)


async def kernels_of(http: httpx.AsyncClient, path: str) -> list[str]:
    sessions = (await http.get("api/sessions")).raise_for_status().json()
    return [session["kernel"]["id"] for session in sessions if session["path"] == path]


async def without_a_session(http: httpx.AsyncClient) -> set[str]:
    kernels = (await http.get("api/kernels")).raise_for_status().json()
    sessions = (await http.get("api/sessions")).raise_for_status().json()
    return {kernel["id"] for kernel in kernels} - {session["kernel"]["id"] for session in sessions}


@pytest.mark.parametrize("lead", [-0.04, -0.01, 0.0, 0.01, 0.04], ids=lambda lead: f"person {lead:+} s")
def test_a_person_who_opens_the_notebook_as_an_agent_runs_a_cell_gets_the_same_kernel(
    server: Server, lead: float
) -> None:
    async def run() -> None:
        async with (
            notebook(server, "mine = 1", "print(mine)") as (client, path),
            httpx.AsyncClient(base_url=server.url, headers=server.headers, timeout=60) as http,
        ):

            async def after(seconds: float, what: Any) -> Any:
                await asyncio.sleep(seconds)
                return await what

            _, opened = await asyncio.gather(
                after(max(0, -lead), run_cell(client, path, 0)),
                after(max(0, lead), open_as_a_browser_does(http, path)),
            )
            assert opened.status_code == 201
            assert await kernels_of(http, path) == [opened.json()["kernel"]["id"]]
            assert text_of(await run_cell(client, path, 1)) == "1\n"

    asyncio.run(run())


def test_two_tabs_that_open_a_notebook_at_once_get_the_same_kernel(server: Server) -> None:
    async def run() -> None:
        async with (
            notebook(server) as (_, path),
            httpx.AsyncClient(base_url=server.url, headers=server.headers, timeout=60) as http,
        ):
            opened = await asyncio.gather(*(open_as_a_browser_does(http, path) for _ in range(5)))
            assert len({reply.json()["id"] for reply in opened}) == 1
            assert len(await kernels_of(http, path)) == 1

    asyncio.run(run())


def test_a_kernel_that_does_not_start_hinders_nobody(make_server: MakeServer) -> None:
    """The server stops, too: jupyter-server 2.21 alone never does once a kernel did not start."""
    server = make_server()

    async def run() -> None:
        async with (
            notebook(server) as (_, path),
            httpx.AsyncClient(base_url=server.url, headers=server.headers, timeout=60) as http,
        ):
            assert (await open_as_a_browser_does(http, path, "no such kernel")).status_code == 501
            opened = await open_as_a_browser_does(http, path)
            assert await kernels_of(http, path) == [opened.json()["kernel"]["id"]]

    asyncio.run(run())
    assert server.stop() == 0


def test_a_client_that_leaves_while_its_kernel_starts_leaves_nothing_behind(make_server: MakeServer) -> None:
    """No kernel without a session, and a server that stops: a start that is broken off halfway hinders it."""
    server = make_server()

    async def run() -> None:
        async with (
            server.client() as client,
            httpx.AsyncClient(base_url=server.url, headers=server.headers, timeout=60) as http,
        ):
            for wait in (0.005, 0.02, 0.05, 0.1):
                path = fresh()
                await call(client, "create_notebook", path=path)
                await call(client, "update_cell", path=path, index=0, source="print('run')")
                running = asyncio.ensure_future(run_cell(client, path, 0))
                await asyncio.sleep(wait)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await eventually(lambda: without_a_session(http), set())
                assert text_of(await run_cell(client, path, 0)) == "run\n"
                assert len(await kernels_of(http, path)) == 1

    asyncio.run(run())
    assert server.stop() == 0
