"""What all tests share."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.needs import summary

TOGETHER = ("images/work", "conformance")
"""Folders whose tests share what takes long to make: one worker runs them all. Elsewhere a file is for one worker."""
LONGEST = (
    "images/work",
    "images/test_conda.py",
    "images/test_push.py",
    "images/test_mistakes.py",
    "images/test_build.py",
    "images/test_export.py",
    "live/test_rooms.py",
    "live/test_execution.py",
    "live/test_security.py",
    "live/test_people_typing.py",
    "live/test_crash_faults.py",
    "live/test_people_kernel.py",
    "live/test_late_outputs.py",
    "live/test_bridge.py",
    "live/test_proxy.py",
    "images/test_check.py",
)
"""Begun first, so that no worker is left with one of them at the end."""


def pytest_configure() -> None:
    # No test asserts a time: the machine may have other work.
    settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")
    # Hundreds of servers, kernels and commands import the same modules: where bytecode may not be kept, each compiles
    # them all again, which is a third of its start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # A shell without job control starts a background job with SIGINT ignored, and programs hand that on to those that
    # they start. Tests press Ctrl+C in programs.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")
    parser.addoption("--long", action="store_true", help="also run the tests that take half an hour and more")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker, takes in (("slow", "minutes"), ("long", "half an hour or more")):
        if not config.getoption(f"--{marker}"):
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=f"takes {takes}: run it with --{marker}"))
    order = {group: number for number, group in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(_group(item.nodeid), len(order)))


def pytest_collection_finish() -> None:
    # A million objects of modules and collected tests live to the end: no collection has to look at them again.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole groups, in the order of collection: xdist 3.8 names its own where pytest 9.2 does not look."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where there are workers

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False
    return ByGroup(config, log)


def _group(nodeid: str) -> str:
    """Name the tests that one worker runs, in their order."""
    file = nodeid.partition("::")[0].removeprefix("tests/")
    return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line for each thing that this machine lacks how many tests were skipped for it."""
    skipped = terminalreporter.stats.get("skipped", [])
    if lines := summary(report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)):
        terminalreporter.section("what this machine lacks")
        for line in lines:
            terminalreporter.line(line)
