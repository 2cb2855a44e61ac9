"""The figures as tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from .samples import Results


def table(results: Results) -> None:
    console = Console(width=150)
    measures = list(dict.fromkeys(one.measure for one in results.all()))
    for measure in measures:
        found = [one for one in results.all() if one.measure == measure]
        subjects = list(dict.fromkeys(one.subject for one in found))
        shown = Table("what", "at", "unit", *subjects, title=measure)
        for what, x, unit in dict.fromkeys((one.what, one.x, one.unit) for one in found):
            row = [results.find(measure, what, subject, x) for subject in subjects]
            shown.add_row(what, str(x) if x else "", unit, *("" if one is None else str(one) for one in row))
        console.print(shown)
