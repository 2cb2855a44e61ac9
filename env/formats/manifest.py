"""pixi.toml: what is asked of conda-forge, by environment and platform (pixi's manifest reference)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from env.errors import SpecError
from env.platforms import PLATFORMS, Platform
from env.spec import FORMER_NAME, FORMER_NAME_REFUSED, Tree

MANIFEST = "pixi.toml"
CHANNEL_ALIAS = "https://conda.anaconda.org"
DEFAULT = "default"
"""The environment that images are made of."""
_FEATURE_KEYS = {"activation", "dependencies", "target", "tasks"}
_KEYS = {*_FEATURE_KEYS, "environments", "feature", "workspace"}
_WORKSPACE_KEYS = {"authors", "channels", "description", "license", "name", "platforms", "requires-pixi", "version"}
"""What is known not to change a solution, or is read here; of the rest pixi and this program could differ."""


@dataclass(frozen=True)
class CondaEnvironment:
    """One environment of the manifest."""

    name: str
    solve_group: str
    """Environments of one group agree on the version of every package that they share."""
    specs: Mapping[str, tuple[str, ...]]
    """Match specs by conda subdir, e.g. ``{"linux-64": ("python 3.13.*", "git")}``, sorted."""


@dataclass(frozen=True)
class Manifest:
    """What pixi.toml asks for."""

    path: Path
    channels: tuple[str, ...]
    """Base addresses that end in a slash."""
    platforms: tuple[Platform, ...]
    environments: tuple[CondaEnvironment, ...]

    @property
    def digest(self) -> str:
        """sha256 of all that a solution depends on, in canonical form (sorted, compact JSON)."""
        asked = {one.name: [one.solve_group, dict(one.specs)] for one in self.environments}
        text = json.dumps([self.channels, asked], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def virtual_packages(platform: Platform) -> tuple[str, ...]:
    """Return what pixi assumes of a Linux machine where the manifest says nothing: the floor that images keep to."""
    return ("__unix=0=0", "__linux=4.18", "__glibc=2.28", f"__archspec=0={platform.machine}")


def read_manifest(tree: Tree) -> Manifest:
    """Read a tree's pixi.toml.

    Raises:
        SpecError: it is not there, is not TOML, or asks for something that can't be locked here.

    """
    return tree.once(MANIFEST, lambda: _manifest(tree.root / MANIFEST, tree.toml(MANIFEST)))


def _manifest(path: Path, data: Mapping[str, Any]) -> Manifest:
    workspace = data.get("workspace", {})
    subdirs = workspace.get("platforms", [])
    platforms = tuple(platform for platform in PLATFORMS if platform.conda in subdirs)
    if not platforms or len(platforms) != len(subdirs):
        raise SpecError(path, f"platforms = {subdirs}: name some of {', '.join(one.conda for one in PLATFORMS)}")
    if "pypi-dependencies" in data or any("pypi-dependencies" in one for one in data.get("feature", {}).values()):
        raise SpecError(path, "has [pypi-dependencies]: put PyPI packages into the overlay group of pyproject.toml")
    for where, table, known in (("pixi.toml", data, _KEYS), ("[workspace]", workspace, _WORKSPACE_KEYS)):
        if unknown := set(table) - known:
            raise SpecError(path, f"{where} has {', '.join(sorted(unknown))}, which is not locked here")
    environments = tuple(
        _environment(name, entry, data, platforms, path)
        for name, entry in (data.get("environments") or {DEFAULT: []}).items()
    )
    channels = tuple(_channel(name) for name in workspace.get("channels", []))
    return Manifest(path, channels, platforms, environments)


def _channel(name: str) -> str:
    address = name if "://" in name else f"{CHANNEL_ALIAS}/{name}"
    return f"{address.rstrip('/')}/"


def _environment(
    name: str, entry: Any, data: Mapping[str, Any], platforms: tuple[Platform, ...], path: Path
) -> CondaEnvironment:
    table: dict[str, Any] = {"features": entry} if isinstance(entry, list) else entry
    features = [data.get("feature", {}).get(feature) for feature in table.get("features", [])]
    for feature, found in zip(table.get("features", []), features, strict=True):
        if found is None:
            raise SpecError(path, f"environment {name!r} has a feature {feature!r} that is not defined")
        if unknown := set(found) - _FEATURE_KEYS:
            raise SpecError(path, f"feature {feature!r} has {', '.join(sorted(unknown))}, which is not locked here")
    tables = [*features] if table.get("no-default-feature") else [data, *features]
    specs = {
        platform.conda: tuple(sorted({spec for one in tables for spec in _specs(one, platform, path)}))
        for platform in platforms
    }
    return CondaEnvironment(name, table.get("solve-group", name), specs)


def _specs(table: Mapping[str, Any], platform: Platform, path: Path) -> list[str]:
    asked = dict(table.get("dependencies", {}))
    for target in ("linux", platform.conda):
        asked |= table.get("target", {}).get(target, {}).get("dependencies", {})
    return [_spec(name, wanted, path) for name, wanted in asked.items()]


def _spec(name: str, wanted: Any, path: Path) -> str:
    if canonicalize_name(name) == FORMER_NAME:
        raise SpecError(path, FORMER_NAME_REFUSED)
    table = {"version": wanted} if isinstance(wanted, str) else wanted
    if not isinstance(table, dict) or set(table) - {"version", "build"}:
        raise SpecError(path, f"{name}: give a version, or a table with version and build")
    version, build = table.get("version", "*"), table.get("build", "")
    return name if (version, build) == ("*", "") else f"{name} {version} {build}".rstrip()
