"""What all tests share."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.support.needs import summary

# Its tests share an unpacked image, which takes long to make.
TOGETHER = "images/work"


def pytest_configure() -> None:
    # A shell without job control starts a background job with SIGINT ignored, and programs hand that on to those that
    # they start. Tests press Ctrl+C in programs.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")


# First: xdist reads the groups in this hook as well.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: run it with --slow"))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))


def _group(file: Path) -> str:
    """Name the tests that one worker runs, in their order."""
    place = file.relative_to(Path(__file__).parent)
    return TOGETHER if place.is_relative_to(TOGETHER) else str(place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line for each thing that this machine lacks how many tests were skipped for it."""
    skipped = terminalreporter.stats.get("skipped", [])
    if lines := summary(report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)):
        terminalreporter.section("what this machine lacks")
        for line in lines:
            terminalreporter.line(line)
