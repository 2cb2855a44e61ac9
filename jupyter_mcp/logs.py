"""What the packages below log, in the server's own log and form."""

from __future__ import annotations

import logging

_PACKAGES = ("fastmcp", "jupyter_mcp", "mcp")
_REFUSED = "Error calling tool"


class _Handler(logging.Handler):
    def __init__(self, log: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> None:
        super().__init__()
        self._log = log if isinstance(log, logging.Logger) else log.logger
        self.addFilter(_tells)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= self._log.getEffectiveLevel():
            self._log.handle(record)


def _tells(record: logging.LogRecord) -> bool:
    """Leave out that a call was refused: who called is told why. A fault has a traceback."""
    return bool(record.exc_info) or not str(record.msg).startswith(_REFUSED)


def into(log: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> None:
    """Send what FastMCP, the MCP SDK and this package log to the server's log, not in boxes to stderr."""
    for name in _PACKAGES:
        logger = logging.getLogger(name)
        logger.handlers = [_Handler(log)]
        logger.propagate = False
