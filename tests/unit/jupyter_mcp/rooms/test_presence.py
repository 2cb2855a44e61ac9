"""People see the agents, and nothing else notices them: not the guard of carets, not saving, not the rooms."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jupyter_mcp.rooms import presence
from jupyter_mcp.rooms.live import Live
from jupyter_mcp.rooms.presence import GLOBAL_ROOM, RENEW_EVERY, STAYS, Presences
from tests.support.fake_live import notebook_of
from tests.support.pages import Lobby, Page

pytestmark = pytest.mark.anyio


class Scene:
    """A server with a notebook, whose clock the test moves and whose looks the test takes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lobby = Lobby()
        self.live: Live = notebook_of("one", "", "three")
        self.rooms: dict[str, Any] = {GLOBAL_ROOM: self.lobby, self.live.room_id: self.live.room}
        self.presences = Presences(lambda: self.rooms, logging.getLogger("test"), lambda: self.now)

    async def pass_(self, seconds: float) -> None:
        """Let time pass, with looks as the server takes them."""
        while seconds > 0:
            step = min(seconds, 1.0)
            self.now += step
            seconds -= step
            await self.presences.look()


@pytest.fixture
async def scene(anyio_backend: str) -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    await made.presences.close()


async def work(scene: Scene, cell: str | None = "a", agent: str = "agent-1", name: str = "Claude Code (Ada)") -> None:
    scene.presences.arrives(agent, name, "n.ipynb")
    scene.presences.works(agent, scene.live, cell)
    await scene.presences.look()


def cell_of_cursor(scene: Scene, state: dict[str, Any]) -> str:
    """Return the id of the cell in whose source a page would draw the cursor."""
    (cursor,) = state["cursors"]
    # Yjs takes what is left out for a position.
    assert (cursor["anchor"]["item"], cursor["anchor"]["tname"], cursor["anchor"]["assoc"]) == (None, None, -1)
    found = {
        scene.live.document.ycells[index]["source"]
        .sticky_index(0, presence.Assoc.BEFORE)
        .to_json()["type"]["clock"]: id_
        for index, id_ in enumerate("abc")
    }
    return found[cursor["anchor"]["type"]["clock"]]


async def test_an_agent_is_among_the_collaborators_and_its_cursor_is_in_the_cell_it_works_in(scene: Scene) -> None:
    lobby, page = Page(scene.lobby), Page(scene.live.room)
    await work(scene)
    (somewhere,) = lobby.others
    user = somewhere["user"]
    assert (user["name"], user["initials"], user["username"]) == ("Claude Code (Ada)", "CC", "agent-1")
    assert all(isinstance(value, str) for value in user.values())
    assert (somewhere["current"], somewhere["documents"]) == ("notebook:n.ipynb", ["n.ipynb"])
    (here,) = page.others
    assert here["user"] == user
    for cell in ("a", "b", "c"):  # "b" is empty
        scene.presences.works("agent-1", scene.live, cell)
        await scene.presences.look()
        assert cell_of_cursor(scene, page.others[0]) == cell


async def test_an_agent_is_gone_a_minute_after_its_last_call_and_stays_while_one_runs(scene: Scene) -> None:
    lobby, page = Page(scene.lobby), Page(scene.live.room)
    await work(scene)
    await scene.pass_(5 * STAYS)
    assert lobby.others
    scene.presences.leaves("agent-1")
    await scene.pass_(STAYS - 1)
    assert lobby.others
    assert page.others
    await scene.pass_(2)
    assert lobby.others == page.others == []


async def test_pages_are_told_again_before_they_forget_and_pages_that_come_later_at_the_next_look(scene: Scene) -> None:
    first = Page(scene.live.room)
    await work(scene)
    heard = first.heard
    await scene.pass_(RENEW_EVERY - 1)
    assert first.heard == heard
    later = Page(scene.live.room)
    await scene.pass_(0.5)
    assert later.others
    assert first.heard == heard
    await scene.pass_(1)
    assert first.heard == heard + 1


async def test_the_rooms_own_awareness_never_keeps_an_agent(scene: Scene) -> None:
    pages = [Page(scene.live.room, user={"name": "Ada"}, autosave=False), Page(scene.live.room), Page(scene.lobby)]
    before = dict(scene.live.room.awareness.states)
    await work(scene)
    await scene.pass_(25)
    assert scene.live.room.awareness.states == before
    assert [state for state in scene.lobby.awareness.states.values() if state] == []
    assert all(page.others for page in pages)


async def test_an_agents_cursor_is_no_persons_caret_and_a_persons_still_is(scene: Scene) -> None:
    Page(scene.live.room)
    await work(scene)
    assert scene.live.carets.at(scene.live.document.ycells[0], 1e9) is None
    cursors = [{"anchor": {"type": cursor_type(scene, 2)}, "head": None}]
    Page(scene.live.room, user={"name": "Ada"}, cursors=cursors)
    await scene.pass_(1)
    assert scene.live.carets.at(scene.live.document.ycells[2], 1e9) == "Ada"


def cursor_type(scene: Scene, cell: int) -> Any:
    return scene.live.document.ycells[cell]["source"].sticky_index(0, presence.Assoc.BEFORE).to_json()["type"]


async def test_an_agents_presence_keeps_no_room(scene: Scene) -> None:
    await work(scene)
    assert scene.live.people == 0
    assert not scene.live.occupied()
    scene.live.release(delete_journal=True)
    await scene.presences.look()
    scene.rooms.clear()
    await scene.presences.look()
    scene.presences.tidy()
    assert scene.presences._watched == {}


async def test_an_agent_that_goes_to_another_notebook_leaves_the_first(scene: Scene) -> None:
    page = Page(scene.live.room)
    await work(scene)
    other = notebook_of("x")
    there = Page(other.room)
    scene.presences.works("agent-1", other, "a")
    await scene.presences.look()
    assert page.others == []
    assert there.others


async def test_agents_have_colours_of_their_own_and_only_so_many_are_shown(scene: Scene) -> None:
    lobby = Page(scene.lobby)
    for number in range(7):
        await work(scene, agent=f"agent-{number}")
    assert len({state["user"]["color"] for state in lobby.others}) == 7
    for number in range(100):
        await work(scene, agent=f"many-{number}")
    assert len(lobby.others) == presence._MOST


async def test_a_cell_that_is_gone_a_page_that_fails_and_no_lobby_disturb_nobody(scene: Scene) -> None:
    class Leaving:
        async def send(self, _: bytes) -> None:
            raise OSError("left")

    scene.live.room.clients.add(Leaving())
    page = Page(scene.live.room)
    del scene.rooms[GLOBAL_ROOM]
    await work(scene, cell="no such cell")
    assert page.others[0]["cursors"] == []
    lobby = scene.rooms[GLOBAL_ROOM] = Lobby()
    newcomer = Page(lobby)
    await scene.pass_(1)
    assert newcomer.others


async def test_the_task_ends_when_nobody_is_shown(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(scene.live.room)
    scene.presences.arrives("agent-1", "Claude", None)
    scene.presences.works("agent-1", scene.live, "a")
    task = scene.presences._task
    assert task is not None
    scene.presences.leaves("agent-1")
    scene.now += STAYS + 1
    await task
    assert page.others == []
