"""Notebooks as resources: a template, and completion of its paths and of the prompts'."""

from __future__ import annotations

import json

from fastmcp.exceptions import ResourceError, ToolError
from fastmcp.server.completions import CompletionReference
from mcp.types import Completion, CompletionArgument, CompletionContext, PromptReference

from jupyter_mcp.replies.replies import shortened
from jupyter_mcp.replies.reply_limits import reply_limit
from jupyter_mcp.transport.auth import caller

from .guidance import PROMPTS
from .toolbox import Toolbox

SCHEME = "notebook:///"
TEMPLATE = f"{SCHEME}{{path*}}"
_MOST = 100  # values that a completion may have


def takes_a_path(reference: CompletionReference) -> bool:
    """Return whether the `path` of this template or prompt is a notebook's."""
    if isinstance(reference, PromptReference):
        return reference.name in PROMPTS
    return reference.uri == TEMPLATE


def offer_resources(tools: Toolbox) -> None:
    """Put the template, and the completion of paths, on the server."""
    server, notebooks = tools.server, tools.notebooks

    @server.resource(TEMPLATE, name="notebook", title="A notebook", mime_type="application/x-ipynb+json")
    async def notebook(path: str) -> str:
        """Read a notebook (nbformat): its live content if it is open, else the file."""
        try:
            async with tools.serving("resources/read", {"path": path}, reads=True):
                await tools.admit(("read", "contents"))
                content = await notebooks.get(path)
            for cell in content["cells"]:
                cell.pop("state", None)
            if (limit := reply_limit()) is not None:
                content = shortened(content, limit // 2)  # JSON in JSON: each quote and line end is escaped again
            return json.dumps(content, ensure_ascii=False)
        except ToolError as error:
            raise ResourceError(str(error)) from error

    @server.completion
    async def complete(
        reference: CompletionReference, argument: CompletionArgument, _: CompletionContext | None
    ) -> Completion | None:
        if argument.name != "path" or not takes_a_path(reference):
            return None
        async with tools.serving("completion/complete", {}, reads=True):
            await caller().require("read", "contents")
            found = [one["path"] for one in await notebooks.list_all() if one["path"].startswith(argument.value)]
        return Completion(values=found[:_MOST], total=len(found), has_more=len(found) > _MOST)
