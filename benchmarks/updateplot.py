"""The bars of `benchmarks.updates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

mpl.use("Agg")
_COLOURS = ("#1f6feb", "#d1700f", "#8a8a8a")
MEGABYTE = 1_000_000


def save(pulled: Mapping[str, Sequence[int]], changed: Sequence[int], file: Path) -> None:
    """Draw the bytes that each week's update pulls, by subject, and those that changed, in their order in time."""
    figure = Figure(figsize=(10, 4.2), dpi=100, layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(pulled)
    for number, (subject, weeks) in enumerate(pulled.items()):
        places = [week + (number - (len(pulled) - 1) / 2) * width for week in range(len(weeks))]
        axes.bar(places, [size / MEGABYTE for size in weeks], width, color=_COLOURS[number], label=subject)
    axes.plot(range(len(changed)), [size / MEGABYTE for size in changed], "_k", markersize=12, label="what changed")
    axes.set(title="MB to pull for a week's update", xlabel="week", ylim=(0, None))
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=len(pulled) + 1)
    figure.savefig(file)
