"""The curves of `benchmarks.images`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.figure import Figure

mpl.use("Agg")
_COLOURS = ("#1f6feb", "#d1700f")
_PANELS = (("seconds", 0), ("most memory, MB", 1))


def save(results: Mapping[tuple[str, int], tuple[Sequence[float], Sequence[float]]], file: Path) -> None:
    """Draw seconds and memory, both by (subject, MB of content), as medians with min to max."""
    figure = Figure(figsize=(10, 4.2), dpi=100, layout="constrained")
    subjects = list(dict.fromkeys(subject for subject, _ in results))
    for axes, (title, which) in zip(figure.subplots(1, 2).flat, _PANELS, strict=True):
        for number, subject in enumerate(subjects):
            sizes = sorted(size for one, size in results if one == subject)
            values = [results[subject, size][which] for size in sizes]
            colour, style = _COLOURS[number % 2], "-" if number < len(_COLOURS) else "--"
            axes.plot(sizes, [median(one) for one in values], style, marker="o", color=colour, label=subject)
            axes.fill_between(
                sizes, [min(one) for one in values], [max(one) for one in values], color=colour, alpha=0.1
            )
        axes.set(title=title, xlabel="MB of content", xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(subjects))
    figure.savefig(file)
