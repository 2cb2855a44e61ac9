"""What became of a kernel's process."""

from __future__ import annotations

from enum import Enum

from jupyter_mcp.advice import either


class Fate(Enum):
    """How a kernel went away, to be put into a sentence."""

    SHUT_DOWN = "was shut down"
    RESTARTED = "was restarted"
    DIED = "died"
    LOST = "can't be reached any more"


def gone(fate: Fate, when: str) -> str:
    """Return a sentence on a kernel that went away, which says what to do."""
    return f"The kernel {fate.value} {when}; its variables are gone. Run again: the next call gets a fresh kernel."


def gone_at_start(fate: Fate) -> str:
    """Return a sentence on a kernel that went away before it could run anything: it may do so each time."""
    then = either("choose another with set_kernel, or ask the server's owner", "ask the server's owner")
    return (
        f"The kernel {fate.value} while it started; nothing was run. Run again; if it does so once more, it can't "
        f"start as it is installed (the server's log has what it said): {then}."
    )
