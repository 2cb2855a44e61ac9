"""The scripts of the page on the API do what they say, on this checkout."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.env.test_page_commands import LOCK
from tests.support.documents import ROOT, Block, blocks

PAGE = ROOT / "docs" / "reference" / "api.md"
SCRIPTS = [block for block in blocks(PAGE) if block.language == "python"]


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_a_script_runs(script: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path" / "to" / "project").mkdir(parents=True)
    (tmp_path / "path" / "to" / "project" / "pylock.toml").write_text(LOCK)
    monkeypatch.chdir(tmp_path)
    exec(compile(script.text, str(script), "exec"), {})  # noqa: S102 - the page's own text


@pytest.mark.parametrize("name", re.findall(r"^\.\. auto\w+:: (\S+)$", PAGE.read_text(), re.MULTILINE))
def test_a_name_that_the_page_documents_is_there(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert getattr(importlib.import_module(module), attribute).__doc__
