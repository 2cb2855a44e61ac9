"""One call of each tool and what it really replies, for the reference: done in this order on a new server."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from fastmcp import Client

NOTEBOOK = "rain.ipynb"
SOURCE = "months = ['Jan', 'Feb', 'Mar']\nmillimetres = [60, 57, 116]\nmax(millimetres)"


@dataclass(frozen=True)
class Example:
    """A call, and the texts of its reply; a picture stands as `(a picture)`."""

    tool: str
    arguments: dict[str, Any]
    reply: list[str]


async def all_examples(client: Client[Any]) -> list[Example]:
    """Call every tool once, each with what replies before it said."""
    done: list[Example] = []

    async def call(tool: str, *, shown: bool = True, **arguments: Any) -> dict[str, Any]:
        result = await client.call_tool(tool, arguments)
        if shown:
            reply = [block.text if block.type == "text" else "(a picture)" for block in result.content]
            done.append(Example(tool, arguments, reply))
        return result.structured_content or {}

    at = {"path": NOTEBOOK}
    made = await call("create_notebook", **at)
    cell = {**at, "cell_id": made["cell_id"]}
    await call("open_notebook_session", **at)
    await call("update_cell", **cell, source=SOURCE, expected=made["revision"])
    heading = await call("insert_cell", **at, index=0, source="# Rain", cell_type="markdown")
    await call("get_cell", **cell)
    await call("execute_cell", **cell)
    await call("get_output", **cell)
    await call("run_cells", **at)
    await call("list_variables", **at)
    ran = await call("run_code", **at, code="sum(millimetres)")
    await call("get_run", run_id=ran["run"])
    slow = await call("run_code", shown=False, **at, code="import time\ntime.sleep(60)", wait=1)
    await call("stop_run", run_id=slow["run"])
    edits = [
        {"op": "str_replace", "cell_id": cell["cell_id"], "old": "max(", "new": "min("},
        {"op": "insert", "after": cell["cell_id"], "source": "len(months)"},
    ]
    await call("edit_notebook", **at, edits=edits)
    await call("undo_edits", **at)
    await call("delete_cell", **at, cell_id=heading["id"])
    await call("restore_cell", **at, cell_id=heading["id"])
    await call("get_notebook", **at, outline=True)
    await call("search_notebooks", pattern="millimetres")
    await call("list_notebooks")
    await call("list_files")
    await call("watch_notebook", **at, timeout=1)
    await call("get_context")
    await call("get_active_users")
    await call("get_active_sessions")
    await call("list_kernels")
    await call("set_kernel", **at, name="python3")
    await call("interrupt_kernel", **at)
    await call("restart_kernel", **at)
    await call("shutdown_kernel", **at)
    await call("close_notebook_session", **at)
    return done


def as_json(examples: list[Example]) -> str:
    """Return the examples as they are kept beside the page."""
    return json.dumps([asdict(example) for example in examples], indent=1, ensure_ascii=False) + "\n"
