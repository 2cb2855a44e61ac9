"""Where the extension can't run, one sentence says so."""

from __future__ import annotations

import os

import pytest

import jupyter_mcp


def test_on_windows_the_extension_says_that_it_needs_posix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(ImportError, match="POSIX"):
        jupyter_mcp._jupyter_server_extension_points()
