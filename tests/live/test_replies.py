"""What agents' hosts show of outputs and of edits: small, readable, the same in both channels, in both eras."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from tests.support.hosts import CODEX_CUTS, HOSTS, Seen

from .conftest import Server
from .test_tools import fresh

BASE64 = re.compile(r"[A-Za-z0-9+/]{120,}")
ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])
OUTPUTS = {
    "plot": (
        "import base64, io\nfrom IPython.display import display\nfrom PIL import Image\nfile = io.BytesIO()\n"
        "Image.linear_gradient('L').resize((3000, 2000)).save(file, 'PNG')\n"
        "display({'image/png': base64.b64encode(file.getvalue()).decode(), 'text/plain': '<Figure>'}, raw=True)"
    ),
    "data frame": (
        "from IPython.display import display\n"
        "page = '<table><tr><td>7</td></tr></table>'\n"
        "display({'text/plain': '   price\\n0      7', 'text/html': page}, raw=True)"
    ),
    "plotly": (
        "from IPython.display import display\n"
        "display({'application/vnd.plotly.v1+json': {'data': [{'type': 'bar', 'y': [0.25] * 40_000}], 'layout': {}},"
        " 'text/html': '<script>' + 'x' * 300_000 + '</script>'}, raw=True)"
    ),
    "long text": "print('begin'); print('y ' * 100_000); print('the end')",
    "traceback": "def half(n):\n    return 1 / n\n\nhalf(0)",
}


async def run_all(client: Any, path: str) -> dict[str, Any]:
    """Make a notebook of all outputs; return the result of each run."""
    await client.call_tool("create_notebook", {"path": path})
    results = {}
    for at, (kind, source) in enumerate(OUTPUTS.items()):
        await client.call_tool("insert_cell", {"path": path, "index": at, "source": source})
        results[kind] = await client.call_tool("execute_cell", {"path": path, "index": at})
    return results


def decoded(block: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(block.data)))


def check_shown(results: dict[str, Any], host: Callable[[Any], Seen]) -> None:
    """See what a host's model sees of each output."""
    seen = {kind: host(result) for kind, result in results.items()}
    for kind, one in seen.items():
        assert not one.cut, kind
        assert not BASE64.search(one.text), kind
    assert "3000x2000" in seen["plot"].text
    assert "get_output(" in seen["plot"].text
    assert "   price" in seen["data frame"].text
    assert "<td>" not in seen["data frame"].text
    assert "a plotly figure: 1 trace (bar)" in seen["plotly"].text
    assert len(seen["plotly"].text) < 1500
    long = seen["long text"].text
    assert "begin" in long
    assert "the end" in long
    assert "characters left out: get_output(" in long
    error = seen["traceback"].text
    assert error.index("ZeroDivisionError: division by zero") < error.index("in half(n): return 1 / n")
    assert "\x1b" not in error
    assert "\\u001b" not in error


async def check_got(client: Any, path: str, results: dict[str, Any], host: Callable[[Any], Seen]) -> None:
    """Get whole what was left out, as the markers say, and see it as the host shows it."""
    for kind in ("plot", "long text"):
        found = re.search(
            r"get_output\(cell_id=\\*\"([^\"\\]+)\\*\", output=(\d+)(?:, start=(\d+))?", host(results[kind]).text
        )
        assert found is not None
        start = int(found[3] or 0)
        asked = {"path": path, "cell_id": found[1], "output": int(found[2]), "start": start}
        result = await client.call_tool("get_output", asked)
        assert result.structured_content is None
        whole = host(result)
        if kind == "plot":
            (picture,) = whole.pictures
            assert max(decoded(picture).size) == 1568
        else:
            assert not whole.cut
            assert whole.text.startswith("y y") or whole.text.startswith(" y")
            assert f"start={start + 8000}" in whole.text


@ERAS
def test_each_hosts_model_sees_what_the_outputs_are_and_gets_the_rest(server: Server, era: str) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client(mode=era) as client:
            results = await run_all(client, path)
            for host in HOSTS.values():
                check_shown(results, host)
                await check_got(client, path, results, host)
            (picture,) = HOSTS["claude code"](results["plot"]).pictures
            assert max(decoded(picture).size) == 1568

    asyncio.run(run())


def same_in_both(result: Any) -> None:
    """Assert that the text says what the structured content does."""
    first, *others = [block.text for block in result.content if block.type == "text"]
    said = dict(result.structured_content)
    main = said.pop("result", None)
    if main is None:
        assert json.loads(first) == said
        return
    assert first == main or json.loads(first) == main
    assert (json.loads(others[0]) if others else {}) == said


@ERAS
def test_both_channels_say_the_same_and_hold_no_bytes(server: Server, era: str) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client(mode=era) as client:
            results = list((await run_all(client, path)).values())
            results += [await client.call_tool("get_cell", {"path": path, "index": at}) for at in range(len(OUTPUTS))]
            for more in ({}, {"outputs": False}, {"outputs": True}, {"outline": True}, {"max_chars": 900}):
                results.append(await client.call_tool("get_notebook", {"path": path, **more}))
            for result in results:
                same_in_both(result)
                assert not BASE64.search(json.dumps(result.structured_content))
                assert len(json.dumps(result.structured_content)) < CODEX_CUTS
            notebook = results[-5].structured_content
            assert notebook["cells"][4]["error"] == "ZeroDivisionError: division by zero"
            assert "get_output" in notebook["left_out"]
            small = results[-1].structured_content
            assert len(json.dumps(small)) < 1600
            start = int(re.search(r"get_notebook\(start=(\d+)\)", small["left_out"])[1])  # type: ignore[index]
            assert start == len(small["cells"])

    asyncio.run(run())


@ERAS
def test_every_write_says_which_cell_and_its_revision(server: Server, era: str) -> None:
    path = fresh()

    async def run() -> None:
        async with server.client(mode=era) as client:
            made = (await client.call_tool("create_notebook", {"path": path})).structured_content
            inserted = await client.call_tool("insert_cell", {"path": path, "index": -1, "source": "a = 1"})
            assert inserted.data == "Cell inserted at index 1"
            cell = inserted.structured_content
            updated = await client.call_tool(
                "update_cell", {"path": path, "cell_id": cell["id"], "source": "2", "expected": cell["revision"]}
            )
            assert updated.data == "Cell 1 updated"
            ran = await client.call_tool(
                "execute_cell",
                {"path": path, "cell_id": cell["id"], "expected": updated.structured_content["revision"]},
            )
            assert ran.structured_content["execution_count"] == 1
            assert ran.structured_content["id"] == cell["id"]
            first = {"path": path, "cell_id": made["cell_id"], "expected": made["revision"]}
            deleted = await client.call_tool("delete_cell", first)
            assert deleted.data == "Cell 0 deleted"
            for result in (inserted, updated, ran, deleted):
                same_in_both(result)
            (left,) = (await client.call_tool("get_notebook", {"path": path})).structured_content["cells"]
            assert (left["id"], left["revision"]) == (cell["id"], updated.structured_content["revision"])

    asyncio.run(run())


@ERAS
def test_ids_of_a_closed_notebook_of_an_old_format_are_good_in_the_next_call(server: Server, era: str) -> None:
    path = fresh()
    plain = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**plain, "source": source} for source in ("a", "a", "b")]
    old = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (server.folder / path).write_text(json.dumps(old))

    async def run() -> None:
        async with server.client(mode=era) as client:
            reads = [await client.call_tool("get_notebook", {"path": path}) for _ in range(2)]
            first, again = ([cell["id"] for cell in read.structured_content["cells"]] for read in reads)
            assert first == again
            await client.call_tool("update_cell", {"path": path, "cell_id": first[1], "source": "changed"})
            await client.call_tool("close_notebook_session", {"path": path})
            cell = await client.call_tool("get_cell", {"path": path, "cell_id": first[1]})
            assert (cell.structured_content["source"], cell.structured_content["index"]) == ("changed", 1)

    asyncio.run(run())
