"""Tools for kernels: list, choose, interrupt, restart, shut down."""

from __future__ import annotations

from typing import Annotated, Any

from fastmcp.tools import ToolResult
from pydantic import BaseModel, ConfigDict, Field

from jupyter_mcp.notebooks.kernel_choice import choose
from jupyter_mcp.replies.replies import reply, schema

from .parameters import READS, Path, hints
from .toolbox import Toolbox


class KernelsReply(BaseModel):
    """The kernels that can be chosen, and those that run."""

    specs: list[dict[str, Any]] = Field(description="What can be chosen: name, display_name, language")
    default: str
    kernels: list[dict[str, Any]] = Field(
        description="Running: notebook, name, state, cwd (from the server's root), pages that are connected, and runs"
    )
    not_shown: int = 0


class KernelReply(BaseModel):
    """What became of a notebook's kernel."""

    model_config = ConfigDict(extra="allow")

    path: str
    outcome: str


def offer_kernel_tools(tools: Toolbox) -> None:
    """Offer the tools for kernels."""
    server, notebooks, control = tools.server, tools.notebooks, tools.kernels

    @server.tool(annotations=hints("List kernels", **READS), output_schema=schema(KernelsReply))
    async def list_kernels() -> ToolResult:
        """List kernels to choose from, and those that run: notebook, state, working directory, who waits."""
        await tools.admit(("read", "kernels"), ("read", "sessions"))
        return reply(await control.listed())

    @server.tool(
        annotations=hints("Choose a kernel", reads=False, destroys=True, repeatable=True),
        output_schema=schema(KernelReply),
    )
    async def set_kernel(
        path: Path, name: Annotated[str, Field(description="A kernel's name, e.g. 'python3'")]
    ) -> ToolResult:
        """Choose the notebook's kernel by name, for everyone. A running one of another name ends: variables go."""
        agent = await tools.admit(("write", "contents"), ("write", "sessions"), ("write", "kernels"))
        specs = await control.specs()
        live = await notebooks.join(path)
        choose(live, name, specs)
        return reply({"path": live.path, "outcome": await control.exchange(live.path, name, agent.name)})

    @server.tool(
        annotations=hints("Interrupt a kernel", reads=False, destroys=True, repeatable=True),
        output_schema=schema(KernelReply),
    )
    async def interrupt_kernel(path: Path) -> ToolResult:
        """Interrupt what the notebook's kernel runs, anybody's, and say whether it obeyed. Variables stay."""
        agent = await tools.admit(("write", "kernels"))
        path = await notebooks.existing(path)
        return reply({"path": path, "outcome": await control.interrupt(path, agent.name)})

    @server.tool(
        annotations=hints("Restart a kernel", reads=False, destroys=True, repeatable=False),
        output_schema=schema(KernelReply),
    )
    async def restart_kernel(path: Path) -> ToolResult:
        """Restart the notebook's kernel, also one that ignores interrupts: variables go, what runs or waits ends."""
        agent = await tools.admit(("write", "kernels"))
        path = await notebooks.existing(path)
        return reply({"path": path, "outcome": await control.restart(path, agent.name)})

    @server.tool(
        annotations=hints("Shut down a kernel", reads=False, destroys=True, repeatable=True),
        output_schema=schema(KernelReply),
    )
    async def shutdown_kernel(path: Path) -> ToolResult:
        """Shut down the notebook's kernel, for everyone: variables go. The next run of a cell starts another."""
        agent = await tools.admit(("write", "kernels"), ("write", "sessions"))
        path = await notebooks.existing(path)
        return reply({"path": path, "outcome": await control.shut_down(path, agent.name)})
