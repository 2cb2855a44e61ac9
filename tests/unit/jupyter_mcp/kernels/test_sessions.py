"""A notebook has one session and one kernel, however agents and pages ask for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from jupyter_mcp.kernels.sessions import one_for_each_path, preferred
from tests.support.sessions import NamedKernels, session_manager

NOTEBOOK = "a/n.ipynb"


class Server:
    """A session manager, and those who ask it as Jupyter's handlers do."""

    def __init__(self, root: Path) -> None:
        self.sessions = session_manager(root)
        self.kernels: Any = self.sessions.kernel_manager
        assert isinstance(self.kernels, NamedKernels)
        one_for_each_path(self.sessions)

    async def agent(self, path: str = NOTEBOOK, kernel: str | None = None) -> dict[str, Any]:
        """Ask for the notebook's session as jupyter_mcp does."""
        name = path.rpartition("/")[2]
        return await self.sessions.create_session(path=path, name=name, type="notebook", kernel_name=kernel)

    async def post(self, path: str, name: str = "n.ipynb", kernel: str | None = "python3") -> dict[str, Any]:
        """POST /api/sessions."""
        if await self.sessions.session_exists(path=path):
            found: dict[str, Any] = await self.sessions.get_session(path=path)
            return found
        return await self.sessions.create_session(path=path, name=name, type="notebook", kernel_name=kernel)

    async def patch(self, session_id: str, **changes: Any) -> dict[str, Any]:
        """PATCH /api/sessions/ID, which ends the session's former kernel."""
        before = await self.sessions.get_session(session_id=session_id)
        if name := changes.pop("kernel", None):
            changes["kernel_id"] = await self.kernels.start_kernel(kernel_name=name)
        await self.sessions.update_session(session_id, **changes)
        after: dict[str, Any] = await self.sessions.get_session(session_id=session_id)
        if after["kernel"]["id"] != before["kernel"]["id"]:
            await self.kernels.shutdown_kernel(before["kernel"]["id"])
        return after

    async def page_starts_a_kernel(self, kernel: str = "python3", path: str = NOTEBOOK) -> dict[str, Any]:
        """As JupyterLab 4.6: POST under a random path, end what comes under another, PATCH to the notebook's path."""
        folder, _, name = path.rpartition("/")
        asked = f"{folder}/{uuid4()}"
        made = await self.post(asked, name, kernel)
        assert made["path"] == asked
        self.kernels.connections[made["kernel"]["id"]] = 1
        return await self.patch(made["id"], path=path)

    async def paths(self) -> dict[str, str]:
        return {one["path"]: one["kernel"]["id"] for one in await self.sessions.list_sessions()}


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Callable[[Server], Awaitable[None]]], None]:
    def run(test: Callable[[Server], Awaitable[None]]) -> None:
        async def within() -> None:
            server = Server(tmp_path)
            await test(server)
            assert set(server.kernels.running) == set((await server.paths()).values()), "a kernel without a session"

        asyncio.run(within())

    return run


Run = Callable[[Callable[[Server], Awaitable[None]]], None]


def test_a_page_that_comes_after_an_agent_gets_the_agents_kernel(run: Run) -> None:
    async def test(server: Server) -> None:
        first = await server.agent()
        page = await server.page_starts_a_kernel()
        assert (page["id"], page["kernel"]["id"], page["path"]) == (first["id"], first["kernel"]["id"], NOTEBOOK)
        assert len(await server.sessions.list_sessions()) == 1

    run(test)


def test_an_agent_that_comes_between_a_pages_post_and_its_patch_gets_the_pages_kernel(run: Run) -> None:
    async def test(server: Server) -> None:
        page = await server.post(f"a/{uuid4()}")
        agent = await server.agent()
        assert agent["kernel"]["id"] == page["kernel"]["id"]
        assert (await server.patch(page["id"], path=NOTEBOOK))["kernel"]["id"] == page["kernel"]["id"]

    run(test)


@pytest.mark.parametrize("agent_first", [True, False])
def test_a_page_and_an_agent_that_come_together_get_one_kernel(run: Run, agent_first: bool) -> None:
    async def test(server: Server) -> None:
        server.kernels.held.clear()
        asks = [server.agent(), server.page_starts_a_kernel(), server.page_starts_a_kernel()]
        waiting = asyncio.gather(*(asks if agent_first else reversed(asks)))
        await asyncio.sleep(0.01)
        server.kernels.held.set()
        assert len({one["kernel"]["id"] for one in await waiting}) == 1
        assert len(await server.sessions.list_sessions()) == 1

    run(test)


def test_two_pages_without_a_kernel_get_one(run: Run) -> None:
    async def test(server: Server) -> None:
        one, other = await server.page_starts_a_kernel(), await server.page_starts_a_kernel()
        assert one["kernel"]["id"] == other["kernel"]["id"]
        assert len(await server.sessions.list_sessions()) == 1

    run(test)


def test_a_page_that_asks_for_another_kind_of_kernel_changes_the_notebooks(run: Run) -> None:
    async def test(server: Server) -> None:
        before = (await server.agent())["kernel"]["id"]
        page = await server.page_starts_a_kernel("r")
        assert page["kernel"]["name"] == "r"
        assert await server.paths() == {NOTEBOOK: page["kernel"]["id"]}
        assert server.kernels.ended == [before]
        assert (await server.agent())["kernel"]["id"] == page["kernel"]["id"]

    run(test)


def test_a_page_that_asks_for_another_notebooks_kernel_gets_that(run: Run) -> None:
    async def test(server: Server) -> None:
        await server.agent()
        other = await server.agent("b.ipynb")
        page = await server.sessions.create_session(
            path=f"a/{uuid4()}", name="n.ipynb", type="notebook", kernel_id=other["kernel"]["id"]
        )
        assert page["kernel"]["id"] == other["kernel"]["id"]
        assert len(server.kernels.ended) == 1

    run(test)


def test_a_page_that_changes_its_kernel_takes_the_others_with_it(run: Run) -> None:
    async def test(server: Server) -> None:
        first = await server.agent()
        await server.sessions.save_session("second", NOTEBOOK, "n.ipynb", "notebook", first["kernel"]["id"])
        changed = await server.patch(first["id"], kernel="r")
        assert set((await server.paths()).values()) == {changed["kernel"]["id"]}
        assert len(await server.sessions.list_sessions()) == 2

    run(test)


@pytest.mark.parametrize("connections", [0, 1])
def test_a_session_that_comes_to_the_notebook_by_a_patch_alone_gets_the_kernel_that_is_there(
    run: Run, connections: int
) -> None:
    async def test(server: Server) -> None:
        there = await server.agent()
        server.kernels.connections[there["kernel"]["id"]] = connections
        came = await server.post(f"elsewhere/{uuid4()}", "")
        assert came["kernel"]["id"] != there["kernel"]["id"]
        after = await server.patch(came["id"], path=NOTEBOOK)
        assert after["kernel"]["id"] == there["kernel"]["id"]
        # A page may use the other session: it stays, with the same kernel.
        assert len(await server.sessions.list_sessions()) == 1 + connections
        assert preferred(await server.sessions.list_sessions(), NOTEBOOK, {there["id"]})["kernel"] == after["kernel"]  # type: ignore[index]

    run(test)


def test_a_notebook_that_is_renamed_onto_an_old_session_brings_its_own_kernel(run: Run) -> None:
    async def test(server: Server) -> None:
        old = await server.agent("b.ipynb")
        mine = await server.page_starts_a_kernel()
        after = await server.patch(mine["id"], path="b.ipynb")
        assert after["kernel"]["id"] == mine["kernel"]["id"]
        assert server.kernels.ended == [old["kernel"]["id"]]
        assert await server.paths() == {"b.ipynb": mine["kernel"]["id"]}

    run(test)


def test_every_session_of_a_notebook_follows_when_it_is_renamed(run: Run) -> None:
    async def test(server: Server) -> None:
        first = await server.agent()
        await server.sessions.save_session("second", NOTEBOOK, "n.ipynb", "notebook", first["kernel"]["id"])
        await server.patch("second", path="new.ipynb")
        assert set(await server.paths()) == {"new.ipynb"}
        assert (await server.agent())["kernel"]["id"] != first["kernel"]["id"]

    run(test)


def test_a_page_that_asked_twice_ends_the_first_and_keeps_its_kernel(run: Run) -> None:
    async def test(server: Server) -> None:
        agent = await server.agent()
        first, second = await server.post(f"a/{uuid4()}"), await server.post(f"a/{uuid4()}")
        await server.sessions.delete_session(first["id"])
        assert (await server.patch(second["id"], path=NOTEBOOK))["kernel"]["id"] == agent["kernel"]["id"]

    run(test)


def test_a_page_whose_first_answer_comes_last_ends_it_and_keeps_its_kernel(run: Run) -> None:
    async def test(server: Server) -> None:
        await server.agent()
        first = await server.post(f"a/{uuid4()}")
        second = await server.page_starts_a_kernel()
        await server.sessions.delete_session(first["id"])
        assert await server.paths() == {NOTEBOOK: second["kernel"]["id"]}

    run(test)


def test_a_page_that_joined_while_it_asked_again_ends_what_it_joined_and_keeps_its_kernel(run: Run) -> None:
    async def test(server: Server) -> None:
        await server.agent()
        joined = await server.page_starts_a_kernel()
        again = await server.page_starts_a_kernel()
        await server.patch(again["id"], name="n.ipynb")
        await server.sessions.delete_session(joined["id"])
        assert await server.paths() == {NOTEBOOK: again["kernel"]["id"]}

    run(test)


def test_a_page_that_started_the_kernel_itself_and_asked_twice_keeps_it(run: Run) -> None:
    async def test(server: Server) -> None:
        first, second = await server.post(f"a/{uuid4()}"), await server.post(f"a/{uuid4()}")
        await server.sessions.delete_session(first["id"])
        assert (await server.patch(second["id"], path=NOTEBOOK))["kernel"]["id"] == first["kernel"]["id"]

    run(test)


def test_a_page_that_gives_up_its_question_leaves_the_agents_kernel(run: Run) -> None:
    async def test(server: Server) -> None:
        agent = await server.agent()
        asked = await server.post(f"a/{uuid4()}")
        await server.sessions.delete_session(asked["id"])
        assert await server.paths() == {NOTEBOOK: agent["kernel"]["id"]}

    run(test)


@pytest.mark.parametrize("began", ["agent", "page"])
def test_a_person_shuts_the_kernel_down_that_their_page_joined_or_started(
    run: Run, began: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(server: Server) -> None:
        if began == "agent":
            await server.agent()
        page = await server.page_starts_a_kernel()
        if began == "agent":  # nobody is that fast
            now = time.monotonic()
            monkeypatch.setattr(time, "monotonic", lambda: now + 60)
        await server.sessions.delete_session(page["id"])
        assert server.kernels.running == {}

    run(test)


def test_a_shut_down_is_for_all_pages_also_one_that_vanished_while_it_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(server: Server) -> None:
        page = await server.page_starts_a_kernel()
        await server.post(f"a/{uuid4()}")
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 60)
        await server.sessions.delete_session(page["id"])
        assert server.kernels.running == {}

    run(test)


def test_after_a_shut_down_an_agent_and_the_page_share_the_next_kernel(run: Run) -> None:
    async def test(server: Server) -> None:
        page = await server.page_starts_a_kernel()
        await server.sessions.delete_session(page["id"])
        agent = await server.agent()
        assert agent["kernel"]["id"] != page["kernel"]["id"]
        assert (await server.page_starts_a_kernel())["kernel"]["id"] == agent["kernel"]["id"]

    run(test)


def test_who_comes_while_a_kernel_shuts_down_gets_the_next(run: Run) -> None:
    async def test(server: Server) -> None:
        page = await server.page_starts_a_kernel()
        server.kernels.held.clear()
        ending = asyncio.ensure_future(server.sessions.delete_session(page["id"]))
        await asyncio.sleep(0.01)
        assert await server.sessions.list_sessions() == []
        server.kernels.held.set()
        agent = await server.agent()
        await ending
        assert agent["kernel"]["id"] != page["kernel"]["id"]
        assert await server.paths() == {NOTEBOOK: agent["kernel"]["id"]}

    run(test)


def test_a_kernel_that_does_not_start_leaves_the_notebooks_session(run: Run) -> None:
    async def test(server: Server) -> None:
        there = await server.agent()
        with pytest.raises(RuntimeError):
            await server.page_starts_a_kernel("broken")
        assert await server.paths() == {NOTEBOOK: there["kernel"]["id"]}

    run(test)


def test_sessions_that_are_not_a_notebooks_are_as_upstream_makes_them(run: Run) -> None:
    async def test(server: Server) -> None:
        await server.agent()
        console = await server.sessions.create_session(f"a/console-1-{uuid4()}", "n.ipynb", "console", "python3")
        await server.sessions.update_session(console["id"], path=NOTEBOOK)
        assert len(set((await server.paths()).values())) == 1
        assert len(server.kernels.running) == 2
        await server.sessions.delete_session(console["id"])

    run(test)


def test_of_several_sessions_the_one_with_a_page_is_preferred_then_one_that_is_not_ours() -> None:
    def session(key: str, connections: int = 0, path: str = NOTEBOOK) -> dict[str, Any]:
        return {"id": key, "path": path, "type": "notebook", "kernel": {"id": key, "connections": connections}}

    ours, theirs, page = session("ours"), session("theirs"), session("page", 2)
    assert preferred([ours, theirs, page], NOTEBOOK, {"ours"}) is page
    assert preferred([ours, theirs], NOTEBOOK, {"ours"}) is theirs
    assert preferred([ours], NOTEBOOK, {"ours"}) is ours
    assert preferred([session("x", path="other.ipynb")], NOTEBOOK, set()) is None
