"""How much of jupyter_mcp its unit tests run, with the floor that pyproject.toml sets (fail_under of coverage).

A pytest plugin: it measures while the tests in tests/unit are imported and while each of them runs, in each worker, and
nothing else, so that what the live tests run by the way does not count. Only a run of all of them is held to the floor.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from coverage import Coverage

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "tests" / "unit"
PLACE = "UNIT_COVERAGE_PLACE"
"""The variable that tells the workers where the run's measurements go."""


def pytest_configure(config: pytest.Config) -> None:
    if not _is_of_interest(config):
        return
    if not _is_worker(config):
        os.environ[PLACE] = tempfile.mkdtemp(prefix="unit-coverage-")
    if PLACE in os.environ:
        config.pluginmanager.register(_UnitCoverage(config, Path(os.environ[PLACE])), "unit-coverage")


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _is_of_interest(config: pytest.Config) -> bool:
    """Whether the run is of all unit tests; a worker is told so by its controller."""
    if _is_worker(config):
        return PLACE in os.environ
    chosen = config.option.keyword or config.option.markexpr or config.getoption("lf", default=False)
    if chosen or config.option.collectonly or config.getoption("deselect", default=None):
        return False
    places = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    return any(
        "::" not in argument and UNIT.is_relative_to(place) for argument, place in zip(config.args, places, strict=True)
    )


class _UnitCoverage:
    def __init__(self, config: pytest.Config, place: Path) -> None:
        self._config = config
        self._place = place
        self._lines: list[str] = []
        self._measured: Coverage | None = None
        # The controller of several workers runs no test itself.
        if _is_worker(config) or not config.getoption("numprocesses", default=None):
            self._measured = self._coverage(os.environ.get("PYTEST_XDIST_WORKER", "main"))
            self._measured.start()

    def _coverage(self, suffix: str | None) -> Coverage:
        from coverage import Coverage  # noqa: PLC0415 - a run of other tests does without

        return Coverage(
            data_file=str(self._place / "measured"), data_suffix=suffix, config_file=str(ROOT / "pyproject.toml")
        )

    def pytest_collection_finish(self) -> None:
        if self._measured is not None:
            self._measured.stop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if self._measured is None or not item.path.is_relative_to(UNIT):
            return (yield)
        self._measured.start()
        try:
            return (yield)
        finally:
            self._measured.stop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._measured is not None:
            self._measured.stop()
            self._measured.save()
        if not _is_worker(self._config):
            self._judge(session)
            shutil.rmtree(self._place, ignore_errors=True)
            os.environ.pop(PLACE, None)

    def _judge(self, session: pytest.Session) -> None:
        if session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return
        total = self._coverage(None)
        total.combine()
        text = io.StringIO()
        reached = total.report(file=text, skip_covered=True, sort="cover", show_missing=False)
        floor = float(total.get_option("report:fail_under") or 0)  # type: ignore[arg-type]
        self._lines = text.getvalue().splitlines()
        said = f"unit coverage of jupyter_mcp: {reached:.1f} %, the floor is {floor:.1f} %"
        if reached < floor:
            self._lines.append(f"{said}: FAILED, add unit tests")
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        else:
            self._lines.append(said)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._lines:
            terminalreporter.section("unit coverage")
            for line in self._lines:
                terminalreporter.line(line)
