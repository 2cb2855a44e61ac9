"""A pixi project of somebody's, as its manifest says: environments, their features, and what activating them sets.

Read is what an image of a locked environment depends on; what only a solution or a task depends on is left unread, and
so is every platform but Linux (pixi's manifest reference). Files: ``pixi.toml``, ``pyproject.toml`` with [tool.pixi],
``mojoproject.toml``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.errors import NotTakenError, SpecError
from env.intake.reading import array, line_of, table, toml_of
from env.platforms import Platform

NAMES = ("pixi.toml", "pyproject.toml", "mojoproject.toml")
"""In the order in which pixi looks for them."""
DEFAULT = "default"
_DEPENDENCIES = ("dependencies", "host-dependencies", "build-dependencies")


@dataclass(frozen=True)
class Target:
    """A platform of a lock: a conda subdir, and what its machines have besides."""

    platform: Platform
    virtual: tuple[str, ...] = ()
    """Virtual packages as lock files write them; () where the lock does not say."""


@dataclass(frozen=True)
class PixiManifest:
    """What a pixi project asks for."""

    path: Path
    data: Mapping[str, Any]
    """The tables that pixi reads."""

    @property
    def key(self) -> str:
        """What the tables are below in the file."""
        return "tool.pixi." if self.path.name == "pyproject.toml" else ""

    @property
    def name(self) -> str:
        """The name of the project; that of its folder where it says none."""
        for key in ("workspace", "project"):
            named = self.data.get(key)
            if isinstance(named, dict) and isinstance(named.get("name"), str):
                return str(named["name"])
        return self.path.parent.name

    @property
    def environments(self) -> tuple[str, ...]:
        """The environments, ``default`` too, which needs no mention."""
        named = table(self.data.get("environments"), self.path, f"{self.key}environments")
        return tuple(dict.fromkeys([DEFAULT, *named]))

    def features(self, environment: str, target: Target) -> list[Mapping[str, Any]]:
        """Return the features of an environment for a platform, the one that counts most first.

        Raises:
            SpecError: one is not defined, or is no table.
            NotTakenError: one is not for that platform.

        """
        entry = table(self.data.get("environments"), self.path, f"{self.key}environments").get(environment, [])
        settings = (
            {"features": entry} if isinstance(entry, list) else table(entry, self.path, f"environments.{environment}")
        )
        defined = table(self.data.get("feature"), self.path, f"{self.key}feature")
        found: list[Mapping[str, Any]] = []
        for name in array(settings.get("features"), self.path, f"environments.{environment}.features"):
            if not isinstance(name, str) or name not in defined:
                where = line_of(self.path, environment)
                raise SpecError(where, f"environment {environment!r} has a feature {name!r} that is not defined")
            feature = table(defined[name], self.path, f"feature.{name}")
            platforms = feature.get("platforms")
            if isinstance(platforms, list) and not self._names(platforms, target.platform):
                where = line_of(self.path, name)
                raise NotTakenError(where, f"feature {name!r} of {environment!r} is not for {target.platform.conda}")
            found.append(feature)
        return found if settings.get("no-default-feature") is True else [*found, self.data]

    def _names(self, platforms: Sequence[Any], platform: Platform) -> bool:
        rich = {name: entry["platform"] for name, entry in self._rich()}
        return any(rich.get(one, one) == platform.conda for one in platforms if isinstance(one, str))

    def _rich(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the platforms that have a name of their own, with what the manifest says of them (pixi 0.71)."""
        workspace = self.data.get("workspace", self.data.get("project"))
        for one in array(table(workspace, self.path, "workspace").get("platforms"), self.path, "workspace.platforms"):
            if isinstance(one, dict) and isinstance(one.get("platform"), str):
                yield str(one.get("name", one["platform"])), one

    def tables(self, feature: Mapping[str, Any], target: Target) -> list[Mapping[str, Any]]:
        """Return a feature and its [target] tables for a platform, the most special last."""
        names = ["unix", "linux", target.platform.conda]
        for name, entry in self._rich():
            cuda = any(text.startswith("__cuda") for text in target.virtual)
            if entry["platform"] == target.platform.conda and name not in names and ("cuda" in entry) == cuda:
                names.append(name)
        targets = table(feature.get("target"), self.path, "target")
        return [feature, *(table(targets.get(name), self.path, f"target.{name}") for name in names)]

    def conda_specs(self, environment: str, target: Target) -> Iterator[tuple[str, Any]]:
        """Yield name and wish of each conda package that an environment asks for itself."""
        for feature in self.features(environment, target):
            for kind in _DEPENDENCIES:
                yield from self._asked(feature, target, kind).items()

    def pypi_specs(self, environment: str, target: Target) -> Iterator[tuple[str, Any]]:
        """Yield name and wish of each package of PyPI that an environment asks for itself."""
        for feature in self.features(environment, target):
            yield from self._asked(feature, target, "pypi-dependencies").items()

    def _asked(self, feature: Mapping[str, Any], target: Target, kind: str) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        for one in self.tables(feature, target):
            asked |= table(one.get(kind), self.path, f"{self.key}{kind}")
        return asked

    def variables(self, environment: str, target: Target) -> dict[str, str]:
        """Return what [activation.env] sets: of features the first that names a variable counts, the default least."""
        found: dict[str, str] = {}
        for feature in reversed(self.features(environment, target)):
            for one in self.tables(feature, target):
                activation = table(one.get("activation"), self.path, "activation")
                for name, value in table(activation.get("env"), self.path, "activation.env").items():
                    if not isinstance(value, str | int | float):
                        where = line_of(self.path, name)
                        raise SpecError(where, f"activation.env.{name} is no text")
                    found[name] = str(value).lower() if isinstance(value, bool) else str(value)
        return found

    def scripts(self, environment: str, target: Target) -> list[str]:
        """Return what [activation] scripts names, in order; of a feature's targets the most special counts."""
        found: list[str] = []
        for feature in self.features(environment, target):
            named: list[Any] = []
            for one in self.tables(feature, target):
                activation = table(one.get("activation"), self.path, "activation")
                if "scripts" in activation:
                    named = array(activation["scripts"], self.path, "activation.scripts")
            found += [str(script) for script in named]
        return found

    def requirements(self, environment: str, target: Target) -> Iterator[str]:
        """Yield what [system-requirements] asks of the machine, as virtual packages."""
        for feature in self.features(environment, target):
            for key, wanted in table(feature.get("system-requirements"), self.path, "system-requirements").items():
                version = wanted.get("version", "") if isinstance(wanted, dict) else wanted
                musl = isinstance(wanted, dict) and wanted.get("family") == "musl"
                names = {"libc": "__musl" if musl else "__glibc", "cuda": "__cuda"}
                if key in names:
                    yield f"{names[key]}={version}"


def find_manifest(folder: Path) -> PixiManifest | None:
    """Return the manifest of a pixi project; None where a folder has none.

    Raises:
        SpecError: one is not TOML.

    """
    for name in NAMES:
        path = folder / name
        if not path.is_file():
            continue
        data = toml_of(path)
        if name != "pyproject.toml":
            return PixiManifest(path, data)
        tool = data.get("tool")
        if isinstance(tool, dict) and "pixi" in tool:
            return PixiManifest(path, table(tool["pixi"], path, "tool.pixi"))
    return None
