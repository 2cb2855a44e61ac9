"""The figures: as tables on the terminal, as JSON, as Markdown and as plots."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from .execution import RAW
from .samples import Results
from .start import PLAIN
from .subjects import names
from .targets import Target


def _rows(results: Results, measure: str) -> tuple[list[str], list[list[str]]]:
    """Return a measure's header and rows; p50 (min-max), one column a subject."""
    found = [one for one in results.all() if one.measure == measure]
    order = [RAW, PLAIN, *names()]
    subjects = sorted({one.subject for one in found}, key=order.index)
    rows = []
    for what, x, unit in dict.fromkeys((one.what, one.x, one.unit) for one in found):
        row = [results.find(measure, what, subject, x) for subject in subjects]
        rows.append([what, f"{x:,}" if x else "", unit, *("" if one is None else str(one) for one in row)])
    return ["what", "N", "unit", *subjects], rows


def _measures(results: Results) -> list[str]:
    return list(dict.fromkeys(one.measure for one in results.all()))


def show(results: Results, targets: list[Target]) -> None:
    """Print every table, then the targets."""
    console = Console(width=160)
    for measure in _measures(results):
        header, rows = _rows(results, measure)
        shown = Table(*header, title=measure)
        for row in rows:
            shown.add_row(*row)
        console.print(shown)
    shown = Table("target", "measured", "", title="targets")
    for target in targets:
        shown.add_row(target.promise, target.measured, "met" if target.met else "MISSED")
    console.print(shown)


def machine() -> dict[str, Any]:
    """Say what the figures were measured on; names no host."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30)),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("fastmcp", "mcp", "jupyter-server", "jupyter-collaboration")},
    }


def save_json(results: Results, targets: list[Target], file: Path) -> None:
    """Write every value of every series."""
    data = {
        "machine": machine(),
        "targets": [vars(target) for target in targets],
        "series": [one.as_json() for one in results.all()],
    }
    file.write_text(json.dumps(data, indent=1) + "\n")


def save_markdown(results: Results, targets: list[Target], file: Path) -> None:
    """Write the tables as the documentation shows them."""
    lines: list[str] = []
    for measure in _measures(results):
        header, rows = _rows(results, measure)
        lines += [f"## {measure}", "", *_markdown(header, rows), ""]
    rows = [[one.promise, one.measured, "met" if one.met else "**missed**"] for one in targets]
    lines += ["## targets", "", *_markdown(["target", "measured", ""], rows), ""]
    file.write_text("\n".join(lines))


def _markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
