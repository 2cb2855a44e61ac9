"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.needs import summary

# Their sessions share built and unpacked images, and a store.
TOGETHER = ("env", "images")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: run it with --slow"))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))


def _group(file: Path) -> str:
    """Name the tests that one worker runs, in their order."""
    kind = file.relative_to(Path(__file__).parent).parts[0]
    return "images" if kind in TOGETHER else file.stem


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line for each thing that this machine lacks how many tests were skipped for it."""
    skipped = terminalreporter.stats.get("skipped", [])
    if lines := summary(report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)):
        terminalreporter.section("what this machine lacks")
        for line in lines:
            terminalreporter.line(line)
