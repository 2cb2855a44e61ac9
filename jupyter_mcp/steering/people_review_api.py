"""The REST endpoint by which people answer agents that ask before they run or delete."""

from __future__ import annotations

from typing import Any

from fastmcp.exceptions import ToolError
from jupyter_server.base.handlers import APIHandler
from tornado import web

from jupyter_mcp.notebooks.undoing import Undoing

from .gate import Gate
from .people_api import PeopleHandler


class AnswerHandler(PeopleHandler):
    """`POST {base_url}jupyter-mcp/answer`: a person's yes or no to what an agent asks."""

    @web.authenticated
    async def post(self) -> None:
        """Take the answer; needs `execute kernels` for what runs something, `write contents` for what deletes."""
        found = self.get_json_body()
        if not isinstance(found, dict) or set(found) != {"question", "allow"} or not isinstance(found["allow"], bool):
            raise web.HTTPError(400, 'Send {"question": its number, "allow": true or false}.')
        await self.require("read", "contents")
        number = found["question"]
        question = self.gate.review.find(number) if isinstance(number, int) else None
        if question is None:
            raise web.HTTPError(404, "Nobody asks this any more: it was answered, or the time is over.")
        await self.require(*(("execute", "kernels") if question.wanted.runs else ("write", "contents")))
        revisions: dict[str, str] = {}
        if found["allow"] and question.notebook is not None:
            # What the person sees now is what may be run.
            try:
                revisions = await self.undoing.revisions(question.notebook)
            except ToolError as error:
                raise web.HTTPError(404, "%s", str(error)) from error
        if question.allowed is not None:
            raise web.HTTPError(404, f"{question.by} has just answered this.")
        self.gate.review.answer(question, self.person(), allowed=found["allow"], revisions=revisions)
        self.answer(self.state())


def review_handlers(gate: Gate, undoing: Undoing) -> list[tuple[str, type[APIHandler], dict[str, Any]]]:
    """Return the endpoint, below the server's base URL."""
    return [(r"/jupyter-mcp/answer", AnswerHandler, {"gate": gate, "undoing": undoing})]
