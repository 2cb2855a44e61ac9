"""The MCP server: its instructions, its tools and resources, and its ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from logging import getLogger
from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import PromptError, ResourceError, ToolError, ValidationError
from fastmcp.prompts import PromptResult
from fastmcp.resources import ResourceResult
from fastmcp.tools import FunctionTool, Tool, ToolResult
from fastmcp.utilities.versions import VersionSpec

from . import __version__, metrics
from .advice import lacking, without
from .errors import BadArgumentError
from .kernels.kernel_control import KernelControl
from .notebooks.notebooks import Notebooks
from .notebooks.running import Running
from .notebooks.undoing import Undoing
from .paths import LONGEST_PATH
from .probe import Part, works
from .steering.gate import Gate
from .tools.arguments import known_arguments, wrong_arguments
from .tools.cell_tools import offer_cell_tools
from .tools.edit_tools import offer_edit_tools
from .tools.execution_tools import offer_execution_tools
from .tools.guidance import offer_guidance
from .tools.kernel_tools import offer_kernel_tools
from .tools.looking_tools import offer_looking_tools
from .tools.notebook_tools import offer_notebook_tools
from .tools.output_tools import offer_output_tools
from .tools.plain_schema import plain_input, plain_output
from .tools.resources import offer_resources
from .tools.room_tools import offer_room_tools
from .tools.run_tools import offer_run_tools
from .tools.sdk_private import limit_bodies, low_level
from .tools.subscriptions import offer_subscriptions
from .tools.tasks import offer_tasks
from .tools.toolbox import Toolbox
from .tools.toolset import Toolset
from .tools.variable_tools import offer_variable_tools
from .tornado_asgi import ASGI_PATH
from .transport.boundary import LONGEST, request_boundary, resource_boundary, tool_boundary
from .transport.bridge_cancels import BridgeCancels
from .transport.endpoint import ASGIApp
from .transport.json_first import deferring
from .transport.refusals import PlainRefusals
from .transport.revival import Revival
from .transport.session_cap import SessionCap

INSTRUCTIONS = """\
Live Jupyter notebooks. People may have the same notebook open: every edit shows on their screens at \
once, and theirs in what you read. No need to open or save anything: the tools open a notebook's room \
when needed, and an edit is safe once its call has returned. `path` is a notebook's below the server's root, as \
list_notebooks gives it.

Address cells by `cell_id` (get_notebook and get_cell give it): indexes shift when somebody inserts or \
deletes. Pass `expected` (the `revision` that every read and write returns) when you change or run a cell you \
read before; if the call is refused, read the cell again and decide again. A cell that a person is typing in is \
theirs: changes of it are refused, work elsewhere. `over_person` is for what that person asked for. edit_notebook \
makes many changes at once. undo_edits takes yours back. \
People can pause agents, set them to read-only, or have them ask before they run or delete, or show each change first: \
the refusal says who did, ask them.

Outputs are shown in brief, without bytes: a marker or notice says what was left out. get_output gets it, \
pictures as pictures.

Cells run on the notebook's own kernel, the one a person sees. A call answers when they are done, or \
within a minute with what there is: the run goes on by itself, and its outputs go into the notebook. \
get_run waits for it, stop_run stops it. An exception in the code is an output of type 'error', \
not a failed call. input() can't be answered. run_code looks at data without a cell."""

_LONGEST_URI = 4 * LONGEST_PATH  # each byte of a path may be three characters of a URI


class _Terse(FunctionTool):
    """A tool that is told in as few characters as can be: all of them together are read by each model."""

    def to_mcp_tool(self, **overrides: Any) -> Any:
        """Return what tools/list tells, without what FastMCP adds for itself."""
        tool = super().to_mcp_tool(**overrides)
        tool.meta = tool.title = None  # the name says it
        if tool.output_schema is not None:
            # FastMCP's client takes the mark from each reply.
            kept = {key: value for key, value in tool.output_schema.items() if not key.startswith("x-")}
            tool = tool.model_copy(update={"output_schema": kept})
        return tool


class _Server(FastMCP[Any]):
    """A server whose tools stay what they are, so that a call needn't ask each provider for its tool again."""

    def __init__(self, *args: Any, root: str | None, toolset: Toolset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._root = root
        self._toolset = toolset
        self._found: dict[str, Tool] = {}
        self._kept: list[Tool] = []
        self.toolbox: Toolbox | None = None
        self.offered: list[str] = []  # names of all tools, also of those that the toolset leaves out
        self.lacking: frozenset[str] = frozenset()  # those that it leaves out

    def tool(self, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:  # type: ignore[override]
        """Offer a function as a tool, its schemas in plain words, if it is one of the toolset."""

        def offer(function: Callable[..., Any]) -> Callable[..., Any]:
            tool = _Terse.from_function(function, **options)
            self.offered.append(tool.name)
            tool.parameters = plain_input(tool.parameters)
            if tool.output_schema is not None:
                tool.output_schema = plain_output(tool.output_schema)
            if tool.annotations is not None:
                # Once is enough; a client of before 2025-06-18 shows the name.
                tool.title, tool.annotations = (
                    tool.annotations.title,
                    tool.annotations.model_copy(update={"title": None}),
                )
            if self._toolset.offers(tool):
                self.add_tool(tool)
                self._kept.append(tool)
            return function

        return offer

    def complete(self) -> None:
        """Have no text advise a tool that is left out; call it when all are offered."""
        self.lacking = frozenset(self.offered) - {tool.name for tool in self._kept}
        for tool in self._kept:
            tool.description = without(tool.description or "", self.lacking)
        self.instructions = without(INSTRUCTIONS, self.lacking)

    async def get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:
        """Return the tool of that name, None if there is none."""
        if version is not None:
            return await super().get_tool(name, version)
        if name not in self._found:
            tool = await super().get_tool(name)
            if tool is None:
                return None
            self._found[name] = tool
        return self._found[name]

    async def call_tool(
        self, name: str, arguments: dict[str, Any] | None = None, *, run_middleware: bool = True, **options: Any
    ) -> ToolResult:
        """Call a tool; whatever goes wrong is raised as ToolError with a short text, or as FastMCP's own errors."""
        if not run_middleware:
            return await self._call_through_gate(name, arguments, **options)
        if len(name) > LONGEST:
            raise ToolError("Unknown tool")  # FastMCP would repeat the name, and log it
        tool = await self.get_tool(name)
        with metrics.counted(metrics.UNKNOWN if tool is None else name):
            if tool is not None:
                arguments = known_arguments(name, arguments or {}, tool.parameters)
            try:
                with lacking(self.lacking):
                    call = super().call_tool(name, arguments, **options)
                    found: ToolResult = await tool_boundary(name, call, self._root)
            except ValidationError as error:
                raise wrong_arguments(name, error.__cause__) or error from error
            return found

    async def _call_through_gate(
        self, name: str, arguments: dict[str, Any] | None = None, **options: Any
    ) -> ToolResult:
        tool = await self.get_tool(name, options.get("version"))
        if self.toolbox is None or tool is None:  # FastMCP says that there is none
            return await super().call_tool(name, arguments, run_middleware=False, **options)
        # A tool that says nothing of itself may do anything.
        reads = tool.annotations is not None and tool.annotations.read_only_hint is True
        destroys = tool.annotations is None or tool.annotations.destructive_hint is not False
        async with self.toolbox.serving(name, arguments or {}, reads=reads, destroys=destroys):
            return await super().call_tool(name, arguments, run_middleware=False, **options)

    async def render_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, *, run_middleware: bool = True, **options: Any
    ) -> PromptResult:
        """Return a prompt's text. Raises PromptError, also for an argument that lacks or is unknown."""
        prompt = await self.get_prompt(name) if run_middleware and len(name) <= LONGEST else None
        if prompt is not None:
            wanted = {one.name: one for one in prompt.arguments or ()}
            required = [one for one in wanted if wanted[one].required]
            try:
                arguments = known_arguments(name, arguments or {}, {"properties": wanted, "required": required})
            except BadArgumentError as error:
                raise PromptError(str(error)) from error
        return await super().render_prompt(name, arguments, run_middleware=run_middleware, **options)

    async def read_resource(self, uri: str, *, run_middleware: bool = True, **options: Any) -> ResourceResult:
        """Read a resource; whatever goes wrong is raised as ResourceError with a short text, or as FastMCP's own."""
        if not run_middleware:
            return await super().read_resource(uri, run_middleware=False, **options)
        if len(uri) > _LONGEST_URI:
            raise ResourceError(f"The URI has {len(uri)} characters; a notebook's has at most {_LONGEST_URI}.")
        with lacking(self.lacking), metrics.read():
            found: ResourceResult = await resource_boundary(uri, super().read_resource(uri, **options), self._root)
        return found


def mcp_server(
    notebooks: Notebooks,
    running: Running,
    kernels: KernelControl,
    *,
    gate: Gate,
    undoing: Undoing,
    call_timeout: float | None,
    toolset: str | Sequence[str] = "all",
) -> Toolbox:
    """Return the MCP server over `notebooks` with the tools of the toolset, behind `gate`; `Toolbox.server` is it."""
    wanted = Toolset(toolset)
    # Only our own errors' words reach an agent; others are logged.
    server = _Server(
        "jupyter",
        version=__version__,
        instructions=INSTRUCTIONS,
        mask_error_details=True,
        root=notebooks.root,
        toolset=wanted,
    )
    if works(Part.LOW_LEVEL):
        low_level(server).middleware.insert(0, request_boundary)
    tools = server.toolbox = Toolbox(server, notebooks, running, kernels, gate, undoing, call_timeout=call_timeout)
    if works(Part.LOW_LEVEL):
        low_level(server).middleware.append(tools.cancelling.middleware)
    for offer in (
        offer_notebook_tools,
        offer_looking_tools,
        offer_cell_tools,
        offer_edit_tools,
        offer_execution_tools,
        offer_output_tools,
        offer_run_tools,
        offer_kernel_tools,
        offer_variable_tools,
        offer_room_tools,
        offer_resources,
        offer_guidance,
        offer_subscriptions,
        offer_tasks,
    ):
        offer(tools)
    server.complete()
    if unknown := wanted.unknown(server.offered):
        getLogger(__name__).warning("JupyterMCP.tools: %s", unknown)
    return tools


def http_app(
    server: FastMCP[Any], *, max_body_bytes: int, max_sessions: int, max_user_sessions: int = 0
) -> tuple[ASGIApp, Callable[[], AbstractAsyncContextManager[None]]]:
    """Return the server's ASGI application and its lifespan, for an Endpoint."""
    app = server.http_app(path=ASGI_PATH)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with app.lifespan(app):
            limit_bodies(app, ASGI_PATH, max_body_bytes)
            yield

    served: ASGIApp = Revival(SessionCap(PlainRefusals(deferring(app)), max_sessions, max_user_sessions), max_sessions)
    if isinstance(server, _Server) and server.toolbox is not None:
        served = BridgeCancels(served, server.toolbox.cancelling.cancelled)
    return served, lifespan
