"""The pipeline of the page on GitLab CI is one, by GitLab's own schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.documents import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "build-in-gitlab-ci.md"


def test_the_pipeline_fits_gitlabs_schema(tmp_path: Path) -> None:
    (pipeline,) = (block.text for block in blocks(PAGE) if block.language == "yaml")
    (tmp_path / ".gitlab-ci.yml").write_text(pipeline)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
