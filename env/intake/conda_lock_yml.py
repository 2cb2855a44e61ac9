"""conda-lock.yml (conda-lock's format, version 1): conda packages and wheels of its ``main`` category, or another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from packaging.utils import canonicalize_name

from env.errors import LockFormatError, NotTakenError, UnlockedError
from env.formats.lock import Lock, LockedFile
from env.formats.pypi_names import EXCEPTIONS
from env.intake.base import lacking
from env.intake.commands import conda_lock
from env.intake.conda_answers import require_answers, sources_of
from env.intake.conda_depends import Dependent, Unmet, unmet_depends
from env.intake.conda_urls import locked_conda, python_version, require_once
from env.intake.environment_yml import MAIN, find_environment_yml
from env.intake.intake import Intake, no_platform
from env.intake.reading import text_of, told
from env.intake.wheel_urls import OverConda
from env.platforms import PLATFORMS, Platform

CONDA_LOCK = "conda-lock.yml"
_VERSION = 1
_MANAGERS = ("conda", "pip")


def _command(path: Path) -> str:
    return conda_lock(find_environment_yml(path.parent) or path.with_name("environment.yml"))


@told(lambda path: path, _command)
def _document(path: Path) -> Mapping[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(text_of(path), loader)  # noqa: S506 - a safe loader, in C where there is one
    except yaml.YAMLError as error:
        raise LockFormatError(
            path, f"not YAML ({' '.join(str(error).split())[:200]})", command=_command(path)
        ) from None
    if not isinstance(data, dict) or data.get("version") != _VERSION or not isinstance(data.get("package"), list):
        raise LockFormatError(path, "is no conda-lock.yml of version 1", command=_command(path))
    packages: list[Mapping[str, Any]] = data["package"]
    for package in packages:
        if not isinstance(package, dict) or not all(
            isinstance(package.get(key), str) for key in ("name", "url", "platform")
        ):
            raise LockFormatError(path, "has a package without name, platform or url", command=_command(path))
        if (manager := package.get("manager")) not in _MANAGERS:
            reason = f"{package['name']} has a manager that is none of {', '.join(_MANAGERS)}: {manager!r}"
            raise LockFormatError(path, reason, command=_command(path))
    return data


@dataclass(frozen=True)
class CondaLockIntake(Intake):
    """The packages of a conda-lock.yml."""

    name: str = MAIN
    """Its category."""
    environment = "conda"

    @property
    def part(self) -> str:
        """The environment's name."""
        return self.name

    @property
    def command(self) -> str:
        """What its owner runs to make the lock again."""
        return _command(self.path)

    def _entries(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self._data()["package"]
        return found

    def _data(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.tree.once(self.path, lambda: _document(self.path))
        return data

    def _sources(self) -> list[Path]:
        metadata = self._data().get("metadata")
        named = metadata.get("sources") if isinstance(metadata, dict) else None
        return sources_of(self.path, [str(one) for one in named] if isinstance(named, list) else [])

    def platforms(self) -> tuple[Platform, ...]:
        """Return the platforms of ours that it has packages for.

        Raises:
            NotTakenError: there is none.

        """
        subdirs = {str(entry["platform"]) for entry in self._entries()}
        found = tuple(platform for platform in PLATFORMS if platform.conda in subdirs)
        if not found:
            raise no_platform(self.path, ", ".join(sorted(subdirs)), f"`{self.command} -p linux-64` adds one")
        return found

    def _here(self, platform: Platform) -> list[Mapping[str, Any]]:
        categories = {self._category(entry) for entry in self._entries()}
        if self.name not in categories:
            known = ", ".join(sorted(categories))
            raise UnlockedError(self.path, f"has no category {self.name!r}: it has {known} (--environment NAME)")
        found = [
            entry
            for entry in self._entries()
            if entry["platform"] == platform.conda and self._category(entry) in (MAIN, self.name)
        ]
        if not found:
            has = ",".join(one.oci for one in self.platforms())
            raise NotTakenError(
                self.path,
                f"has no package for {platform.conda}: build with --platform {has}, or run "
                f"`{self.command} -p {platform.conda}`",
            )
        # conda-lock writes a package once for each of its categories.
        return list({(entry.get("manager"), entry["name"], entry["url"]): entry for entry in found}.values())

    @staticmethod
    def _category(entry: Mapping[str, Any]) -> str:
        return str(entry.get("category", MAIN))

    @told(lambda intake, *_: intake.path, lambda intake, *_: intake.command)
    def read(self, platform: Platform) -> dict[str, Lock]:
        """Return its conda packages, and its wheels over them."""
        entries = self._here(platform)
        conda = [entry for entry in entries if entry.get("manager") == "conda"]
        files = require_once((self._conda(entry) for entry in conda), self.path, self.command)
        self._require_base(conda, platform)
        python = python_version(files)
        locks = {"environment": Lock("conda", platform, "", files, python, self.command)}
        over = OverConda(self.path, self.command, platform, python, self.tree.project, files)
        wheels: tuple[LockedFile, ...] = ()
        if pip := [self._wheel(entry, over) for entry in entries if entry.get("manager") == "pip"]:
            wheels = require_once(pip, self.path, self.command)
            locks["pypi"] = Lock("pypi", platform, "", wheels, python, self.command)
        has = {**self.provided(platform), **{file.name: file.version for file in wheels}}
        categories = (MAIN, self.name)
        require_answers(self.path, self.command, self._sources(), categories, (platform, python, files, has))
        return locks

    def _conda(self, entry: Mapping[str, Any]) -> LockedFile:
        return locked_conda(self.path, self.command, str(entry["url"]), self._sha256(entry))

    def _sha256(self, entry: Mapping[str, Any]) -> str:
        hashes = entry.get("hash")
        sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
        if not isinstance(sha256, str):
            reason = f"{entry['name']} has no sha256, by which files are known here"
            raise LockFormatError(self.path, reason, command=self.command)
        return sha256

    def _wheel(self, entry: Mapping[str, Any], over: OverConda) -> LockedFile:
        return over.wheel(str(entry["name"]), str(entry.get("version", "")), str(entry["url"]), self._sha256(entry))

    def _require_base(self, entries: list[Mapping[str, Any]], platform: Platform) -> None:
        for entry in entries:
            depends = entry.get("dependencies")
            for name, wanted in (depends if isinstance(depends, dict) else {}).items():
                floor = str(wanted).removeprefix(">=").partition(",")[0].strip("* ")
                if floor.replace(".", "").isdigit() or name == "__cuda":
                    for reason in lacking([f"{name}={floor}"], platform, self.tree.project):
                        raise NotTakenError(self.path, f"{entry['name']} {reason}")

    def provided(self, platform: Platform) -> Mapping[str, str]:
        """Return the Python distributions that conda packages bring."""
        found: dict[str, str] = {}
        for entry in self._here(platform):
            if entry.get("manager") == "conda":
                name = str(entry["name"])
                for other in (EXCEPTIONS.get(name) or name, name):
                    found[canonicalize_name(other)] = str(entry.get("version", ""))
        return found

    def lacking(self, platform: Platform) -> Iterable[Unmet]:
        """Yield what its conda packages depend on and the lock has not."""
        depends = {
            str(entry["name"]).lower(): entry.get("dependencies")
            for entry in self._here(platform)
            if entry.get("manager") == "conda"
        }
        return unmet_depends(
            Dependent(file.name, file.version, tuple(_specs(depends.get(file.name))))
            for file in self.locks(platform)["environment"].files
        )

    def described(self) -> Iterator[str]:
        """Yield, in words, what was found and is taken."""
        others = sorted({self._category(entry) for entry in self._entries()} - {self.name, MAIN})
        more = f"; also there: {', '.join(others)} (--environment NAME)" if others else ""
        yield f"taking category {self.name} of {self.path}{more}"


def _specs(depends: Any) -> Iterator[str]:
    for name, wanted in (depends if isinstance(depends, dict) else {}).items():
        yield f"{name} {wanted}".strip() if isinstance(wanted, str) else str(name)
