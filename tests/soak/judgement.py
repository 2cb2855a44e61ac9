"""What a soak has shown: whether something was lost, and whether something grows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import median

FEWEST_LIVES = 4  # of the server, for a comparison of early and late ones
FEWEST_SAMPLES = 12  # of one life, for a comparison within it
LONG_LIFE = 600.0  # seconds: a shorter one is still warming up


@dataclass(frozen=True)
class Sample:
    """The server at a moment."""

    life: int  # the how manieth server, from 0
    at: float  # seconds since the soak began
    rss: int  # bytes
    fds: int
    tasks: int
    threads: int
    journals: int  # files
    cells: int = 0  # marks that the notebooks hold


@dataclass(frozen=True)
class Bound:
    """How much more a later figure may be than an earlier one: a share of it, and some."""

    share: float
    more: float

    def grew(self, earlier: float, later: float) -> bool:
        """Return whether the later one is too much more."""
        return later > earlier * (1 + self.share) + self.more


BOUNDS = {
    "rss": Bound(0.10, 24 << 20),
    "fds": Bound(0.10, 16),
    "tasks": Bound(0.10, 32),
    "threads": Bound(0.10, 8),
    "journals": Bound(0.10, 6),
}


def growing(samples: Iterable[Sample]) -> list[str]:
    """Return what grows: from the first lives of the server to its last ones, or within a long one."""
    lives = [list(life) for _, life in groupby(samples, key=lambda one: one.life)]
    found = [fault for life in lives for fault in _within(life)]
    return found + _between([life for life in lives if len(life) >= 3])


def _between(lives: Sequence[Sequence[Sample]]) -> list[str]:
    """Compare what the server came to at the end of its first lives and of its last; the very first fills up."""
    rest = lives[1:]
    if len(rest) < FEWEST_LIVES:
        return []
    third = max(1, len(rest) // 3)
    found = []
    for name, bound in BOUNDS.items():
        ends = [_middle(life[-max(1, len(life) // 3) :], name) for life in rest]
        early, late = median(ends[:third]), median(ends[-third:])
        if bound.grew(early, late):
            found.append(f"{name} grows from life to life of the server: {_told(name, early)} to {_told(name, late)}")
    return found


def _within(life: Sequence[Sample]) -> list[str]:
    if len(life) < FEWEST_SAMPLES or life[-1].at - life[0].at < LONG_LIFE:
        return []
    quarter = len(life) // 4
    found = []
    for name, bound in BOUNDS.items():
        early, late = _middle(life[quarter : 2 * quarter], name), _middle(life[-quarter:], name)
        if bound.grew(early, late):
            found.append(f"{name} grows while the server lives: {_told(name, early)} to {_told(name, late)}")
    return found


def _middle(samples: Sequence[Sample], name: str) -> float:
    return median(getattr(one, name) for one in samples)


def _told(name: str, value: float) -> str:
    return f"{value / (1 << 20):.0f} MiB" if name == "rss" else f"{value:g}"


@dataclass
class Report:
    """All that a soak has to tell."""

    minutes: float = 0
    agents: int = 0
    browsers: int = 0
    life: float = 0
    seed: int = 0
    load: float = 0  # of the machine, at the begin
    lives: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    persons_edits: int = 0
    kernels_killed: int = 0
    disks_filled: int = 0
    reloads: int = 0
    left_out: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # faults of the server, calls without an answer
    samples: list[Sample] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return what makes the soak fail; nothing if all is well."""
        found = [*self.lost, *self.broken, *growing(self.samples)]
        if not self.acknowledged:
            found.append("no edit was acknowledged: nothing was tried")
        return found
