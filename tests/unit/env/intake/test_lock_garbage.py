"""Whatever a manifest or a lock of somebody else's holds: it is taken, or it ends with one line; never a traceback."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.errors import EnvError
from env.intake.found import passed_over, take
from env.platforms import AMD64
from env.spec import Tree
from tests.support.pixi_files import MANIFEST, conda, lock, pypi

PIXI = (
    MANIFEST
    + """
[dependencies]
python = "3.11.*"
[pypi-dependencies]
flask = { version = ">=3", extras = ["x"] }
[system-requirements]
libc = "2.28"
[feature.x]
platforms = ["linux-64"]
[feature.x.activation]
scripts = ["a.sh"]
env = { A = "1" }
[target.unix.dependencies]
numpy = { version = "1.26.*", build = "0" }
[environments]
x = { features = ["x"], solve-group = "default" }
"""
)
WHEEL = "https://files.index.invalid/flask-3.0.0-py3-none-any.whl"
LOCKED = lock(
    conda("python", "3.11.9", depends=["__glibc >=2.17"]),
    conda("numpy", "1.26.4"),
    pypi("flask", "3.0.0", WHEEL, requires=["numpy>=1"]),
    environments=["default", "x"],
)
PYLOCK = """lock-version = "1.0"
requires-python = ">=3.12"
default-groups = ["main"]
[[packages]]
name = "flask"
version = "3.0"
marker = "python_version >= '3'"
requires-python = ">=3.8"
wheels = [{ url = "https://x.invalid/flask-3.0-py3-none-any.whl", size = 1, hashes = { sha256 = "AAAA" } }]
[[packages]]
name = "mine"
directory = { path = ".", editable = true }
[[packages]]
name = "direct"
archive = { url = "https://x.invalid/direct-1.0-py3-none-any.whl", hashes = { sha256 = "BBBB" } }
""".replace("AAAA", "a" * 64).replace("BBBB", "b" * 64)
PROJECT = """[project]
name = "mine"
version = "1"
dependencies = ["flask>=3; python_version >= '3'"]
dynamic = []
[project.optional-dependencies]
x = ["direct"]
[build-system]
requires = []
"""
CONDA_LOCK = """version: 1
metadata: {content_hash: {}, channels: [], platforms: [linux-64], sources: []}
package:
- name: python
  version: '3.11.9'
  manager: conda
  platform: linux-64
  dependencies: {__glibc: '>=2.17'}
  url: https://c.invalid/f/linux-64/python-3.11.9-0.conda
  hash: {sha256: AAAA}
  category: main
- {name: flask, version: '3.0', manager: pip, platform: linux-64, dependencies: {}, category: x,
   url: 'https://x.invalid/flask-3.0-py3-none-any.whl', hash: {sha256: BBBB}}
""".replace("AAAA", "a" * 64).replace("BBBB", "b" * 64)
PROJECTS: dict[str, dict[str, str]] = {
    "pixi": {"pixi.toml": PIXI, "pixi.lock": LOCKED},
    "pylock": {"pyproject.toml": PROJECT, "pylock.toml": PYLOCK},
    "requirements": {
        "requirements.txt": "-r more.txt\nflask>=3 ; python_version >= '3'\n-e .[x]\n--require-hashes\n",
        "more.txt": f"direct==1.0 --hash=sha256:{'b' * 64}\n",
        "pylock.toml": PYLOCK,
        "pyproject.toml": PROJECT,
    },
    "conda-lock": {
        "conda-lock.yml": CONDA_LOCK,
        "environment.yml": "dependencies:\n- python=3.11\n- pip: [flask; sys_platform == 'win32']\n",
    },
    "explicit": {"spec.txt": f"# platform: linux-64\n@EXPLICIT\nhttps://c.invalid/f/linux-64/a-1-0.conda#{'a' * 64}\n"},
}
ODD = [
    "",
    "\0",
    "[",
    "]",
    "{}",
    "null",
    "~",
    "- 1",
    "'",
    '"',
    "1e999",
    "\N{BOM}",
    "../..",
    "é",
    "🐍",
    "\ud800",
    "-1",
    "9" * 400,
]


def read_all(folder: Path) -> None:
    """Read all that a build reads of a project."""
    tree = Tree().beside(folder)
    found = take(tree)
    if found is None:
        return
    for environment in ("", "x") if found.part else ("",):
        one = take(tree, environment=environment) or found
        list(one.described())
        one.platforms()
        one.locks(AMD64)
        one.builds_project(AMD64)
        one.variables(AMD64)
        one.scripts(AMD64)
        one.requires(AMD64)
        one.provided(AMD64)
    passed_over(tree, found)


def ends_well(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        for name, content in files.items():
            (Path(place) / name).write_bytes(content)
        told = ""
        try:
            read_all(Path(place))
        except EnvError as error:
            told = str(error)
    assert len(told.splitlines()) < 2
    # Advice about this project's own locks would do harm.
    assert "./noxw -s lock -- conda" not in told
    assert "./noxw -s lock`" not in told


def encoded(files: dict[str, str]) -> dict[str, bytes]:
    return {name: text.encode("utf-8", "surrogatepass") for name, text in files.items()}


@pytest.mark.parametrize("kind", PROJECTS)
def test_the_files_as_they_are_are_taken(kind: str, tmp_path: Path) -> None:
    for name, text in PROJECTS[kind].items():
        (tmp_path / name).write_text(text)
    read_all(tmp_path)


Edit = Callable[[str, st.DataObject], str]


def without_a_line(text: str, data: st.DataObject) -> str:
    lines = text.splitlines(keepends=True)
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    return "".join(lines)


def with_an_odd_value(text: str, data: st.DataObject) -> str:
    lines = text.splitlines(keepends=True)
    number = data.draw(st.integers(0, len(lines) - 1))
    head, mark, _ = lines[number].partition(data.draw(st.sampled_from([" = ", ": ", "- ", "=="])))
    lines[number] = f"{head}{mark}{data.draw(st.sampled_from(ODD) | st.text(max_size=8))}\n"
    return "".join(lines)


def with_a_line_twice(text: str, data: st.DataObject) -> str:
    lines = text.splitlines(keepends=True)
    number = data.draw(st.integers(0, len(lines) - 1))
    return "".join([*lines[: number + 1], *lines[number:]])


def with_a_piece_of_another(text: str, data: st.DataObject) -> str:
    start = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.sampled_from([PYLOCK, PIXI, LOCKED, CONDA_LOCK, PROJECT]))
    return text[:start] + piece[data.draw(st.integers(0, len(piece))) :]


def with_another_letter(text: str, data: st.DataObject) -> str:
    number = data.draw(st.integers(0, len(text) - 1))
    return text[:number] + data.draw(st.sampled_from("0[]{}\"'=:- \n\0,x")) + text[number + 1 :]


EDITS: list[Edit] = [
    without_a_line,
    with_an_odd_value,
    with_a_line_twice,
    with_a_piece_of_another,
    with_another_letter,
]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("kind", PROJECTS)
def test_files_with_mistakes_in_them_end_with_a_line(kind: str, data: st.DataObject) -> None:
    files = dict(PROJECTS[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(files)))
        if files[name].strip():
            files[name] = data.draw(st.sampled_from(EDITS))(files[name], data)
    ends_well(encoded(files))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=200), kind=st.sampled_from(sorted(PROJECTS)), data=st.data())
def test_files_of_any_bytes_end_with_a_line(content: bytes, kind: str, data: st.DataObject) -> None:
    files = encoded(PROJECTS[kind])
    files[data.draw(st.sampled_from(sorted(files)))] = content
    ends_well(files)
