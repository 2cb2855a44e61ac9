"""The command line: `python -m benchmarks`, or `nox -s bench -- …`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from . import cells
from .errors import BenchmarkError
from .report import table
from .samples import Results
from .subjects import make, names

ROOT = Path(__file__).parents[1]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser("benchmarks", description=__doc__)
    parse.add_argument("--subjects", type=_words, default=names(), help=f"of {', '.join(names())}")
    parse.add_argument("--sizes", type=_numbers, default=[10, 100, 1000, 5000], help="cells in the notebooks")
    parse.add_argument("--rounds", type=int, default=40, help="how often each call is measured")
    return parse


async def run(options: argparse.Namespace) -> Results:
    results = Results()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        subjects = []
        try:
            for name in options.subjects:
                home = Path(folder) / name
                home.mkdir()
                subjects.append(make(name, ROOT / ".nox" / "peers", home))
                await subjects[-1].server.start()
            await cells.measure(subjects, results, options.sizes, options.rounds)
        finally:
            for subject in subjects:
                subject.server.stop()
    return results


def main() -> int:
    options = parser().parse_args()
    try:
        results = asyncio.run(run(options))
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
