"""Tools that run cells."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastmcp.server.dependencies import get_context
from fastmcp.tools import ToolResult
from pydantic import Field

from .brief import in_brief, outputs_reply
from .parameters import CellId, Expected, Index, Path, hints
from .replies import CellOutput, Ran, reply, schema
from .reply_limits import reply_limit
from .toolbox import Toolbox, client_gone


def offer_execution_tools(tools: Toolbox) -> None:
    """Offer the tools that run cells."""

    @tools.server.tool(
        annotations=hints("Run a cell", reads=False, destroys=True, repeatable=False, world=True),
        output_schema=schema(list[CellOutput], Ran),
    )
    async def execute_cell(
        path: Path,
        index: Index = None,
        cell_id: CellId = None,
        expected: Expected = None,
        timeout: Annotated[  # noqa: ASYNC109 - the tool's public parameter
            float | None,
            Field(gt=0, description="Seconds for the kernel, and as many for the run; then it is interrupted"),
        ] = None,
    ) -> ToolResult:
        """Run a code cell on the notebook's kernel and give its outputs, which everyone sees live.

        An exception in the code is an output of type 'error', not a failed call. input() is refused.
        """
        # Running writes outputs, so it takes both rights.
        await tools.admit(("execute", "kernels"), ("write", "contents"))

        context = get_context()

        async def progress(seconds: float, message: str) -> None:
            await context.report_progress(seconds, message=message)

        notices: list[str] = []
        ran = await tools.notebooks.execute(
            path,
            index,
            cell_id=cell_id,
            expected=expected,
            seconds=timeout,
            gone=client_gone(),
            progress=progress,
            tell=notices.append,
        )
        shown = await in_brief(ran.outputs, ran.cell.id)
        return reply(
            outputs_reply(shown),
            reply_limit(streams=True),
            notices,
            beside={**asdict(ran.cell), "execution_count": ran.count},
            pictures=shown.pictures,
        )
