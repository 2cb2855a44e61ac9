"""The curves of a run, in one picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import cells, growth, load
from .samples import Results
from .subjects import OURS

mpl.use("Agg")
COLOURS = {OURS: "#1f6feb", "jupyter-mcp-server": "#d1700f", "jupyter-server-mcp": "#7a3fb0"}
FLOOR = "#777777"
PANELS = (
    (cells.MEASURE, "read", "read one cell, ms", "cells in the notebook", "floor"),
    (cells.MEASURE, "insert", "insert one cell, ms", "cells in the notebook", "floor"),
    (load.MEASURE, load.inserts(load.STARTS[0]), "inserts/s, small notebook", "agents", load.FLOOR),
    (growth.MEASURE, "memory, one open notebook of N cells", "resident memory, MB", "cells in the notebook", ""),
    (growth.MEASURE, "update after N updates", "update one cell, ms", "updates before", ""),
    (growth.MEASURE, "read, N agents connected", "read one cell, ms", "agents connected", ""),
)


def save(results: Results, file: Path) -> None:
    """Draw p50 as a line and min to max as a band; PNG or SVG by the name of `file`."""
    figure = Figure(figsize=(12, 7), dpi=100, layout="constrained")
    for axes, (measure, what, title, x, floor) in zip(figure.subplots(2, 3).flat, PANELS, strict=True):
        for subject in dict.fromkeys(one.subject for one in results.all() if one.measure == measure):
            _curve(axes, results, (measure, what, subject), COLOURS.get(subject, FLOOR), subject)
        if floor:
            _curve(axes, results, (measure, floor, OURS), FLOOR, "empty tool, same bridge")
        axes.set(title=title, xlabel=x, xscale="log", yscale="log" if title.endswith(", ms") else "linear")
        if not title.endswith(", ms"):
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    figure.savefig(file)


def _curve(axes: Axes, results: Results, key: tuple[str, str, str], colour: str, label: str) -> None:
    found = sorted((one for one in results.all() if (one.measure, one.what, one.subject) == key), key=lambda one: one.x)
    if not found:
        return
    at = [one.x for one in found]
    axes.plot(at, [one.p50 for one in found], marker="o", markersize=4, color=colour, label=label)
    axes.fill_between(
        at,
        [min(one.values) for one in found],
        [max(one.values) for one in found],
        color=colour,
        alpha=0.12,
        linewidth=0,
    )
