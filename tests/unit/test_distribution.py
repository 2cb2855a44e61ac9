"""The wheel as an index and an installer see it."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from env.spec import DISTRIBUTION, Tree, project_version

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return zipfile.ZipFile(built)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(name))


def test_the_distribution_has_a_name_of_its_own(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["Name"] == DISTRIBUTION == "jupyter-mcp-rooms"
    assert Path(str(wheel.filename)).name == f"jupyter_mcp_rooms-{project_version(Tree())}-py3-none-any.whl"
    assert "jupyter_mcp/__init__.py" in wheel.namelist()


def test_the_page_on_the_index_has_no_relative_link(metadata: Message) -> None:
    page = str(metadata.get_payload())
    assert "pip install jupyter-mcp-rooms" in page
    links = re.findall(r"\]\(\s*([^)\s]+)", page) + re.findall(r"^\[[^\]]+\]:\s*(\S+)", page, re.MULTILINE)
    links += re.findall(r"(?:href|src)\s*=\s*[\"']([^\"']+)", page)
    assert [link for link in links if not re.match(r"https?://|mailto:", link)] == []
