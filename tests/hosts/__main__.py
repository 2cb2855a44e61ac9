"""Run real hosts against a scripted model, and tell what each puts before it; needs npm.

It writes the table of docs/reference/hosts.md anew. Exit code 0: every host showed every result; 1: one did not.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmcp import Client

from tests.live.conftest import Server
from tests.support.hosted_outputs import OUTPUTS, PICTURE

from .errors import HostError
from .hosts import HOSTS, Host, by_address, by_program
from .model import Model, model
from .page import Row, page
from .seen import Seen, seen

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "hosts.md"
NOTEBOOK = "shown.ipynb"
TRIES = 3


@dataclass(frozen=True)
class Case:
    """A call whose result is looked at."""

    title: str
    tool: str
    arguments: dict[str, Any]
    bridge: bool = False  # the host starts `jupyter mcp stdio`


async def prepare(client: Client[Any]) -> list[Case]:
    """Make a notebook with each output, run it, and return the calls that show them."""
    await client.call_tool("create_notebook", {"path": NOTEBOOK})
    cells = [{"source": source, "name": f"n{at}"} for at, source in enumerate(OUTPUTS.values())]
    edited = await client.call_tool("edit_notebook", {"path": NOTEBOOK, "edits": [{"op": "insert", "cells": cells}]})
    ids = [cell["id"] for cell in edited.structured_content["cells"]]
    await client.call_tool("run_cells", {"path": NOTEBOOK, "stop_on_error": False, "wait": 120})
    cases = []
    for kind, cell in zip(OUTPUTS, ids, strict=True):
        cases.append(Case(kind, "get_cell", {"path": NOTEBOOK, "cell_id": cell}))
        if kind == PICTURE:
            cases.append(Case("the same, by `get_output`", "get_output", {"path": NOTEBOOK, "cell_id": cell}))
            cases.append(Case("the same, over the bridge", "get_output", cases[-1].arguments, bridge=True))
    return cases


def look(host: Host, case: Case, served: Model, server: Server) -> Seen:
    """Return what the host shows its model of a case. Raises HostError.

    On a busy machine a host may ask its model before it has the server's tools: then it is asked again.
    """
    for _ in range(TRIES):
        found, said = _once(host, case, served, server)
        if found is not None:
            return found
    raise HostError(f"{host.title} put no result before its model. It said: {said[-2000:]}")


def _once(host: Host, case: Case, served: Model, server: Server) -> tuple[Seen | None, str]:
    served.script(case.tool, case.arguments)
    with tempfile.TemporaryDirectory(prefix="host-") as home:
        if case.bridge:
            program = str(Path(sys.executable).with_name("jupyter-mcp"))
            entry = by_program(host.client, program, server.folder, server.home / "runtime")
        else:
            entry = by_address(host.client, server.mcp)
        said = host.run(served, Path(home), entry, server.token)
    return seen(served.requests), said


def measure(wanted: list[Host]) -> tuple[list[Row], list[str]]:
    """Run each host on each case; returns the rows, and what went wrong."""
    rows, faults = [], []
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder, model() as served:
        server = Server(Path(folder), Path(home)).start()
        try:
            cases = asyncio.run(_prepared(server))
            for case in cases:
                shown: dict[str, Seen] = {}
                for host in wanted:
                    try:
                        shown[host.title] = look(host, case, served, server)
                    except HostError as error:
                        faults.append(f"{case.title}: {error}")
                    print(case.title, host.title, shown.get(host.title), file=sys.stderr)  # noqa: T201
                rows.append(Row(case.title, shown))
        finally:
            server.stop()
    return rows, faults


async def _prepared(server: Server) -> list[Case]:
    async with server.client(timeout=200) as client:
        return await prepare(client)


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="./noxw -s hosts --", description=__doc__)
    parser.add_argument("--host", action="append", choices=[host.client for host in HOSTS], help="this one alone")
    parser.add_argument("--print", action="store_true", help="print the page, and leave the file as it is")
    options = parser.parse_args()
    wanted = [host for host in HOSTS if options.host is None or host.client in options.host]
    try:
        versions = {host.title: host.version for host in wanted}
        rows, faults = measure(wanted)
    except (HostError, OSError, subprocess.SubprocessError) as error:
        print(f"hosts: {error}", file=sys.stderr)  # noqa: T201
        return 1
    text = page(rows, versions, dt.datetime.now(dt.UTC).date())
    if options.print or options.host or faults:
        print(text)  # noqa: T201
    else:
        PAGE.write_text(text)
    for fault in faults:
        print(f"hosts: {fault}", file=sys.stderr)  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
