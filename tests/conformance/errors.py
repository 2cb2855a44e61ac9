"""What stops a conformance run before it has a verdict."""

from __future__ import annotations


class ConformanceError(Exception):
    """The parent of them all."""


class MountError(ConformanceError):
    """The fixture server did not start; its log is in the message."""


class SuiteError(ConformanceError):
    """A suite did not run to its end, or is not installed."""


class ExpectationError(ConformanceError):
    """A line of expected-failures.txt can't be read, or has no reason."""
