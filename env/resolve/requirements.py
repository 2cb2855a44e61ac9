"""The universal requirements files: every hash of every version, for whichever Python 3.11-3.14 a host has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from env.index.uv import Preferences, compile_requirements
from env.spec import Tree, group_requirements

FLOOR = "3.11"
_HEADER = (
    "# Made by `./noxw -s lock`; do not edit. Universal: Python {floor} and later, with the hashes of every wheel.\n"
)


@dataclass(frozen=True)
class RequirementsFile:
    """One file of hash-locked requirements."""

    name: str
    groups: tuple[str, ...]
    """Dependency groups of pyproject.toml."""
    constraints: str | None = None
    """Another of these files that it must be installable together with."""


LAB = RequirementsFile("lab.txt", ("jupyter", "services", "overlay"))
TOOLS = RequirementsFile("tools.txt", ("tools", "tests", "lint"), constraints="lab.txt")
CONDA_LOCK_TOOL = RequirementsFile("conda-lock.txt", ("conda-lock",))
DOCS = RequirementsFile("docs.txt", ("docs",), constraints="tools.txt")
NOXW = RequirementsFile("noxw.txt", ("noxw",), constraints="tools.txt")
FILES = (LAB, TOOLS, DOCS, NOXW, CONDA_LOCK_TOOL)


def compile_file(file: RequirementsFile, work: Path, preferences: Preferences, tree: Tree) -> Path:
    """Resolve one file into the folder `work`, preferring the versions of the committed one; give its path.

    What it is constrained by is taken from `work` if it is there, from the committed locks otherwise.
    """
    output = work / file.name
    if (tree.locks / file.name).is_file():
        output.write_bytes(tree.content(tree.locks / file.name))
    options = ["--universal", "--python-version", FLOOR, "--generate-hashes", "--no-emit-index-url"]
    if file.constraints:
        options += ["--constraints", str(newest(file.constraints, work, tree))]
    compile_requirements(group_requirements(tree, *file.groups), output, [*options, *preferences.options])
    output.write_text(_HEADER.format(floor=FLOOR) + _without_comments(output), encoding="utf-8")
    return output


def newest(name: str, work: Path, tree: Tree) -> Path:
    """Return the file just made in `work`, or else the committed one."""
    return work / name if (work / name).is_file() else tree.locks / name


def pins(text: str) -> dict[str, str]:
    """Return ``name -> version [; marker]`` of a requirements file's text, without hashes."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, separator, rest = line.partition("==")
        if separator and line[0].isalnum():
            found.setdefault(name.strip(), []).append(rest.removesuffix("\\").strip())
    return {name: " | ".join(versions) for name, versions in found.items()}


def hashes(text: str) -> dict[tuple[str, str], frozenset[str]]:
    """Return the sha256 digests in a requirements file's text, by name and version."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    key = ("", "")
    for line in text.splitlines():
        name, separator, rest = line.partition("==")
        if separator and line[0].isalnum():
            key = (name.strip(), rest.partition(" ")[0])
        elif "--hash=sha256:" in line:
            digest = line.partition("--hash=sha256:")[2].partition(" ")[0]
            found[key] = found.get(key, frozenset()) | {digest}
    return found


def _without_comments(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith("#"))
