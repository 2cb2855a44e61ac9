"""The version: pyproject.toml has it, and files that can't read it there repeat it; here they are held together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from env.errors import SpecError
from env.files import write_atomically
from env.spec import PYPROJECT, Tree, project_version
from release.errors import VersionFormError, VersionsDifferError

FORM = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
"""Of a version that PEP 440 and semver both take as it is."""
BUILT = "jupyter_mcp/labextension/package.json"
"""What `./noxw -s labextension` makes of labextension/package.json."""
CHANGELOG = "CHANGELOG.md"
CONDA_RECIPE = "recipe/recipe.yaml"
UNRELEASED = "Unreleased"
_TAG = re.compile(r"v\d")


def _own(data: Any) -> Iterator[Any]:
    yield data


def _npm_lock(data: Any) -> Iterator[Any]:
    yield data
    yield data["packages"][""]


def _server(data: Any) -> Iterator[Any]:
    yield data
    yield from data["packages"]


_JSON: dict[str, Callable[[Any], Iterator[Any]]] = {
    "labextension/package.json": _own,
    "labextension/package-lock.json": _npm_lock,
    "server.json": _server,
}
"""By file: the objects in it that have a "version"; it is written as npm writes JSON."""


def stated(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each place that repeats the version, with what it says.

    Raises:
        SpecError: a file is not there, or can't be read as what it is.

    """
    for name, objects in {**_JSON, BUILT: _own}.items():
        for number, one in enumerate(_objects(root, name, objects)):
            yield f"{name}{'' if number == 0 else f' ({number + 1}.)'}", str(one.get("version"))
    yield CONDA_RECIPE, str(_conda_context(root).get("version"))


def agreed(root: Path, tags: Sequence[str] = ()) -> str:
    """Return the version that every place states, and one of the commit's tags if any of them is a version's.

    Raises:
        VersionsDifferError: they differ.
        VersionFormError: it is not X.Y.Z.
        SpecError: a place can't be read.

    """
    version = project_version(Tree(root))
    if not FORM.fullmatch(version):
        raise VersionFormError(version)
    others = {place: found for place, found in stated(root) if found != version}
    of_versions = [tag for tag in tags if _TAG.match(tag)]
    if of_versions and f"v{version}" not in of_versions:
        others[f"the tag {of_versions[0]}"] = of_versions[0].removeprefix("v")
    if others:
        raise VersionsDifferError(version, others)
    return version


def set_version(root: Path, version: str, today: date) -> list[str]:
    """Write the version to every place; what is under Unreleased in the changelog becomes its section.

    The built labextension is left: only a build can change it. Return the files that were changed.

    Raises:
        VersionFormError: it is not X.Y.Z.
        SpecError: a place can't be read; nothing was written.

    """
    if not FORM.fullmatch(version):
        raise VersionFormError(version)
    changed = {PYPROJECT: _in_pyproject(root, version), CONDA_RECIPE: _in_recipe(root, version)}
    for name, objects in _JSON.items():
        data = _json(root, name)
        for one in objects(data):
            one["version"] = version
        changed[name] = f"{json.dumps(data, indent=2, ensure_ascii=False)}\n"
    changed[CHANGELOG] = _in_changelog(_text(root, CHANGELOG), version, today)
    written = [name for name, text in changed.items() if text != _text(root, name)]
    for name in written:
        write_atomically(root / name, changed[name].encode())
    return written


def _objects(root: Path, name: str, objects: Callable[[Any], Iterator[Any]]) -> list[dict[str, Any]]:
    try:
        found = list(objects(_json(root, name)))
    except (LookupError, TypeError) as error:
        raise SpecError(root / name, f"states no version where one is expected: {error!r}") from None
    if not all(isinstance(one, dict) for one in found):
        raise SpecError(root / name, "states no version where one is expected")
    return found


def _json(root: Path, name: str) -> Any:
    try:
        return json.loads(_text(root, name))
    except ValueError as error:
        raise SpecError(root / name, str(error)) from None


def _text(root: Path, name: str) -> str:
    try:
        return (root / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(root / name, str(error)) from None


def _conda_context(root: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(_text(root, CONDA_RECIPE))
    except yaml.YAMLError as error:
        raise SpecError(root / CONDA_RECIPE, str(error)) from None
    context = read.get("context") if isinstance(read, dict) else None
    return context if isinstance(context, dict) else {}


def _in_pyproject(root: Path, version: str) -> str:
    # As text, so that comments stay. The first such line is [project]'s: no table before it has one.
    text, count = re.subn(r'(?m)^version = "[^"]*"$', f'version = "{version}"', _text(root, PYPROJECT), count=1)
    if not count:
        raise SpecError(root / PYPROJECT, 'has no line `version = "…"`')
    return text


def _in_recipe(root: Path, version: str) -> str:
    text, count = re.subn(r'(?m)^(  version: )"[^"]*"$', rf'\g<1>"{version}"', _text(root, CONDA_RECIPE), count=1)
    if not count:
        raise SpecError(root / CONDA_RECIPE, 'has no line `version: "…"` in its context')
    return text


def _in_changelog(text: str, version: str, today: date) -> str:
    if re.search(rf"(?m)^## \[?{re.escape(version)}\]?(\s|$)", text):
        return text
    heading = f"## {UNRELEASED}"
    return re.sub(rf"(?m)^{heading}$", f"{heading}\n\n## {version} - {today:%F}", text, count=1)
