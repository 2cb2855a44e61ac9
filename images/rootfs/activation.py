"""What activating a conda environment would set, read as data: the image says it in its Env, and no shell needs to.

``etc/conda/env_vars.d/*.json`` are variables; ``etc/conda/activate.d/*.sh`` are scripts, of which this reads those that
only set variables: assignments, ``export``, and ``if`` over variables and files. Package scripts are never run on the
machine that builds; a script that does more is named, so that its variables can be written into a part's ``[config]``.

Two packages of pixi.lock need it, as their recipes on conda-forge have it: libglib assigns GSETTINGS_SCHEMA_DIR and
GIO_MODULE_DIR, and libxml2 XML_CATALOG_FILES, in an ``if`` with bash's ``+=`` and ``${NAME// /%20}``. libarrow's script
makes links for gdb, and is named. Of recipes' own locks, GDAL and PROJ have an ``if`` over files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from env.formats.lock import LockedFile
from env.intake.conda_depends import Unmet
from env.store.store import Store
from images.cache import Cache, key_of, program_digest
from images.rootfs.conda_prefix import distributions, lacking
from images.rootfs.wheels import PREFIX

_ASSIGN = re.compile(r"(?P<export>export\s+)?(?P<name>[A-Za-z_]\w*)(?P<more>\+?)=(?P<value>.*)")
_EXPORT = re.compile(r"export(?P<names>(?:\s+[A-Za-z_]\w*)+)")
_IF = re.compile(
    r"(?:el)?if\s+(?:\[\[?|test)\s+(?P<not>!\s+)?-(?P<test>[nzdfe])\s+(?P<value>.*?)(?:\s+\]\]?)?\s*;?\s*(?:then)?"
)
_VARIABLE = re.compile(
    r"\$(?:(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)"
    r"(?:(?P<colon>:?)-(?P<default>[^${}]*)|//(?P<old>[ \w.:-]+)/(?P<new>[ \w.:%-]*))?\})"
)
_SHELL = set("`;|&<>()*?\\")


@dataclass(frozen=True)
class Activation:
    """The variables that activation sets, and the scripts that could not be read."""

    variables: Mapping[str, str]
    unread: tuple[str, ...] = ()
    """Paths in the image."""
    links: tuple[str, ...] = ()
    """Packages with a script that conda would run once they are linked, and that does more than say something."""
    kernels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The Jupyter kernels that its packages bring: what each ``kernel.json`` says, by the kernel's name."""
    lacking: tuple[Unmet, ...] = ()
    """What its packages depend on, as they say themselves, and is not among them; of versions only the Python's."""
    distributions: Mapping[str, str] = field(default_factory=dict)
    """The Python distributions that its packages bring, version by normalised name."""


class _NotDataError(Exception):
    pass


def read_activation(prefix: Path, final: str = PREFIX) -> Activation:
    """Read what activation of an environment staged at `prefix` sets once it is at its `final` place."""
    script = _Script(prefix, {"CONDA_PREFIX": final}, {"CONDA_PREFIX"}, final)
    for path in sorted(prefix.glob("etc/conda/env_vars.d/*.json")):
        script.variables |= {str(name): str(value) for name, value in json.loads(path.read_bytes()).items()}
    script.exported |= script.variables.keys()
    unread = []
    for path in sorted(prefix.glob("etc/conda/activate.d/*.sh")):
        trial = _Script(prefix, dict(script.variables), set(script.exported))
        try:
            trial.run(path.read_text(encoding="utf-8"))
        except (_NotDataError, UnicodeDecodeError):
            unread.append(f"{final}/{path.relative_to(prefix).as_posix()}")
        else:
            script = trial
    kept = {name: value for name, value in script.variables.items() if value and name in script.exported}
    links = tuple(sorted(_link_scripts(prefix)))
    return Activation(kept, tuple(unread), links, _kernels(prefix), lacking(prefix), distributions(prefix))


def read_script(path: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Read which variables a script of a project's own exports anew when it is sourced after these are set.

    Raises:
        ValueError: it does more than set variables, or asks for files; OSError: it can't be read.

    """
    given = {"CONDA_PREFIX": PREFIX, **variables}
    script = _Script(Path("/nonexistent"), dict(given), set(variables), given["CONDA_PREFIX"])
    try:
        script.run(path.read_text(encoding="utf-8"))
    except (_NotDataError, UnicodeDecodeError):
        raise ValueError("does more than set variables") from None
    found = script.variables.items()
    return {name: value for name, value in found if name in script.exported and given.get(name) != value}


def expanded(value: str, variables: Mapping[str, str]) -> str:
    """Return a value of a manifest's [activation.env] as a shell would export it: with other variables filled in.

    Raises:
        ValueError: it holds a variable that has no value in the image, or asks a shell for more.

    """
    lacking = [found[0] for found in _VARIABLE.finditer(value) if (found["bare"] or found["name"]) not in variables]
    if lacking:
        raise ValueError(f"holds {lacking[0]}, which has no value in the image")
    filled = _VARIABLE.sub(lambda found: variables[found["bare"] or found["name"]], value)
    if "$(" in value or "`" in value:
        raise ValueError("runs a command")
    return filled


def _kernels(prefix: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(prefix.glob("share/jupyter/kernels/*/kernel.json")):
        with suppress(ValueError, OSError):
            said = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(said, dict):
                found[path.parent.name] = said
    return found


def _link_scripts(prefix: Path) -> Iterator[str]:
    for path in sorted((*prefix.glob("bin/.*-post-link.sh"), *prefix.glob("bin/.*-pre-link.sh"))):
        if not _only_says(path.read_text(encoding="utf-8", errors="replace")):
            yield path.name.removeprefix(".").removesuffix("-post-link.sh").removesuffix("-pre-link.sh")


def _only_says(text: str) -> bool:
    """Say whether a script only prints, also into conda's file of messages: then the image lacks nothing of it."""
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        said = re.sub(r"""\s*>>?\s*["']?\$\{?PREFIX\}?["']?/\.messages\.txt["']?""", "", bare)
        said = re.sub(r"\s*2?>&?[12]?\s*(?:/dev/(?:null|stderr))?$", "", said)
        if not re.fullmatch(r"(?:echo|printf|true|:|exit 0|set [-+]\w+)(?:\s.*)?", said) or _runs(said):
            return False
    return True


def _runs(line: str) -> bool:
    """Say whether a line runs something besides its first word, outside of single quotes."""
    return re.search(r"[`;|&<>]|\$\(", re.sub(r"'[^']*'", "", line)) is not None


def known_activation(packages: Iterable[LockedFile], store: Store, final: str = PREFIX) -> Activation | None:
    """Return what was read of these packages before, or None."""
    known = Cache(store).get("activation", _key(packages, final))
    if known is None:
        return None
    lacks = tuple(Unmet(name, text) for name, text in known["lacking"])
    unread, links = tuple(known["unread"]), tuple(known["links"])
    return Activation(known["variables"], unread, links, known["kernels"], lacks, known["distributions"])


def keep_activation(packages: Iterable[LockedFile], prefix: Path, store: Store, final: str = PREFIX) -> Activation:
    """Read the activation of packages that are staged at `prefix`, and keep it for the next build."""
    activation = read_activation(prefix, final)
    record = {
        "variables": dict(activation.variables),
        "unread": list(activation.unread),
        "links": list(activation.links),
        "kernels": dict(activation.kernels),
        "lacking": [[one.name, one.text] for one in activation.lacking],
        "distributions": dict(activation.distributions),
    }
    Cache(store).put("activation", _key(packages, final), record)
    return activation


def _key(packages: Iterable[LockedFile], final: str) -> str:
    program = program_digest(__name__)
    return key_of(program, final, sorted(file.sha256 for file in packages))


@dataclass
class _Script:
    """The part of sh that only sets variables (POSIX XCU 2.6.2, 2.9.4), and two of bash's words for the same."""

    prefix: Path
    variables: dict[str, str]
    exported: set[str]
    """What programs see; the others are the scripts' own."""
    final: str = PREFIX
    _branches: list[list[bool]] = field(default_factory=list)
    """Of each open ``if``: whether this branch is taken, and whether one was taken before."""

    def run(self, text: str) -> None:
        for line in text.splitlines():
            bare = line.strip()
            if bare and not bare.startswith("#"):
                self._line(bare)
        if self._branches:
            raise _NotDataError

    def _line(self, line: str) -> None:
        if line == "then":
            return
        if found := _IF.fullmatch(line):
            self._condition(line, found)
        elif line in ("else", "fi") and self._branches:
            taken, before = self._branches.pop()
            if line == "else":
                self._branches.append([not (taken or before), True])
        elif found := _ASSIGN.fullmatch(line):
            value = self._value(found["value"])
            if all(taken for taken, _ in self._branches):
                start = self.variables.get(found["name"], "") if found["more"] else ""
                self.variables[found["name"]] = start + value
                self.exported |= {found["name"]} if found["export"] else set()
        elif found := _EXPORT.fullmatch(line):
            if all(taken for taken, _ in self._branches):
                self.exported.update(found["names"].split())
        else:
            raise _NotDataError

    def _condition(self, line: str, found: re.Match[str]) -> None:
        holds = self._holds(found["test"], self._value(found["value"])) is not bool(found["not"])
        if line.startswith("el"):
            if not self._branches:
                raise _NotDataError
            taken, before = self._branches.pop()
            self._branches.append([holds and not (taken or before), taken or before])
        else:
            self._branches.append([holds, False])

    def _holds(self, test: str, value: str) -> bool:
        match test:
            case "n":
                return bool(value)
            case "z":
                return not value
        if not f"{value}/".startswith(f"{self.final}/"):
            raise _NotDataError
        path = self.prefix / value.removeprefix(self.final).lstrip("/")
        return path.is_dir() if test == "d" else path.exists()

    def _value(self, text: str) -> str:
        if text[:1] == "'" and text[-1:] == "'" and text.count("'") == 2:  # noqa: PLR2004 - one pair
            return text[1:-1]
        quoted = len(text) > 1 and text[0] == text[-1] == '"'
        inner = text[1:-1] if quoted else text
        expanded = _VARIABLE.sub(self._expand, inner)
        rest = _VARIABLE.sub("", inner)
        if set(rest) & (_SHELL | set("\"'$")) or (not quoted and set(rest) & set(" \t~")):
            raise _NotDataError
        return expanded

    def _expand(self, found: re.Match[str]) -> str:
        value = self.variables.get(found["bare"] or found["name"])
        if found["old"]:
            return (value or "").replace(found["old"], found["new"])
        # With a colon the default also stands in for an empty value (POSIX XCU 2.6.2).
        lacking = value is None or (found["colon"] == ":" and not value)
        return (found["default"] if lacking else value) or ""
