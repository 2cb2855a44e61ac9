"""MCP tasks over runs (`io.modelcontextprotocol/tasks`, SEP-2663): for clients that say that they know them.

A call that runs cells and is not done soon is answered with a task, whose id is the run's. The client asks for it until
it has ended, and then gets what the call would have returned. A task is only another way to wait: it lives as long as
its run is known, `get_run` and `stop_run` know it, and nothing of it is kept but how its reply is made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from fastmcp.exceptions import ToolError
from fastmcp.server.context import Context
from fastmcp.server.dependencies import get_http_request
from fastmcp.server.extensions import (
    MethodBinding,
    ServerExtension,
    ToolCallContinuation,
    ToolCallOutcome,
    read_client_extension_settings,
)
from fastmcp.tools import ToolResult
from fastmcp.utilities.tasks import TASKS_EXTENSION_ID
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp.types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, RequestParams, TextContent
from mcp_types import CLIENT_CAPABILITIES_META_KEY, MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.jsonrpc import HEADER_MISMATCH
from pydantic import BaseModel, ConfigDict, Field

from jupyter_mcp.kernels.runs import KEPT_FOR, Run, Runs, State
from jupyter_mcp.transport.auth import Action

from .toolbox import Toolbox
from .waiting import what_it_does

SOON = 1.0  # seconds in which a run that ends needs no task
POLL = 2000  # milliseconds that a client waits between two questions
VERSIONS = frozenset({"2026-07-28"})

Reply = Callable[[], Awaitable[ToolResult]]


@dataclass
class _Call:
    """A call whose client takes a task for an answer; what it runs, and how its reply is made."""

    run: Run | None = None
    reply: Reply | None = None


_CALL: ContextVar[_Call | None] = ContextVar("a call that may become a task", default=None)


def may_become_a_task(run: Run, reply: Reply, seconds: float | None) -> float | None:
    """Return how long the call waits for its run: `seconds`, or no longer than SOON if it may become a task."""
    call = _CALL.get()
    if call is None:
        return seconds
    call.run, call.reply = run, reply
    return SOON if seconds is None else min(seconds, SOON)


class TaskParams(RequestParams):
    """Which task."""

    task_id: str = Field(max_length=100)


class TaskState(BaseModel):
    """A task, as SEP-2663 writes it: created, or looked at."""

    model_config = ConfigDict(populate_by_name=True)

    result_type: str = Field(serialization_alias="resultType")
    task_id: str = Field(serialization_alias="taskId")
    status: str
    created_at: str = Field(serialization_alias="createdAt")
    last_updated_at: str = Field(serialization_alias="lastUpdatedAt")
    ttl: int = Field(serialization_alias="ttlMs")
    poll_interval: int = Field(default=POLL, serialization_alias="pollIntervalMs")


class Tasks(ServerExtension):
    """Answers calls that run cells with tasks, and the questions for them."""

    identifier = TASKS_EXTENSION_ID

    def __init__(self, tools: Toolbox) -> None:
        self._tools = tools
        self._runs: Runs = tools.running.runs
        self._replies: dict[str, Reply] = {}

    def methods(self) -> Sequence[MethodBinding]:
        """Return the methods of the extension."""
        served = {"tasks/get": self._get, "tasks/cancel": self._cancel, "tasks/update": self._update}
        return [MethodBinding(name, TaskParams, handler, VERSIONS) for name, handler in served.items()]

    async def intercept_tool_call(
        self,
        params: CallToolRequestParams,  # noqa: ARG002 - as upstream calls it
        context: Context,
        call_next: ToolCallContinuation,
    ) -> ToolCallOutcome:
        """Answer with a task if the client takes one, and what was begun has not ended."""
        asked = context.request_context
        if asked is None or asked.protocol_version not in VERSIONS or not _declares(asked.meta):
            return await call_next()
        call = _Call()
        token = _CALL.set(call)
        try:
            result = await call_next()
        finally:
            _CALL.reset(token)
        run, reply = call.run, call.reply
        if run is None or reply is None or run.over.is_set():
            return result
        self._replies = {known: one for known, one in self._replies.items() if self._runs.known(known)}
        self._replies[run.id] = reply
        return TaskState.model_validate({"result_type": "task", **self._told(run)})

    def _told(self, run: Run) -> dict[str, Any]:
        now = datetime.now(UTC)
        ended = run.ended
        changed = now if ended is None else now - timedelta(seconds=monotonic() - ended)
        return {
            "task_id": run.id,
            "status": _status(run),
            "created_at": (now - timedelta(seconds=monotonic() - run.made)).isoformat(),
            "last_updated_at": changed.isoformat(),
            # Of a run that goes on the least: it is known until it ends, and then as long.
            "ttl": int(((monotonic() if ended is None else ended) - run.made + KEPT_FOR) * 1000),
        }

    async def _get(self, context: ServerRequestContext[Any, Any], params: TaskParams) -> dict[str, Any]:
        async with self._serving("tasks/get", context, params, ("read", "contents"), reads=True):
            run = self._run(params)
            state = TaskState.model_validate({"result_type": "complete", **self._told(run)})
            told = state.model_dump(by_alias=True)
            if not run.over.is_set():
                return {**told, "statusMessage": what_it_does(run, self._runs)}
            if told["status"] == "completed":
                told["result"] = await self._result(run)
            return told

    async def _result(self, run: Run) -> dict[str, Any]:
        """Return what the call would have returned."""
        try:
            found = await self._replies[run.id]()
        except ToolError as error:
            result = CallToolResult(content=[TextContent(type="text", text=str(error))], is_error=True)
        else:
            result = CallToolResult(content=found.content, structured_content=found.structured_content)
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def _cancel(self, context: ServerRequestContext[Any, Any], params: TaskParams) -> dict[str, Any]:
        async with self._serving("tasks/cancel", context, params, ("write", "kernels"), reads=False) as who:
            self._run(params).stop(f"was stopped by {who}")
            return {"resultType": "complete"}

    async def _update(self, context: ServerRequestContext[Any, Any], params: TaskParams) -> dict[str, Any]:
        """Take answers to questions that no run asks."""
        async with self._serving("tasks/update", context, params, ("read", "contents"), reads=True):
            self._run(params)
            return {"resultType": "complete"}

    def _run(self, params: TaskParams) -> Run:
        if params.task_id not in self._replies:
            raise ToolError(f"No task {params.task_id!r}. Tasks are known for an hour after their end.")
        return self._runs.get(params.task_id)

    @asynccontextmanager
    async def _serving(
        self,
        what: str,
        context: ServerRequestContext[Any, Any],
        params: TaskParams,
        wanted: tuple[Action, str],
        *,
        reads: bool,
    ) -> AsyncIterator[str]:
        """Serve a question through the gate; gives who asks. What is refused is an error of the request."""
        if read_client_extension_settings(context, self.identifier) is None:
            needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {self.identifier: {}}}}
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, f"{what} needs the client's {self.identifier}", needed)
        _check_header(params)
        try:
            async with self._tools.serving(what, {}, reads=reads, session=context.session):
                yield (await self._tools.admit(wanted)).name
        except ToolError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from error


def _status(run: Run) -> str:
    if not run.over.is_set():
        return "working"
    return "cancelled" if run.stops and run.state is State.INTERRUPTED else "completed"


def _check_header(params: TaskParams) -> None:
    """Refuse a routing header (SEP-2243) that names another task than the body; the SDK checks its own methods."""
    named = get_http_request().headers.get(MCP_NAME_HEADER)
    if named is not None and decode_header_value(named) != params.task_id:
        raise MCPError(HEADER_MISMATCH, "The header Mcp-Name and the body's taskId name different tasks")


def _declares(meta: dict[str, Any] | None) -> bool:
    """Return whether the request says that its client knows tasks."""
    capabilities = (meta or {}).get(CLIENT_CAPABILITIES_META_KEY)
    extensions = capabilities.get("extensions") if isinstance(capabilities, dict) else None
    return isinstance(extensions, dict) and isinstance(extensions.get(TASKS_EXTENSION_ID), dict)


def offer_tasks(tools: Toolbox) -> None:
    """Offer the extension."""
    tools.server.add_extension(Tasks(tools))
