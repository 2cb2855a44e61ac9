"""The REST endpoint by which people answer agents that ask before they run or delete, or propose changes."""

from __future__ import annotations

from typing import Any

from fastmcp.exceptions import ToolError
from jupyter_server.base.handlers import APIHandler
from tornado import web

from jupyter_mcp.notebooks.undoing import Undoing

from .gate import Gate
from .people_api import PeopleHandler
from .review import Answer

LONGEST_REASON = 500  # characters
_SEND = 'Send {"question": its number, "allow": true or false}, with "run": true or "reason": a text, or without.'


class AnswerHandler(PeopleHandler):
    """`POST {base_url}jupyter-mcp/answer`: a person's yes or no to what an agent asks."""

    @web.authenticated
    async def post(self) -> None:
        """Take the answer; needs `execute kernels` for what runs something, `write contents` for other changes."""
        number, allow, run, reason = self._asked()
        await self.require("read", "contents")
        question = self.gate.review.find(number)
        if question is None:
            raise web.HTTPError(404, "Nobody asks this any more: it was answered, or the time is over.")
        await self.require(*(("execute", "kernels") if question.wanted.runs else ("write", "contents")))
        if run and not (question.preview or {}).get("runnable"):
            raise web.HTTPError(400, "There is no code cell in what is asked that could be run then.")
        if run:
            await self.require("execute", "kernels")
        revisions: dict[str, str] = {}
        if allow and question.notebook is not None and question.preview is None:
            # What the person sees now is what may be run; of what the question shows, what it shows.
            try:
                revisions = await self.undoing.revisions(question.notebook) | question.seen
            except ToolError as error:
                raise web.HTTPError(404, "%s", str(error)) from error
        if question.answer is not None:
            raise web.HTTPError(404, f"{question.answer.by} has just answered this.")
        if question.settled.is_set():
            raise web.HTTPError(404, "Nobody asks this any more: it was withdrawn.")
        self.gate.review.answer(question, Answer(allow, self.person(), run, reason, revisions))
        self.answer(self.state())

    def _asked(self) -> tuple[int, bool, bool, str]:
        """Return what a request says. Raises 400."""
        found = self.get_json_body()
        about = found if isinstance(found, dict) else {}
        number, allow = about.get("question"), about.get("allow")
        run, reason = about.get("run", False), about.get("reason", "")
        if isinstance(number, bool) or not isinstance(number, int) or not isinstance(allow, bool):
            raise web.HTTPError(400, _SEND)
        if set(about) - {"question", "allow", "run", "reason"} or not isinstance(run, bool) or (run and not allow):
            raise web.HTTPError(400, _SEND)
        if not isinstance(reason, str) or len(reason) > LONGEST_REASON or (reason and allow):
            raise web.HTTPError(400, f'"reason" is a text of at most {LONGEST_REASON} characters that goes with a no.')
        return number, allow, run, " ".join("".join(one if one.isprintable() else " " for one in reason).split())


def review_handlers(gate: Gate, undoing: Undoing) -> list[tuple[str, type[APIHandler], dict[str, Any]]]:
    """Return the endpoint, below the server's base URL."""
    return [(r"/jupyter-mcp/answer", AnswerHandler, {"gate": gate, "undoing": undoing})]
