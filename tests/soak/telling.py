"""The report of a soak: JSON for programs, Markdown and a picture for people."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from .judgement import Report, Sample

PANELS = (("rss", "memory, MiB", 1 << 20), ("fds", "descriptors", 1), ("tasks", "tasks", 1), ("cells", "cells", 1))


def write(report: Report, folder: Path) -> str:
    """Write report.json, report.md and soak.png into a folder; return the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps({**asdict(report), "faults": report.faults()}, indent=1) + "\n")
    text = markdown(report)
    (folder / "report.md").write_text(text)
    if report.samples:
        draw(report.samples, folder / "soak.png")
    return text


def markdown(report: Report) -> str:
    """Return the report as a page."""
    faults = report.faults()
    ends = {one.life: one for one in report.samples}
    lines = [
        f"# Soak of {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC: {'failed' if faults else 'passed'}",
        "",
        _what(report),
        "",
        "| | |",
        "| --- | --- |",
        f"| kills of the server | {report.lives} |",
        f"| calls | {sum(report.calls.values()):,} |",
        f"| acknowledged edits | {report.acknowledged:,} |",
        f"| of them lost, doubled or come back | {len(report.lost)} |",
        f"| edits of people in browsers | {report.persons_edits:,} |",
        f"| kernels killed | {report.kernels_killed} |",
        f"| disks filled | {report.disks_filled} |",
        f"| pages loaded anew | {report.reloads} |",
        *(f"| not tried | {one} |" for one in report.left_out),
        "",
        *([*(f"- {fault}" for fault in faults[:100]), ""] if faults else []),
        "## Calls",
        "",
        "| outcome | calls |",
        "| --- | --- |",
        *(f"| {name} | {count:,} |" for name, count in sorted(report.calls.items())),
        *(f"| refused: {name} | {count:,} |" for name, count in sorted(report.refusals.items())),
        "",
        "## At the end of each life",
        "",
        "| life | at, s | memory, MiB | descriptors | tasks | threads | journals | cells |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {life} | {one.at:.0f} | {one.rss / (1 << 20):.0f} | {one.fds} | {one.tasks} | {one.threads} | "
            f"{one.journals} | {one.cells} |"
            for life, one in ends.items()
        ),
        "",
    ]
    return "\n".join(lines)


def _what(report: Report) -> str:
    killed = f"the server killed every {report.life:g} s" if report.life else "one server throughout"
    return (
        f"{report.minutes:g} minutes, {report.agents} agents, {report.browsers} browsers, {killed}; seed "
        f"{report.seed}, load {report.load:.1f} at the begin."
    )


def draw(samples: list[Sample], file: Path) -> None:
    """Draw the figures over time, a line for each life of the server."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - the judgement needs none

    figure = Figure(figsize=(9, 8), layout="constrained")
    for axes, (name, label, unit) in zip(figure.subplots(len(PANELS), sharex=True), PANELS, strict=True):
        for life in sorted({one.life for one in samples}):
            of_life = [one for one in samples if one.life == life]
            axes.plot(
                [one.at / 60 for one in of_life], [getattr(one, name) / unit for one in of_life], ".-", color="C0"
            )
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
    axes.set_xlabel("minutes")
    figure.savefig(file, dpi=110)
