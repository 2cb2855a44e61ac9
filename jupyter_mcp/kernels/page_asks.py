"""Which of a page's DELETEs ends only its own view of a session, and which shuts the notebook's kernel down."""

from __future__ import annotations

import time
from dataclasses import dataclass

_ANSWERED_WITHIN = 30.0  # seconds from a page's POST to what it does with the answer
_TAKEN_WITHIN = 2.0  # seconds from a page's PATCH to the end of the session it had: no person shuts down so soon


@dataclass
class _Asked:
    open: int = 0  # POSTs of pages that have not taken the session yet
    posted: float = float("-inf")
    taken: float = float("-inf")


class PageAsks:
    """Remembers the pages that were given a session that was there before.

    JupyterLab (4.6) ends the session of a question that it gave up, and the one that it had when another comes. It
    believes each to be another session: here both are the notebook's, with the agents' kernel and its variables.
    """

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def given(self, session_id: str) -> None:
        """Note that a page's POST is answered with a session that was there."""
        now = time.monotonic()
        late = now - max(_ANSWERED_WITHIN, _TAKEN_WITHIN)
        self._asked = {one: asked for one, asked in self._asked.items() if max(asked.posted, asked.taken) > late}
        asked = self._asked.setdefault(session_id, _Asked())
        asked.open += 1
        asked.posted = now

    def taken(self, session_id: str) -> None:
        """Note that a page takes the session for its own: JupyterLab PATCHes its path, then its name."""
        if (asked := self._asked.get(session_id)) is not None:
            asked.taken = time.monotonic()
            asked.open = max(0, asked.open - 1)

    def stays(self, session_id: str) -> bool:
        """Return whether the session stays when a page DELETEs it now; each reason counts once."""
        asked, now = self._asked.get(session_id), time.monotonic()
        if asked is None:
            return False
        if asked.open and asked.posted > now - _ANSWERED_WITHIN:
            asked.open -= 1
            return True
        del self._asked[session_id]
        return asked.taken > now - _TAKEN_WITHIN
