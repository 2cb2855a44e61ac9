"""The REST endpoint that tells which cells run or wait for the kernel, and for whom; JupyterLab's badges show it."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import ensure_async
from tornado import web

from jupyter_mcp.kernels.runs import OVER, Runs, State

MOST = 1000  # cells that are told


class RunsHandler(APIHandler):
    """`GET {base_url}jupyter-mcp/runs`: the cells that agents run or wait to run."""

    auth_resource = "contents"

    def initialize(self, runs: Runs) -> None:
        """Take the runs; called by Tornado for each request."""
        self.runs = runs

    @web.authenticated
    async def get(self) -> None:
        """Return them; needs `read contents`."""
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "read", "contents")):
            raise web.HTTPError(403, "You may not read contents on this server.")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({"cells": cells_of(self.runs)}))


def cells_of(runs: Runs) -> list[dict[str, Any]]:
    """Return the cells that run or wait, each with its place in its notebook's queue; 0 is the one that runs."""
    told: list[dict[str, Any]] = []
    before: dict[str, int] = {}
    for run in runs.active():
        for step in run.steps:
            if step.state in OVER:
                continue
            place = before.get(run.room_id, 0)
            before[run.room_id] = place + 1
            if step.cell_id and len(told) < MOST:
                told.append(
                    {
                        "notebook": run.path,
                        "cell": step.cell_id,
                        "by": run.by,
                        "running": step.state is State.RUNNING,
                        "place": place,
                        "seconds": None if step.seconds is None else round(step.seconds, 1),
                    }
                )
    return told


def handlers(runs: Runs) -> list[tuple[str, type[APIHandler], dict[str, Any]]]:
    """Return the endpoint, below the server's base URL."""
    return [(r"/jupyter-mcp/runs", RunsHandler, {"runs": runs})]
