"""What stops a measure."""

from __future__ import annotations


class BenchmarkError(Exception):
    """The parent of them all."""


class CallError(BenchmarkError):
    """A tool call failed, so its time means nothing."""


class ServerError(BenchmarkError):
    """A server under measure did not start, or ended; its log is in the message."""


class SpecError(BenchmarkError):
    """The command line or subjects.toml asks for what is not there."""
