"""requirements.txt, in pip's format: what a project of one's own asks for, and nothing of where it comes from."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from env.errors import SpecError
from env.intake.python_project import PYPROJECT, python_project
from env.intake.reading import text_of
from env.spec import DISTRIBUTION, FORMER_NAME, FORMER_NAME_REFUSED, Tree, project_version, source_requirements

REQUIREMENTS = "requirements.txt"
_HASH = re.compile(r"--hash[= ]sha256:([0-9a-f]{64})(?=\s|$)")
_OTHER_HASH = re.compile(r"--hash[= ](\S*)")
_DEEPEST = 16
"""How many files may include one another."""
_INDEX = "an index is set for uv, UV_DEFAULT_INDEX or uv.toml, so that the file names no place: remove it"
_BUILT = "nothing is compiled here, every package is a wheel: remove it"
_REFUSED = {
    "-i": _INDEX,
    "--index-url": _INDEX,
    "--extra-index-url": "more indexes are set for uv, UV_INDEX or uv.toml: remove it",
    "--no-index": "what is offered is set for uv, UV_NO_INDEX and UV_FIND_LINKS: remove it",
    "-f": "a folder or page of wheels is set for uv, UV_FIND_LINKS: remove it",
    "--find-links": "a folder or page of wheels is set for uv, UV_FIND_LINKS: remove it",
    "--trusted-host": "a host without a certificate is set for uv, UV_INSECURE_HOST: remove it",
    "--pre": "ask for a pre-release where it is meant, e.g. `name>=1.0a1`: remove it",
    "--no-binary": _BUILT,
    "--no-build-isolation": _BUILT,
    "--config-settings": _BUILT,
    "--global-option": _BUILT,
    "--install-option": _BUILT,
    "--use-feature": "pip's own settings mean nothing here: remove it",
}
_WITHOUT_EFFECT = {"--only-binary", "--prefer-binary", "--require-hashes", "--no-deps"}
"""What is so here anyway: only wheels, and just those that are locked, each by its hash."""


@dataclass(frozen=True)
class Asked:
    """One requirement."""

    requirement: Requirement
    hashes: frozenset[str] = frozenset()
    """sha256 of the files that may answer it; empty where any may."""

    @property
    def name(self) -> str:
        """The normalised name (PEP 503)."""
        return canonicalize_name(self.requirement.name)


@dataclass(frozen=True)
class Requirements:
    """All that a requirements.txt says, with what it includes."""

    asked: tuple[Asked, ...]
    constraints: tuple[str, ...] = ()
    """Versions for what is needed besides (``-c``)."""
    own: bool = False
    """Whether the project of the folder goes in (``-e .``)."""


@dataclass
class _Found:
    asked: list[Asked] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    own: bool = False


def read_requirements(tree: Tree) -> tuple[Asked, ...]:
    """Return what a folder's requirements.txt asks for; the errors are those of `requirements_of`."""
    return requirements_of(tree).asked


def requirements_of(tree: Tree) -> Requirements:
    """Read requirements.txt; this project's own name stands for what it requires, ``-e .`` for what the folder's does.

    Raises:
        SpecError: it is not there, or a line is no requirement on a package of an index, or asks for the extension by
            a name or a version that is not this project's.

    """
    return tree.once(REQUIREMENTS, lambda: _requirements(tree))


def requirements_digest(tree: Tree) -> str:
    """Return the sha256 of what a folder's requirements.txt asks for, in canonical form."""
    lines = sorted([str(one.requirement), *sorted(one.hashes)] for one in read_requirements(tree))
    return hashlib.sha256(json.dumps(lines, separators=(",", ":")).encode()).hexdigest()


def _requirements(tree: Tree) -> Requirements:
    path = tree.root / REQUIREMENTS
    found = _Found()
    _read(path, tree, found, (path,))
    own = [one for one in found.asked if one.name == DISTRIBUTION]
    for one in own:
        version = project_version(tree.project)
        if not one.requirement.specifier.contains(version, prereleases=True):
            raise SpecError(path, f"asks for `{one.requirement}`, and this checkout is {version}")
    needed = [Asked(Requirement(line)) for line in source_requirements("overlay", tree.project)] if own else []
    asked = tuple([one for one in found.asked if one not in own] + needed)
    if not asked and not found.own:
        raise SpecError(path, "asks for nothing: write a requirement a line, e.g. `jupyterlab`")
    return Requirements(asked, tuple(found.constraints), found.own)


def _read(path: Path, tree: Tree, found: _Found, within: tuple[Path, ...], *, constraints: bool = False) -> None:
    for number, line in _logical_lines(text_of(path)):
        where = f"{path}:{number}"
        if line.startswith("-"):
            _option(line, where, path, tree, found, within, constraints=constraints)
        elif constraints:
            found.constraints.append(str(_asked(where, line).requirement))
        elif _names_folder(line):
            _own(line, where, path, tree, found)
        else:
            found.asked.append(_asked(where, line))


def _option(
    line: str, where: str, path: Path, tree: Tree, found: _Found, within: tuple[Path, ...], *, constraints: bool
) -> None:
    option, value = _divided(line)
    if option in ("-r", "--requirement", "-c", "--constraint"):
        other = (path.parent / value).resolve()
        if "://" in value or not other.is_file():
            raise SpecError(where, f"`{line}`: there is no such file beside it")
        if other in within or len(within) > _DEEPEST:
            raise SpecError(where, f"`{line}`: it includes itself")
        _read(other, tree, found, (*within, other), constraints=constraints or option in ("-c", "--constraint"))
    elif option in ("-e", "--editable"):
        _own(value, where, path, tree, found)
    elif option in _REFUSED:
        raise SpecError(where, f"`{option}` is not taken: {_REFUSED[option]}")
    elif option not in _WITHOUT_EFFECT:
        raise SpecError(where, f"`{option}` is no option that is known here: remove it")


def _divided(line: str) -> tuple[str, str]:
    """Return an option and its value: ``--name value``, ``--name=value``, ``-nvalue``."""
    if not line.startswith("--"):
        return line[:2], _unquoted(line[2:].lstrip("= "))
    option, _, value = line.replace("=", " ", 1).partition(" ")
    return option, _unquoted(value)


def _unquoted(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError:
        return value.strip()
    return words[0] if words else ""


def _names_folder(line: str) -> bool:
    return line in (".", "./") or line.startswith((".[", "./", "../", "/", "file:"))


def _own(value: str, where: str, path: Path, tree: Tree, found: _Found) -> None:
    folder, _, extras = value.partition("[")
    if (path.parent / (folder.strip() or ".")).resolve() != tree.root.resolve():
        way_out = "make a wheel of it, and give that an index (UV_FIND_LINKS)"
        raise SpecError(where, f"`{value}` is not the project of this folder, which alone is built here: {way_out}")
    project = python_project(tree)
    if project is None:
        raise SpecError(where, f"`{value}` is the project of this folder, which has no {PYPROJECT} with a [project]")
    names = [extra.strip() for extra in extras.rstrip("] ").split(",") if extra.strip()]
    found.own = True
    found.asked += [Asked(requirement) for requirement in project.requires(names)]


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    joined, first = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        joined += re.sub(r"(^|\s)#.*$", "", line)
        if joined.endswith("\\"):
            joined = f"{joined[:-1]} "
            continue
        if joined.strip():
            yield first, joined.strip()
        joined, first = "", number + 1
    if joined.strip():
        yield first, joined.strip()


def _asked(where: str, line: str) -> Asked:
    hashes = frozenset(_HASH.findall(line))
    bare = _HASH.sub("", line).strip()
    if other := _OTHER_HASH.search(bare):
        kind = other[1].partition(":")[0] or "none"
        raise SpecError(where, f"a hash is a sha256 of 64 digits here, and this is {kind}: `pip hash FILE` prints it")
    if option := re.search(r"\s(--?[\w-]+)", bare):
        raise SpecError(where, f"`{option[1]}` is not taken: {_REFUSED.get(option[1], 'remove it')}")
    if "${" in bare:
        raise SpecError(where, "holds a variable, which would be another on each machine: write its value")
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        raise SpecError(where, f"is no requirement: {' '.join(str(error).split())}") from None
    if canonicalize_name(requirement.name) == FORMER_NAME:
        raise SpecError(where, FORMER_NAME_REFUSED)
    if requirement.url is not None:
        raise SpecError(where, f"asks for {requirement.name} at an address: only an index is asked")
    return Asked(requirement, hashes)
