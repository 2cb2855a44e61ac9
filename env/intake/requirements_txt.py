"""requirements.txt, in pip's format: what a project of one's own asks for, and nothing of where it comes from."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from env.errors import SpecError
from env.intake.python_project import PYPROJECT, names_of, own_last, python_project
from env.intake.reading import text_of
from env.spec import DISTRIBUTION, FORMER_NAME, FORMER_NAME_REFUSED, Tree, project_version, source_requirements

REQUIREMENTS = "requirements.txt"
_HASH = re.compile(r"--hash[= ]sha256:([0-9a-f]{64})(?=\s|$)")
_FRAGMENT = re.compile(r"(?<=\.whl)#sha256=([0-9a-f]{64})(?=[\s;]|$)")
_OTHER_HASH = re.compile(r"\s--hash[= ](sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})(?=\s|$)")
_BAD_HASH = re.compile(r"--hash[= ](\S*)")
_ELSEWHERE = re.compile(r"(?:git|hg|svn|bzr)\+|[a-z]+://")
_DEEPEST = 16
"""How many files may include one another."""
_INDEX = "an index is set for uv, UV_DEFAULT_INDEX or uv.toml, so that the file names no place: remove it"
_BUILT = "nothing is compiled here, every package is a wheel: remove it"
_FROM_INDEX = "only an index is asked; take a release there, or make a wheel and give it one (UV_FIND_LINKS)"
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
_PLACES = {"-i", "--index-url", "--extra-index-url", "--no-index", "-f", "--find-links", "--trusted-host"}
"""Where packages are looked for: a file whose hashes say which they are does without, the user's own indexes count."""
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
    folders: tuple[Path, ...] = ()
    """The folders of projects that go in (``-e .``)."""
    places: tuple[str, ...] = ()
    """The options that say where packages are, and are not followed."""


@dataclass
class _Found:
    asked: list[Asked] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    required: list[Asked] = field(default_factory=list)
    """What projects in folders require."""
    places: dict[str, str] = field(default_factory=dict)
    """Options that say where packages are, by the line that they are in."""


def read_requirements(tree: Tree, name: str = REQUIREMENTS) -> tuple[Asked, ...]:
    """Return what a folder's requirements.txt asks for; the errors are those of `requirements_of`."""
    return requirements_of(tree, name).asked


def requirements_of(tree: Tree, name: str = REQUIREMENTS) -> Requirements:
    """Read requirements.txt; this project's own name stands for what it requires, ``-e .`` for what the folder's does.

    In a file that is locked by hashes, what the folder's project requires must be among its lines.

    Raises:
        SpecError: it is not there, or a line is no requirement on a package of an index, or asks for the extension by
            a name or a version that is not this project's.

    """
    return tree.once(("requirements", name), lambda: _requirements(tree, tree.root / name))


def requirements_digest(tree: Tree) -> str:
    """Return the sha256 of what a folder's requirements.txt asks for, in canonical form."""
    lines = sorted([str(one.requirement), *sorted(one.hashes)] for one in read_requirements(tree))
    return hashlib.sha256(json.dumps(lines, separators=(",", ":")).encode()).hexdigest()


def _requirements(tree: Tree, path: Path) -> Requirements:
    found = _Found()
    _read(path, tree, found, (path,))
    hashed = bool(found.asked) and all(one.hashes for one in found.asked)
    if not hashed:
        for where, option in found.places.items():
            raise SpecError(where, f"`{option}` is not taken: {_REFUSED[option]}")
    listed = {one.name for one in found.asked} if hashed else set()
    listed |= names_of(found.folders, tree)
    found.asked += [one for one in found.required if one.name not in listed]
    own = [one for one in found.asked if one.name == DISTRIBUTION]
    for one in own:
        version = project_version(tree.project)
        if not one.requirement.specifier.contains(version, prereleases=True):
            raise SpecError(path, f"asks for `{one.requirement}`, and this checkout is {version}")
    needed = [Asked(Requirement(line)) for line in source_requirements("overlay", tree.project)] if own else []
    asked = tuple([one for one in found.asked if one not in own] + needed)
    if not asked and not found.folders:
        raise SpecError(path, "asks for nothing: write a requirement a line, e.g. `jupyterlab`")
    places = tuple(dict.fromkeys(found.places.values()))
    return Requirements(asked, tuple(found.constraints), own_last(found.folders, tree.root), places)


def _read(path: Path, tree: Tree, found: _Found, within: tuple[Path, ...], *, constraints: bool = False) -> None:
    for number, line in _logical_lines(text_of(path)):
        where = f"{path}:{number}"
        if line.startswith("-"):
            _option(line, where, path, tree, found, within, constraints=constraints)
        elif constraints:
            found.constraints.append(str(_asked(where, line).requirement))
        elif (wheel := _wheel(line, path)) is not None:
            found.asked.append(_asked(where, wheel))
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
    elif option in _PLACES:
        found.places[where] = option
    elif option in _REFUSED and value != ":none:":
        raise SpecError(where, f"`{option}` is not taken: {_REFUSED[option]}")
    elif option not in {*_WITHOUT_EFFECT, *_REFUSED}:
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


def _names_wheel(url: str) -> bool:
    return url.startswith(("https://", "http://", "file://")) and urlsplit(url).path.endswith(".whl")


def _wheel(line: str, path: Path) -> str | None:
    """Return a line that names a wheel by its address or its place alone as ``NAME @ ADDRESS``; None for another."""
    place, _, rest = line.partition(" ")
    bare = urldefrag(place)[0].removesuffix(";")
    if not re.search(r"[^/]-[^/]*\.whl$", bare) or "@" in bare.partition("://")[0]:
        return None
    url = bare if "://" in bare else (path.parent / bare.removeprefix("file:")).resolve().as_uri()
    name = unquote(urlsplit(url).path).rpartition("/")[2].partition("-")[0]
    return f"{name} @ {url}{place.removeprefix(bare)} {rest}".strip()


def _names_folder(line: str) -> bool:
    return line in (".", "./") or line.startswith((".[", "./", "../", "/", "file:"))


def _own(value: str, where: str, path: Path, tree: Tree, found: _Found) -> None:
    place, _, extras = value.removeprefix("file://").removeprefix("file:").partition("#")[0].partition("[")
    if "://" in place or place.startswith("git+"):
        way_out = "take a release that has a wheel, or make one and give it an index (UV_FIND_LINKS)"
        raise SpecError(where, f"`{value}` comes from elsewhere, and only folders of one's own are built: {way_out}")
    folder = (path.parent / (place.strip() or ".")).resolve()
    project = python_project(tree.beside(folder))
    if project is None:
        way_out = "only projects in folders are built, and wheels come from an index (UV_FIND_LINKS)"
        raise SpecError(where, f"`{value}` is no folder that has a {PYPROJECT} with a [project]: {way_out}")
    names = [extra.strip() for extra in extras.rstrip("] ").split(",") if extra.strip()]
    found.folders.append(folder)
    found.required += [Asked(requirement) for requirement in project.requires(names)]


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
    hashes = frozenset([*_HASH.findall(line), *_FRAGMENT.findall(line)])
    bare = _FRAGMENT.sub("", _HASH.sub("", line)).strip()
    others = _OTHER_HASH.findall(bare)
    # Further hashes of the same files add nothing to their sha256.
    bare = _OTHER_HASH.sub("", bare).strip()
    if others and not hashes:
        kind = others[0].partition(":")[0]
        way_out = "`pip-compile --generate-hashes` or `uv pip compile --generate-hashes` writes sha256"
        raise SpecError(where, f"has no sha256, by which files are known here, only {kind}: {way_out}")
    if other := _BAD_HASH.search(bare):
        kind = other[1].partition(":")[0] or "none"
        raise SpecError(where, f"a hash is a sha256 of 64 digits here, and this is {kind}: `pip hash FILE` prints it")
    if option := re.search(r"\s(--?[\w-]+)", bare):
        raise SpecError(where, f"`{option[1]}` is not taken: {_REFUSED.get(option[1], 'remove it')}")
    if "${" in bare:
        raise SpecError(where, "holds a variable, which would be another on each machine: write its value")
    if _ELSEWHERE.match(bare):
        raise SpecError(where, f"`{bare[:200]}` comes from a repository or an address: {_FROM_INDEX}")
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        raise SpecError(where, f"is no requirement: {' '.join(str(error).split())}") from None
    if canonicalize_name(requirement.name) == FORMER_NAME:
        raise SpecError(where, FORMER_NAME_REFUSED)
    if requirement.url is not None and not (hashes and _names_wheel(requirement.url)):
        hashed = "; a wheel there may have its hash, --hash=sha256:HEX" if _names_wheel(requirement.url) else ""
        raise SpecError(where, f"asks for {requirement.name} at an address: {_FROM_INDEX}{hashed}")
    return Asked(requirement, hashes)
