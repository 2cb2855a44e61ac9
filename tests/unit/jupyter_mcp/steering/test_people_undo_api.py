"""People look at agents' changes and take them back, over REST: Jupyter's login and Authorizer decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_mcp.steering.activity import UNDO
from tests.support.served import Served, run
from tests.support.tabs import Tab

from .test_people_api import ask, base, only

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

PATH = "n.ipynb"
ENDPOINTS = (("GET", "change?notebook=n.ipynb&change=1"), ("POST", "undo"), ("POST", "restore"))


async def made(at: Served, tool: str, **arguments: Any) -> int:
    """Let an agent change the notebook; return the number of the change."""
    async with at.agent() as client:
        await client.call_tool(tool, {"path": PATH, **arguments})
    number: int = (await at.state())["activity"][-1]["call"]
    return number


async def sources(at: Served) -> list[str]:
    live = await at.workshop.rooms.join(PATH)
    return [str(cell["source"]) for cell in live.document.ycells]


@pytest.mark.parametrize(("verb", "name"), ENDPOINTS)
def test_nobody_without_a_login_sees_or_takes_back_anything(tmp_path: Path, verb: str, name: str) -> None:
    async def job(at: Served) -> None:
        async with httpx.AsyncClient() as http:
            assert (await http.request(verb, f"{base(at)}/jupyter-mcp/{name}", json={})).status_code == 403
        async with at.bridge.client() as http:
            cookies = dict((await http.get(f"{base(at)}/jupyter-mcp/state")).cookies)
        if verb == "POST":  # another site's page, with a person's cookie
            async with httpx.AsyncClient(cookies=cookies) as http:
                assert (await http.post(f"{base(at)}/jupyter-mcp/{name}", json={})).status_code == 403

    run(tmp_path, job)


def test_the_authorizer_is_asked_to_look_and_to_take_back(tmp_path: Path) -> None:
    async def reader(at: Served) -> None:
        for name, body in (("undo", {"notebook": PATH, "change": 1}), ("restore", {"notebook": PATH, "cell": "a"})):
            reply = await ask(at, "POST", name, body)
            assert (reply.status_code, reply.json()["message"]) == (403, "You may not write contents on this server.")

    async def writer(at: Served) -> None:
        assert (await ask(at, "GET", "change?notebook=n.ipynb&change=1")).status_code == 403

    run(tmp_path, reader, settings=only(("read", "contents")))
    run(tmp_path, writer, settings=only(("write", "contents")))


def test_a_change_is_shown_before_and_after_taken_back_and_done_again(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one\ntwo")
        number = await made(at, "update_cell", cell_id="id-0", source="one\n2")
        (change,) = (await at.state())["changes"]
        assert change == {"change": number, "open": True, "undone_by": None, "over": None, "deleted": []}
        shown = (await ask(at, "GET", f"change?notebook={PATH}&change={number}&1795774000000")).json()  # as a page asks
        assert shown["cells"] == [{"id": "id-0", "did": "changed", "also": [], "diff": " one\n-two\n+2"}]
        done = await ask(at, "POST", "undo", {"notebook": PATH, "change": number})
        assert done.status_code == 200, done.text
        assert await sources(at) == ["one\ntwo"]
        (change,) = (await at.state())["changes"]
        assert (change["open"], bool(change["undone_by"])) == (False, True)
        told = [data for schema, data in at.events if schema == UNDO]
        assert [(data["notebook"], data["change"], data["cells"]) for data in told] == [(PATH, number, ["id-0"])]
        again = await ask(at, "POST", "undo", {"notebook": PATH, "change": number})
        assert (again.status_code, "taken back already" in again.json()["message"]) == (404, True)
        await ask(at, "POST", "undo", {"notebook": PATH, "change": done.json()["change"]})
        assert await sources(at) == ["one\n2"]

    run(tmp_path, job)


def test_what_somebody_changed_since_is_told_in_the_answer(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one")
        number = await made(at, "update_cell", cell_id="id-0", source="100 %")
        live = await at.workshop.rooms.join(PATH)
        live.document.ycells[0]["source"].insert(3, "0")
        reply = await ask(at, "POST", "undo", {"notebook": PATH, "change": number})
        assert reply.status_code == 409
        assert reply.json()["message"] == (
            "Nothing was taken back. 'id-0' stays as it is: the same lines were changed since."
        )
        assert await sources(at) == ["1000 %"]

    run(tmp_path, job)


def test_a_deleted_cell_is_restored_and_known_as_restored(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one", "two", "three")
        number = await made(at, "delete_cell", cell_id="id-1")
        assert (await at.state())["changes"][0]["deleted"] == ["id-1"]
        shown = (await ask(at, "GET", f"change?notebook={PATH}&change={number}")).json()
        assert shown["cells"] == [{"id": "id-1", "did": "deleted", "also": [], "diff": "-two"}]
        assert (await ask(at, "POST", "restore", {"notebook": PATH, "cell": "id-1"})).status_code == 200
        assert await sources(at) == ["one", "two", "three"]
        (change,) = (await at.state())["changes"]
        assert (change["deleted"], change["open"]) == ([], False)
        reply = await ask(at, "POST", "restore", {"notebook": PATH, "cell": "id-1"})
        assert reply.status_code == 404

    run(tmp_path, job)


OVER_A_PERSON: dict[str, dict[str, Any]] = {
    "update_cell": {"cell_id": "id-0", "source": "by the agent"},
    "delete_cell": {"cell_id": "id-0"},
    "edit_notebook": {"edits": [{"op": "replace", "cell_id": "id-0", "source": "by the agent"}]},
    "undo_edits": {},
}


def test_each_tool_that_may_change_a_persons_cell_is_known_here(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        async with at.agent() as client:
            tools = await client.list_tools()
        assert {tool.name for tool in tools if "over_person" in tool.input_schema["properties"]} == set(OVER_A_PERSON)

    run(tmp_path, job)


@pytest.mark.parametrize("tool", OVER_A_PERSON)
def test_a_change_over_a_person_is_told_with_the_persons_name_and_taken_back_in_one_step(
    tmp_path: Path, tool: str
) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one", "two")
        async with at.agent() as client:
            await client.call_tool("update_cell", {"path": PATH, "cell_id": "id-0", "source": "one, by the agent"})
            live = await at.workshop.rooms.join(PATH)
            tab = Tab(live.document, live.room.awareness)
            tab.clicks(0)
            given = {"path": PATH, **OVER_A_PERSON[tool], "over_person": True}
            await client.call_tool(tool, given)
        before = "one, by the agent"
        assert await sources(at) != [before, "two"]
        state = await at.state()
        assert [change["over"] for change in state["changes"]] == [None, "Ada"]
        assert state["activity"][-1]["call"] == state["changes"][-1]["change"]
        number = state["changes"][-1]["change"]
        reply = await ask(at, "POST", "undo", {"notebook": PATH, "change": number})
        assert reply.status_code == 200, reply.text
        assert await sources(at) == [before, "two"]
        assert [change["over"] for change in (await at.state())["changes"]] == [
            None,
            "Ada",
        ]  # not what people take back

    run(tmp_path, job)


@pytest.mark.parametrize(
    ("name", "body", "status", "told"),
    [
        ("undo", None, 400, "Send"),
        ("undo", {"notebook": PATH}, 400, "Send"),
        ("undo", {"notebook": PATH, "change": 1, "more": 1}, 400, "Send"),
        ("undo", {"notebook": "", "change": 1}, 400, "is a path"),
        ("undo", {"notebook": "../n.ipynb", "change": 1}, 400, "n.ipynb"),
        ("undo", {"notebook": PATH, "change": "x"}, 400, "is a number"),
        ("undo", {"notebook": PATH, "change": True}, 400, "is a number"),
        ("undo", {"notebook": PATH, "change": [1]}, 400, "is a number"),
        ("undo", {"notebook": PATH, "change": 10**30}, 404, "is known"),
        ("undo", {"notebook": "none.ipynb", "change": 1}, 404, "No notebook at"),
        ("restore", {"notebook": PATH, "cell": 1}, 400, "id of a cell"),
        ("restore", {"notebook": PATH, "cell": "100%s"}, 404, "No cell '100%s' is known"),
    ],
)
def test_odd_requests_are_told_what_to_send(tmp_path: Path, name: str, body: Any, status: int, told: str) -> None:
    async def job(at: Served) -> None:
        at.write(PATH, "one")
        reply = await ask(at, "POST", name, body)
        assert (reply.status_code, told in reply.json()["message"]) == (status, True), reply.text

    run(tmp_path, job)
