"""Every way in which `jupyter mcp` ends with less than was asked; codes in the way of sysexits.h.

They are not those of `jupyter_mcp.errors`, which answer agents, and whose import would double this program's start.
"""

from __future__ import annotations


class CliError(Exception):
    """What is told on standard error, in one line that says what to do."""

    exit_code = 1


class UsageError(CliError):
    """A command line that can't be followed."""

    exit_code = 2


class BadFileError(CliError):
    """A client's configuration that can't be read as one; it is left as it is."""

    exit_code = 65


class NoServerError(CliError):
    """No running server fits, or it does not answer."""

    exit_code = 69


class CantWriteError(CliError):
    """A file that can't be written."""

    exit_code = 74


class RefusedError(CliError):
    """The server does not take the token."""

    exit_code = 77
