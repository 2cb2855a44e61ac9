"""The tool that tells the variables of a notebook's kernel."""

from __future__ import annotations

from typing import Any

from fastmcp.tools import ToolResult
from pydantic import BaseModel

from jupyter_mcp.advice import either
from jupyter_mcp.errors import KernelBusyError, KernelUnavailableError
from jupyter_mcp.kernels.variables import Question
from jupyter_mcp.notebooks.running import outputs_of
from jupyter_mcp.replies.replies import reply, schema

from .parameters import Path, hints
from .toolbox import Toolbox
from .waiting import waited

WITHIN = 20.0  # seconds that the kernel has to answer
ELSEWHERE = {"r": "ls.str()", "julia": "varinfo()"}  # what tells the variables in other languages


class VariablesReply(BaseModel):
    """The variables, by name; `more` of them are not told."""

    variables: list[dict[str, Any]]
    more: int = 0


def offer_variable_tools(tools: Toolbox) -> None:
    """Offer `list_variables`."""
    notebooks, running, kernels = tools.notebooks, tools.running, tools.kernels

    @tools.server.tool(
        annotations=hints("List variables", reads=True, destroys=False, repeatable=True),
        output_schema=schema(VariablesReply),
    )
    async def list_variables(path: Path) -> ToolResult:
        """List the variables of the notebook's Python kernel: name, type, shape or length, short value."""
        # Code of ours runs on the kernel, and reads what the people's left there.
        agent = await tools.admit(("execute", "kernels"))
        language = await kernels.language_of(await notebooks.existing(path))
        if language.lower() != "python":
            instead = ELSEWHERE.get(language.lower(), "the language's own way to list them")
            raise KernelUnavailableError(
                f"The notebook's kernel is {language or 'of an unknown language'}; list_variables knows Python. "
                + either(f"Use run_code, with {instead}.", f"A cell can run {instead}.")
            )
        question = Question()
        run = running.code(await notebooks.join(path), question.source, by=agent.name)
        await waited(tools, run, WITHIN, stops=True)
        if not run.over.is_set():
            run.stop("was not needed any more")
            raise KernelBusyError(
                f"The kernel did not answer within {WITHIN:g} s: it runs something else. "
                + either("list_kernels shows what; try again when that is done.", "Try again when that is done.")
            )
        found = question.answer(outputs_of(run))
        if found is None:
            raise KernelUnavailableError(
                either(
                    "The kernel could not tell its variables; use run_code, with `dir()`.",
                    "The kernel could not tell its variables.",
                )
            )
        more = found["count"] - len(found["variables"])
        return reply({"variables": found["variables"], **({"more": more} if more else {})})
