"""Who did what: an event for each call that changes or runs something, on the server's event logger.

Without a listener an event costs nothing. The last ones are kept for pages that come later. There is no source text in
them, and no credential.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from logging import Logger
from pathlib import Path
from typing import Any, Final

from .audit import AuditLog
from .calls import MOST_CELLS, Call
from .steering import Rule

SCHEMAS: Final = Path(__file__).parents[1] / "events"
TOOL_CALL: Final = "https://schema.jupyter.org/jupyter_mcp/tool_call/v1"
STEERING: Final = "https://schema.jupyter.org/jupyter_mcp/steering/v1"
UNDO: Final = "https://schema.jupyter.org/jupyter_mcp/undo/v1"
_KEPT = 200  # events

Emit = Callable[[str, dict[str, Any]], object]


class Activity:
    """What agents did lately."""

    def __init__(self, emit: Emit, log: Logger, audit: AuditLog | None = None) -> None:
        """Pass each event to `emit`, with the id of its schema, and what agents did to `audit`."""
        self._emit = emit
        self._audit = audit
        self.log = log
        self.recent: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def began(self, call: Call) -> None:
        """Tell that a call begins to run a cell, or code."""
        self._tell_call(call, _of_call(call, "began", None))

    def ended(self, call: Call, outcome: str) -> None:
        """Tell that a call ended, or the run that it left: done, failed or stopped; and keep it."""
        event = _of_call(call, "ended", outcome)
        self.recent.append(event)
        self._tell_call(call, event)

    def steered(self, rule: Rule, *, stopped: int) -> None:
        """Tell that a person holds agents back, or lets them go."""
        data = {
            "mode": rule.mode,
            "by": rule.by,
            "since": rule.since,
            "agent": rule.agent,
            "agent_name": rule.agent_name,
            "notebook": rule.notebook,
            "stopped_calls": stopped,
        }
        self.tell(STEERING, data)

    def taken_back(self, by: str, notebook: str, change: int | None, cells: list[str]) -> None:
        """Tell that a person took a change back, or restored a cell (no `change`)."""
        self.tell(UNDO, {"by": by, "notebook": notebook, "change": change, "cells": cells[:MOST_CELLS]})

    def _tell_call(self, call: Call, event: dict[str, Any]) -> None:
        if self._audit is not None:
            self._audit.note(call, event)
        self.tell(TOOL_CALL, event)

    def tell(self, schema: str, data: dict[str, Any]) -> None:
        """Emit an event; whatever goes wrong is logged."""
        try:
            self._emit(schema, data)
        except Exception:  # boundary: what listens must not stop what is done
            self.log.exception("An event could not be emitted")


def _of_call(call: Call, phase: str, outcome: str | None) -> dict[str, Any]:
    cells = [
        {
            "id": cell_id,
            "changed": touched.changed,
            "ran": touched.ran,
            "revision_before": touched.before,
            "revision_after": touched.after,
        }
        for cell_id, touched in call.cells.items()
        if touched.changed or touched.ran
    ]
    return {
        "call": call.number,
        "phase": phase,
        "outcome": outcome,
        "agent": {
            "id": call.agent.id,
            "kind": call.agent.kind,
            "name": call.agent.name,
            "user": call.agent.user,
        },
        "tool": call.tool,
        "notebook": call.notebook,
        "cells": cells,
        "more_cells": call.more_cells,
        "code": call.code is not None,
        "running": call.running,
        "started": call.started.isoformat(timespec="milliseconds"),
        "seconds": round(time.monotonic() - call.began, 3),
    }
