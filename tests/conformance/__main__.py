"""Run the MCP conformance suites through the bridge and on uvicorn, and compare.

Exit code 0: as expected, and the same through the bridge as on uvicorn; 1: not; 2: the run could not be made.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .errors import ConformanceError
from .mounts import MOUNTS, mounted
from .suites import SUITES, Suite, run
from .verdicts import FAILED, Results, judge, read_expected

EXPECTED = Path(__file__).with_name("expected-failures.txt")
ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "conformance"


def measure(suites: list[Suite], folder: Path) -> dict[str, Results]:
    """Run the suites in each mount, with a fresh server for each."""
    results: dict[str, Results] = {}
    for mount in MOUNTS:
        with mounted(mount, folder / mount) as url:
            results[mount] = {suite.name: run(suite, url, folder / mount / suite.name) for suite in suites}
    return results


def show(results: dict[str, Results], faults: list[str]) -> None:
    console = Console(width=120)
    table = Table("suite", "mount", "scenarios", "passed", "warned", "failed", title="MCP conformance")
    for mount, suites in results.items():
        for suite, checks in suites.items():
            count = Counter(checks.values())
            scenarios = len({scenario for scenario, _ in checks})
            row = (count["SUCCESS"], count["WARNING"], count[FAILED])
            table.add_row(suite, mount, str(scenarios), *map(str, row))
    console.print(table)
    for fault in faults:
        console.print(fault, style="red", markup=False, soft_wrap=True)
    expected = read_expected(EXPECTED.read_text())
    console.print(f"{len(expected)} failures are expected, each with its reason in {EXPECTED.name}.")
    console.print("The bridge gives what uvicorn gives." if not faults else f"{len(faults)} faults.")


def save(results: dict[str, Results]) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    flat = {
        mount: {
            suite: {" ".join(check): status for check, status in checks.items()} for suite, checks in suites.items()
        }
        for mount, suites in results.items()
    }
    (ARTIFACTS / "results.json").write_text(json.dumps(flat, indent=1))


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        prog="./noxw -s conformance --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: ./noxw -s conformance -- 2025-11-25",
    )
    names = ", ".join(suite.name for suite in SUITES)
    parse.add_argument("suites", nargs="*", type=_suite, metavar="SUITE", help=f"of {names} (default: all of them)")
    return parse


def _suite(name: str) -> str:
    if name not in (known := [suite.name for suite in SUITES]):
        raise argparse.ArgumentTypeError(f"no such suite {name!r}; there are {', '.join(known)}")
    return name


def main() -> int:
    wanted = parser().parse_args().suites or [suite.name for suite in SUITES]
    suites = [suite for suite in SUITES if suite.name in wanted]
    try:
        expected = read_expected(EXPECTED.read_text())
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            results = measure(suites, Path(folder))
    except ConformanceError as error:
        Console(stderr=True).print(f"conformance: {error}", markup=False)
        return 2
    save(results)
    faults = judge(results["bridge"], results["uvicorn"], expected)
    show(results, faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
