"""What was measured, and what a set of measures says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass
class Series:
    """Repeated measures of one thing: of `subject`, doing `what`, at size `x`. `unit` is ms, KB, MB, 1/s or s."""

    measure: str
    what: str
    subject: str
    x: int
    unit: str
    values: list[float] = field(default_factory=list)
    note: str = ""
    tries: int = 0
    failures: int = 0

    @property
    def p50(self) -> float:
        return median(self.values)

    def __str__(self) -> str:
        notes = [self.note, f"{self.failures} failed" if self.failures else ""]
        if not self.values:
            return " ".join(filter(None, notes)) or "-"
        low, high = min(self.values), max(self.values)
        spread = f"({_short(low)}-{_short(high)})" if len(self.values) > 1 else ""
        return " ".join(filter(None, [_short(self.p50), spread, *notes]))

    def as_json(self) -> dict[str, Any]:
        numbers = {"p50": self.p50, "min": min(self.values), "max": max(self.values)} if self.values else {}
        return {**asdict(self), "values": [round(value, 4) for value in self.values], **numbers}


def _short(value: float) -> str:
    """Return three significant digits, without an exponent."""
    return f"{float(f'{value:.3g}'):,.10g}"


def paired_ratio(series: Series, base: Series) -> float:
    """Return the median of the ratios of values that were measured in the same round.

    Where a call failed the rounds no longer match; then it is the ratio of the medians.
    """
    if len(series.values) != len(base.values):
        return series.p50 / base.p50
    return median(value / under for value, under in zip(series.values, base.values, strict=True))


class Results:
    """All series of a run, in the order of their first measure."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str, int], Series] = {}

    def series(self, measure: str, what: str, subject: str, x: int = 0, unit: str = "ms") -> Series:
        """Return the series with these names, made if it is new."""
        return self._series.setdefault((measure, what, subject, x), Series(measure, what, subject, x, unit))

    @contextmanager
    def timing(self, measure: str, what: str, subject: str, x: int = 0) -> Iterator[None]:
        """Add the milliseconds that the block takes; a block that raises adds nothing."""
        started = time.perf_counter()
        yield
        self.series(measure, what, subject, x).values.append((time.perf_counter() - started) * 1000)

    def find(self, measure: str, what: str, subject: str, x: int = 0) -> Series | None:
        return self._series.get((measure, what, subject, x))

    def all(self) -> list[Series]:
        return list(self._series.values())
