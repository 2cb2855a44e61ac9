"""What FastMCP and this package log is in the server's log; that a call was refused is not."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from jupyter_mcp import logs


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def server() -> Iterator[Kept]:
    before = {name: (logging.getLogger(name).handlers, logging.getLogger(name).propagate) for name in logs._PACKAGES}
    log, kept = logging.getLogger("a server"), Kept()
    kept.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    log.addHandler(kept)
    log.setLevel(logging.INFO)
    logs.into(log)
    logs.into(log)  # a second server in the process tells everything once, too
    yield kept
    log.removeHandler(kept)
    for name, (handlers, propagate) in before.items():
        logging.getLogger(name).handlers, logging.getLogger(name).propagate = handlers, propagate


def test_what_packages_log_is_told_once_in_the_servers_form(server: Kept) -> None:
    logging.getLogger("fastmcp.server.server").warning("Invalid arguments for tool %r", "x")
    logging.getLogger("jupyter_mcp.transport.boundary").error("failed")
    assert server.lines == [
        "fastmcp.server.server: Invalid arguments for tool 'x'",
        "jupyter_mcp.transport.boundary: failed",
    ]


def test_a_refused_call_is_not_told_and_a_fault_is_with_its_traceback(server: Kept) -> None:
    log = logging.getLogger("fastmcp.server.server")
    log.error("Error calling tool 'get_cell'", exc_info=False)
    assert server.lines == []
    log.error("Error calling tool 'get_cell'", exc_info=ValueError("why"))
    assert "ValueError: why" in server.lines[0]


def test_what_the_servers_level_leaves_out_is_not_told(server: Kept) -> None:
    logging.getLogger("mcp.server").debug("a message")
    assert server.lines == []
