"""What must be in a notebook, by marks in its cells' sources: acknowledged, taken away, or not known to be either."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

MARK = re.compile(r"mark-[a-z0-9]+-\d+")


@dataclass
class Ledger:
    """The marks of one notebook."""

    path: str
    present: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    fading: set[str] = field(default_factory=set)  # a page was asked to delete them
    acknowledged: int = 0

    def begins(self, mark: str) -> None:
        """Note that somebody asks for the mark to come or to go; until that is answered, both are right."""
        self.present.discard(mark)
        self.unsure.add(mark)

    def fades(self, mark: str) -> None:
        """Note that a page is to delete it: where that comes late, after the mark was seen here, nothing is lost."""
        self.begins(mark)
        self.fading.add(mark)

    def came(self, mark: str) -> None:
        """Note that its coming was acknowledged."""
        self._settle(mark, self.present)

    def went(self, mark: str) -> None:
        """Note that its going was acknowledged."""
        self._settle(mark, self.gone)

    def refused(self, mark: str, *, was_there: bool) -> None:
        """Note that nothing was done."""
        self.unsure.discard(mark)
        (self.present if was_there else self.gone).add(mark)

    def _settle(self, mark: str, now: set[str]) -> None:
        self.unsure.discard(mark)
        now.add(mark)
        self.acknowledged += 1

    def faults(self, sources: Iterable[str], when: str) -> list[str]:
        """Return what is wrong with what the notebook holds; what was not known is known from then on."""
        counts = Counter(mark for source in sources for mark in MARK.findall(source))
        there = set(counts)
        found = [f"{self.path}: {mark} was acknowledged and is lost ({when})" for mark in sorted(self.present - there)]
        found += [f"{self.path}: {mark} was deleted and came back ({when})" for mark in sorted(self.gone & there)]
        found += [f"{self.path}: {mark} is there {n} times ({when})" for mark, n in sorted(counts.items()) if n > 1]
        strange = sorted(there - self.present - self.gone - self.unsure - self.fading)
        found += [f"{self.path}: {mark} was written by nobody ({when})" for mark in strange]
        self.present -= self.present - there  # told once
        self.gone -= there
        self.present |= there - self.fading
        self.gone |= {mark for mark in self.unsure - there if not mark.startswith("mark-p")}
        self.unsure = {mark for mark in self.unsure - there if mark.startswith("mark-p")}  # a tab may bring it yet
        return found
