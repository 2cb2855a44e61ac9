"""Measure the tools beside those of other MCP servers for Jupyter; the results go to artifacts/benchmarks."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from . import cells, crash, execution, growth, load, plot, report, start, targets
from .errors import BenchmarkError, SpecError
from .samples import Results
from .subjects import Subject, make, names

ROOT = Path(__file__).parents[1]
ARTIFACTS = ROOT / "artifacts" / "benchmarks"
Measure = Callable[[list[Subject], Results, argparse.Namespace], Awaitable[None]]

MEASURES: dict[str, Measure] = {
    "start": lambda subjects, results, o: start.measure(subjects, results, o.starts),
    "cells": lambda subjects, results, o: cells.measure(subjects, results, o.sizes, o.rounds),
    "execute": lambda subjects, results, o: execution.measure(subjects, results, o.rounds),
    "load": lambda subjects, results, o: load.measure(subjects, results, o.clients),
    "growth": lambda subjects, results, o: growth.measure(subjects, results, o.sizes, [1, 8, 32, 100], o.edits),
    "death": lambda subjects, results, o: execution.measure_death(subjects, results, o.death_limit),
    "crash": lambda subjects, results, o: crash.measure(subjects, results, o.crashes),
}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        "./noxw -s bench --",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog=f"LISTs are comma-separated. example: ./noxw -s bench -- --subjects {names()[0]} --rounds 10",
    )
    parse.add_argument("--subjects", metavar="LIST", type=_words, default=names(), help=f"of {', '.join(names())}")
    parse.add_argument(
        "--measures", metavar="LIST", type=_words, default=list(MEASURES), help=f"of {', '.join(MEASURES)}"
    )
    parse.add_argument(
        "--sizes", metavar="LIST", type=_numbers, default=[10, 100, 1000, 5000], help="cells in the notebooks"
    )
    parse.add_argument("--clients", metavar="LIST", type=_numbers, default=[1, 8, 32], help="agents at the same time")
    parse.add_argument(
        "--edits", metavar="LIST", type=_numbers, default=[100, 500, 1000, 2000], help="updates of one cell"
    )
    parse.add_argument("--rounds", metavar="N", type=int, default=40, help="how often each call is measured")
    parse.add_argument("--starts", metavar="N", type=int, default=7, help="how often each server's start is measured")
    parse.add_argument("--output", metavar="DIR", type=Path, default=ARTIFACTS, help="folder of the results")
    parse.add_argument(
        "--crashes", metavar="N", type=int, default=5, help="how often each server is killed, for each wait"
    )
    parse.add_argument(
        "--death-limit", metavar="SECONDS", type=float, default=150, help="seconds to wait for a dead kernel's notice"
    )
    return parse


async def run(options: argparse.Namespace, results: Results) -> None:
    """Take the measures with all subjects' servers running side by side."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True) as folder:
        subjects: list[Subject] = []
        try:
            for name in options.subjects:
                home = Path(folder) / name
                home.mkdir()
                subjects.append(make(name, ROOT / ".nox" / "peers", home))
                await subjects[-1].server.start()
            for name in options.measures:
                started = time.monotonic()
                await MEASURES[name](subjects, results, options)
                print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
        finally:
            for subject in subjects:
                subject.server.stop()


def main() -> int:
    options = parser().parse_args()
    results, failed = Results(), False
    try:
        if unknown := set(options.measures) - set(MEASURES):
            raise SpecError(f"No measure {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}.")
        asyncio.run(run(options, results))
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        failed = True  # what was measured before is kept
    except KeyboardInterrupt:
        print("benchmarks: interrupted; the measures taken so far follow", file=sys.stderr)
        failed = True
    judged = targets.judge(results)
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    report.show(results, judged)
    report.save_json(results, judged, folder / "results.json")
    report.save_markdown(results, judged, folder / "results.md")
    plot.save(results, folder / "curves.png")
    print(f"{folder}: results.json, results.md, curves.png")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
