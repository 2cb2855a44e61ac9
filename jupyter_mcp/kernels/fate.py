"""What became of a kernel's process."""

from __future__ import annotations

from enum import Enum


class Fate(Enum):
    """How a kernel went away, to be put into a sentence."""

    SHUT_DOWN = "was shut down"
    RESTARTED = "was restarted"
    DIED = "died"
    LOST = "can't be reached any more"


def gone(fate: Fate, when: str) -> str:
    """Return a sentence on a kernel that went away, which says what to do."""
    return f"The kernel {fate.value} {when}; its variables are gone. Run again: the next call gets a fresh kernel."
