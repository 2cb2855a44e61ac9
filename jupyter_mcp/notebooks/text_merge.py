"""Taking a change of a text back while what others changed since stays: a three-way merge, or none."""

from __future__ import annotations

from itertools import chain

from .text_diff import Change, changes


def merged(after: str, now: str, before: str) -> str | None:
    """Return `now` without the change that made `before` the text `after`; None if others changed the same place.

    Two changes are apart if there is something between them, or if they meet between two lines: half a word of one and
    half of the other would be nobody's text.
    """
    if now in (after, before):
        return before
    back, since = changes(after, before), changes(after, now)
    ours, theirs = iter(back), iter(since)
    mine, other = next(ours, None), next(theirs, None)
    while mine is not None and other is not None:
        earlier, later = (mine, other) if mine[:2] <= other[:2] else (other, mine)
        if not _apart(after, earlier, later):
            return None
        if earlier is mine:
            mine = next(ours, None)
        else:
            other = next(theirs, None)
    text, at = [], 0
    for change in sorted(chain(back, since), key=lambda one: one[:2]):
        text += [after[at : change.start], change.text]
        at = change.end
    return "".join([*text, after[at:]])


def _apart(text: str, first: Change, second: Change) -> bool:
    if first.end != second.start:
        return first.end < second.start
    if first.start == second.end:
        return False  # both insert here: in which order, nobody knows
    meets = first.end
    if not meets or text[meets - 1] == "\n":
        return not first.text or first.text.endswith("\n")
    return text[meets : meets + 1] in ("", "\n") and second.text.startswith("\n")
