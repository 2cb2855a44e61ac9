"""pixi.lock of somebody's project (lock versions 4 to 7): conda packages, and wheels that go over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rattler.lock import CondaLockedBinaryPackage, Environment, LockFile, LockPlatform, PypiLockedPackage

from env.errors import LockFormatError, NotTakenError, UnlockedError
from env.formats.lock import Lock, LockedFile
from env.formats.matchspec import by_name, satisfied
from env.formats.pixi_lock import CondaPackage, package_of
from env.intake.base import CUDA_OVERRIDE, glibc_of, lacking
from env.intake.commands import pixi_lock
from env.intake.conda_depends import Dependent, Unmet, unmet_depends
from env.intake.conda_urls import locked_conda, python_version, require_once
from env.intake.intake import Intake, no_platform
from env.intake.pixi_answers import pypi_names, require_answers
from env.intake.pixi_manifest import DEFAULT, PixiManifest, Target
from env.intake.python_project import asked_by, own_last, project_folder
from env.intake.reading import LARGEST, told
from env.intake.wheel_urls import OverConda, is_folder
from env.platforms import PLATFORMS, Platform

PIXI_LOCK = "pixi.lock"


@dataclass(frozen=True)
class _Packages:
    """The packages of an environment on a platform."""

    conda: tuple[CondaPackage, ...]
    pypi: tuple[PypiLockedPackage, ...]


@told(lambda path: path, lambda path: pixi_lock(path.parent))
def _document(path: Path) -> LockFile:
    if path.stat().st_size > LARGEST:
        raise LockFormatError(path, "is larger than any lock", command=pixi_lock(path.parent))
    try:
        return LockFile.from_path(path)
    except Exception as error:  # noqa: BLE001 - py-rattler raises bare Exceptions here
        reason = " ".join(str(error).split())[:300]
        raise LockFormatError(path, reason, command=pixi_lock(path.parent)) from None


@dataclass(frozen=True)
class PixiIntake(Intake):
    """An environment of a pixi project."""

    manifest: PixiManifest
    name: str = DEFAULT
    """The environment's."""
    environment = "conda"
    _kept: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def part(self) -> str:
        """The environment's name."""
        return self.name

    @property
    def command(self) -> str:
        """What its owner runs to make the lock again."""
        return pixi_lock(self.manifest.path)

    def platforms(self) -> tuple[Platform, ...]:
        """Return the platforms of ours that the lock has the environment for.

        Raises:
            NotTakenError: there is none.

        """
        subdirs = {str(platform.subdir) for platform in self._environment.platforms()}
        found = tuple(platform for platform in PLATFORMS if platform.conda in subdirs)
        self._require_filled()
        if not found:
            advice = f"add one to platforms in {self.manifest.path.name} and run `{self.command}`"
            raise no_platform(self.path, ", ".join(sorted(subdirs)), advice)
        return found

    def _require_filled(self) -> None:
        """Refuse an environment that is empty where others are not: often nobody uses the default one."""
        if _has_packages(self._environment):
            return
        if full := [name for name, one in sorted(self._environments().items()) if _has_packages(one)]:
            chosen = f"choose one with --environment NAME, of {', '.join(full)}"
            raise UnlockedError(self.path, f"has nothing in environment {self.name!r}: {chosen}")

    @property
    def _environment(self) -> Environment:
        return self._environments()[self.name]

    def _environments(self) -> dict[str, Environment]:
        if "environments" not in self._kept:
            found: dict[str, Environment] = dict(_document(self.path).environments())
            if self.name not in found:
                known = ", ".join(sorted(found)) or "none"
                reason = f"has no environment {self.name!r}: it has {known}; choose one with --environment NAME"
                if self.name in self.manifest.environments and self.name != DEFAULT:
                    reason = (
                        f"has no environment {self.name!r}, which {self.manifest.path.name} has: run `{self.command}`"
                    )
                raise UnlockedError(self.path, reason)
            self._kept["environments"] = found
        environments: dict[str, Environment] = self._kept["environments"]
        return environments

    @told(lambda intake, *_: intake.path, lambda intake, *_: intake.command)
    def read(self, platform: Platform) -> dict[str, Lock]:
        """Return the conda packages, and the wheels over them; refused is what the base can't give or is stale."""
        target, packages = self._chosen(platform)
        require_answers(self.manifest, self.name, target, packages.conda, packages.pypi, self.path, self.command)
        files = require_once(map(self._conda, packages.conda), self.path, self.command)
        python = python_version(files)
        over = OverConda(self.path, self.command, platform, python, self.tree.project, files)
        # A folder that is not there is told before anything is built.
        for folder in self.folders(platform):
            over.require_usual_python(f"the project in {folder}")
        locks = {"environment": Lock("conda", platform, "", files, python, self.command)}
        if wheels := self._wheels(packages, over):
            locks["pypi"] = Lock("pypi", platform, "", wheels, python, self.command)
        return locks

    def _conda(self, package: CondaPackage) -> LockedFile:
        return locked_conda(self.path, self.command, package.url, package.sha256, package.size)

    def target(self, platform: Platform) -> Target:
        """Return the platform of the lock that is built."""
        return self._chosen(platform)[0]

    def packages(self, platform: Platform) -> tuple[CondaPackage, ...]:
        """Return the conda packages of a platform, with what they depend on."""
        return self._chosen(platform)[1].conda

    def _chosen(self, platform: Platform) -> tuple[Target, _Packages]:
        if platform not in self._kept:
            self._kept[platform] = self._choose(platform)
        chosen: tuple[Target, _Packages] = self._kept[platform]
        return chosen

    def _choose(self, platform: Platform) -> tuple[Target, _Packages]:
        """Return the first platform of the lock whose machines are what the base is; its own name counts most."""
        candidates = [one for one in self._environment.platforms() if str(one.subdir) == platform.conda]
        if not candidates:
            has = ", ".join(one.oci for one in self.platforms())
            raise NotTakenError(
                self.path,
                f"environment {self.name!r} is not locked for {platform.conda}: build with --platform {has}, or add "
                f"{platform.conda} to platforms in {self.manifest.path} and run `{self.command}`",
            )
        reasons: list[str] = []
        for one in sorted(candidates, key=lambda one: (one.name != platform.conda, one.name)):
            target = Target(platform, tuple(one.virtual_packages))
            packages = _packages(self.path, self._environment, one)
            virtual = [*target.virtual] or [*self.manifest.requirements(self.name, target)]
            found = [*lacking(virtual, platform, self.tree.project)]
            found = found or [*self._unmet(packages.conda, platform)]
            if not found:
                return target, packages
            reasons.append(f"{one.name} {found[0]}")
        raise NotTakenError(self.path, f"environment {self.name!r}: {'; '.join(reasons)}")

    def _unmet(self, packages: Iterable[CondaPackage], platform: Platform) -> Iterator[str]:
        """Yield what packages need of the machine that the base does not give."""
        has = glibc_of(platform, self.tree.project)
        virtual = by_name((), [f"__glibc={has}"])
        for package in packages:
            for depend in package.depends:
                if depend.startswith("__glibc") and not satisfied(depend, virtual):
                    yield f"has {package}, which needs {depend}, and the base has glibc {has}"
                elif depend.partition(" ")[0] == "__cuda" and [*lacking(["__cuda="], platform, self.tree.project)]:
                    yield (
                        f"has {package}, which needs {depend}: where whoever runs the image brings the driver, set "
                        f"{CUDA_OVERRIDE}=VERSION"
                    )

    def _wheels(self, packages: _Packages, over: OverConda) -> tuple[LockedFile, ...]:
        files = [
            over.wheel(one.name, one.version, one.location, _sha256(one))
            for one in packages.pypi
            if not is_folder(one.location)
        ]
        return require_once(files, self.path, self.command) if files else ()

    def folders(self, platform: Platform) -> tuple[Path, ...]:
        """Return the folders of projects that the lock has; editable or not is the same here."""
        packages = [one for one in self._chosen(platform)[1].pypi if is_folder(one.location)]
        found = [project_folder(self.path, one.name, one.location, self.path.parent) for one in packages]
        return own_last(found, self.tree.root)

    def variables(self, platform: Platform) -> Mapping[str, str]:
        """Return what the manifest's [activation.env] sets, and what pixi itself does."""
        return self.manifest.variables(self.name, self.target(platform))

    def scripts(self, platform: Platform) -> tuple[Path, ...]:
        """Return the scripts that the manifest's [activation] names."""
        names = self.manifest.scripts(self.name, self.target(platform))
        return tuple(self.manifest.path.parent / name for name in names)

    def requires(self, platform: Platform) -> tuple[str, ...]:
        """Return what is asked of PyPI by the manifest, with its extras."""
        found = []
        for name, wanted in self.manifest.pypi_specs(self.name, self.target(platform)):
            extras = wanted.get("extras", []) if isinstance(wanted, dict) else []
            if isinstance(extras, list) and extras:
                found.append(f"{name}[{','.join(map(str, extras))}]")
        return (*found, *map(str, asked_by(self.folders(platform), self.tree)))

    def provided(self, platform: Platform) -> Mapping[str, str]:
        """Return the Python distributions that conda packages bring: each by every name that it may have on PyPI."""
        found: dict[str, str] = {}
        for package in self.packages(platform):
            for name in pypi_names(package):
                found[name] = package.version
        return found

    def lacking(self, platform: Platform) -> Iterable[Unmet]:
        """Yield what its conda packages depend on and the lock has not."""
        packages = self.packages(platform)
        return unmet_depends(
            Dependent(one.name, f"{one.version} {one.build}", one.depends, one.constrains) for one in packages
        )

    def described(self) -> Iterator[str]:
        """Yield, in words, what was found and is taken."""
        others = sorted(set(self._environments()) - {self.name})
        more = f"; also there: {', '.join(others)} (--environment NAME)" if others else ""
        yield f"taking environment {self.name} of {self.path}, for {self.manifest.path.name}{more}"


def _sha256(package: PypiLockedPackage) -> str:
    try:
        hashes = package.hashes
        sha256 = hashes.sha256 if hashes else None
    except AttributeError:
        # py-rattler's answer for a package without any hash.
        return ""
    return sha256.hex() if sha256 else ""


def _has_packages(environment: Environment) -> bool:
    return any(environment.packages(platform) for platform in environment.platforms())


def _packages(path: Path, environment: Environment, platform: LockPlatform) -> _Packages:
    conda: list[CondaPackage] = []
    pypi: list[PypiLockedPackage] = []
    for package in environment.packages(platform) or []:
        if isinstance(package, PypiLockedPackage):
            pypi.append(package)
        elif isinstance(package, CondaLockedBinaryPackage):
            conda.append(package_of(package.repo_data_record()))
        else:
            way_out = (
                "put it into a channel, or where it is a Python project ask for it under [pypi-dependencies], as "
                f'{package.name} = {{ path = "..." }}'
            )
            raise NotTakenError(
                path, f"{package.name} is a conda package that is built from sources ({package.location}): {way_out}"
            )
    return _Packages(tuple(sorted(conda, key=lambda one: (one.name, one.url))), tuple(pypi))
