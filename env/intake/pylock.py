"""pylock.toml (PEP 751): the exact answer to what a project asks for, one wheel a package and platform.

Any tool that writes pylock.toml will do; ours is `lock --recipe`, for a requirements.txt beside it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import tomli
from packaging.markers import InvalidMarker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from env.errors import LockFormatError, LockMissingError, NotTakenError, NoWheelError, StaleLockError, UnlistedHashError
from env.formats.lock import Lock, LockedFile
from env.formats.markers import applies, installs
from env.formats.wheel_tags import best_wheel, tag_order_of_base, wheel_file
from env.intake.base import glibc_minor, python_of
from env.intake.commands import lock_recipe
from env.intake.python_project import names_of, own_last, project_folder
from env.intake.reading import text_of
from env.intake.requirements_txt import REQUIREMENTS, Asked, requirements_digest, requirements_of
from env.platforms import PYTHON, Platform
from env.spec import FORMER_NAME, FORMER_NAME_REFUSED, Tree

PYLOCK = "pylock.toml"
_LOCK_VERSION = "1.0"
_HEX = frozenset("0123456789abcdef")
_NOT_BUILT = "of sources only projects in folders of one's own are built here: take a release that has a wheel"


@dataclass(frozen=True)
class Chosen:
    """What a pylock.toml installs on a platform."""

    files: tuple[LockedFile, ...]
    folders: tuple[Path, ...]
    """The folders of projects that are among it, to be built."""


@dataclass(frozen=True)
class Pylock:
    """A pylock.toml that has been read."""

    path: Path
    data: Mapping[str, Any]
    command: str
    """What its owner runs to make it again."""
    folder: Path
    """What paths in it are relative to."""

    @property
    def packages(self) -> list[Mapping[str, Any]]:
        """Its packages.

        Raises:
            LockFormatError: it has none, or something else of that name.

        """
        packages = self.data.get("packages")
        if not isinstance(packages, list) or not all(isinstance(package, dict) for package in packages):
            raise self.unusable("has no [[packages]]")
        return packages

    def unusable(self, reason: str) -> LockFormatError:
        """Return the error that says why it can't be used."""
        return LockFormatError(self.path, reason, command=self.command)

    def all_folders(self) -> tuple[Path, ...]:
        """Return the folders of all projects in it, whether they are installed here or not."""
        return own_last((self._folder(package) for package in self.packages if "directory" in package), self.folder)

    def chosen(
        self,
        platform: Platform,
        python: str,
        extras: frozenset[str] = frozenset(),
        groups: frozenset[str] = frozenset(),
        *,
        glibc: int,
    ) -> Chosen:
        """Return the wheels for a platform and the full version of a Python, the best that the tags allow, by name.

        `glibc` is the minor version of the C library that the base has.

        Raises:
            LockFormatError: it is not as PEP 751 says, or has no sha256 of a file.
            NoWheelError: a package can't be had for the platform.
            NotTakenError: none of its packages applies, or one comes from elsewhere than a wheel.

        """
        self._require_python(python)
        self._require_environment(platform, python)
        extras, groups = self._known("extras", extras), self._known("dependency-groups", groups)
        groups |= frozenset(str(group) for group in self.data.get("default-groups") or ())
        order = tag_order_of_base(platform, glibc)
        packages = self.packages
        here = [package for package in packages if self._installs(package, platform, python, extras, groups)]
        if packages and not here:
            self._require_chosen(platform, python)
            markers = sorted({str(package.get("marker")) for package in packages})
            raise NotTakenError(
                self.path,
                f"none of its {len(packages)} packages applies to CPython {python} on {platform}, which the image has "
                f"(marker: {markers[0][:200]}): lock it for that Python",
            )
        folders = [self._folder(package) for package in here if "directory" in package]
        files = [self._file(package, platform, python, order) for package in here if "directory" not in package]
        for name in {file.name for file in files if sum(one.name == file.name for one in files) > 1}:
            raise self.unusable(f"names a package twice for {platform}: {name}")
        if not files and not folders:
            raise NotTakenError(self.path, f"has no package for {platform}: an image of it would be empty")
        return Chosen(tuple(sorted(files, key=lambda file: file.name)), own_last(folders, self.folder))

    def _require_chosen(self, platform: Platform, python: str) -> None:
        """Refuse a lock whose packages are all in extras and groups that were not asked for."""
        extras, groups = (frozenset(map(str, self.data.get(key) or ())) for key in ("extras", "dependency-groups"))
        if any(self._installs(package, platform, python, extras, groups) for package in self.packages):
            raise nothing_chosen(self.path, extras, groups - set(map(str, self.data.get("default-groups") or ())))

    def _require_python(self, python: str) -> None:
        wanted = self.data.get("requires-python", "")
        if not is_for(wanted, python):
            raise NotTakenError(self.path, other_python(wanted, python, self.command))

    def _require_environment(self, platform: Platform, python: str) -> None:
        """Refuse a lock whose `environments` are others: its packages may be anything there (PEP 751)."""
        markers = self.data.get("environments") or []
        if not isinstance(markers, list):
            raise self.unusable("environments is no array")
        if markers and not any(self._applies(marker, "environments", platform, python) for marker in markers):
            raise NotTakenError(
                self.path,
                f"is for {' or '.join(map(str, markers))[:300]}, and the image is CPython {python} on {platform}: let "
                f"the project's lock have that too and run `{self.command}`",
            )

    def _applies(
        self,
        marker: Any,
        whose: str,
        platform: Platform,
        python: str,
        groups: frozenset[str] = frozenset(),
        extras: frozenset[str] = frozenset(),
    ) -> bool:
        try:
            return installs(str(marker), platform, python, groups, extras)
        except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, InvalidVersion) as error:
            raise self.unusable(f"{whose}: {str(marker)!r} is no marker ({_first_line(error)})") from None

    def _known(self, key: str, names: frozenset[str]) -> frozenset[str]:
        """Return the names, normalised, if the lock has them; one that uv has exported has them in already."""
        if self.path.name == "uv.lock":
            return names
        known = {canonicalize_name(str(name)): str(name) for name in self.data.get(key) or ()}
        for name in names:
            if canonicalize_name(name) not in known:
                has = ", ".join(known) or "none"
                raise NotTakenError(self.path, f"has no {name!r} among its {key}: it has {has}")
        return frozenset(known[canonicalize_name(name)] for name in names)

    def _installs(
        self,
        package: Mapping[str, Any],
        platform: Platform,
        python: str,
        extras: frozenset[str],
        groups: frozenset[str],
    ) -> bool:
        name = package.get("name")
        if not isinstance(name, str) or not name:
            raise self.unusable("has a package without a name")
        marker = package.get("marker")
        return marker is None or self._applies(marker, name, platform, python, groups, extras)

    def _folder(self, package: Mapping[str, Any]) -> Path:
        directory = package.get("directory")
        place = directory.get("path") if isinstance(directory, dict) else None
        if not isinstance(directory, dict) or not isinstance(place, str):
            raise self.unusable(f"{package['name']}: directory has no path")
        below = directory.get("subdirectory")
        return project_folder(self.path, str(package["name"]), f"{place}/{below}" if below else place, self.folder)

    def _file(
        self, package: Mapping[str, Any], platform: Platform, python: str, order: Mapping[Tag, int]
    ) -> LockedFile:
        name = str(package["name"])
        version = package.get("version", "")
        if canonicalize_name(name) == FORMER_NAME:
            raise self.unusable(FORMER_NAME_REFUSED)
        if "vcs" in package:
            raise NotTakenError(self.path, f"{name} comes from a repository ({_place(package['vcs'])}): {_NOT_BUILT}")
        if not is_for(package.get("requires-python", ""), python):
            raise NotTakenError(
                self.path, f"{name} {version} is for Python {package['requires-python']}, and the image has {python}"
            )
        wheels = package.get("wheels", [])
        if "archive" in package:
            archive = package["archive"]
            if not isinstance(archive, dict) or not _place(archive).split("#")[0].endswith(".whl"):
                raise NotTakenError(self.path, f"{name} is an archive of sources ({_place(archive)}): {_NOT_BUILT}")
            wheels = [archive]
        if not isinstance(wheels, list) or not all(isinstance(wheel, dict) for wheel in wheels):
            raise self.unusable(f"{name}: wheels is no array of tables")
        for wheel in wheels:
            self._parsed(wheel, name)
        best = best_wheel(wheels, order)
        if best is None:
            files = sorted(wheel_file(dict(wheel)) for wheel in wheels)
            has = ", ".join(files[:3]) + (" …" if len(files) > 3 else "")  # noqa: PLR2004 - examples
            raise NoWheelError(self.path, f"{name} {version}".strip(), platform, PYTHON, has, sources=not files)
        return self._locked(best, name, str(version))

    def _parsed(self, wheel: Mapping[str, Any], name: str) -> None:
        if not any(isinstance(wheel.get(key), str) and wheel[key] for key in ("name", "url", "path")):
            raise self.unusable(f"{name}: a wheel has no name, url or path")
        try:
            parse_wheel_filename(wheel_file(dict(wheel)))
        except (InvalidWheelFilename, InvalidVersion) as error:
            raise self.unusable(f"{name}: {_first_line(error)}") from None

    def _locked(self, wheel: Mapping[str, Any], name: str, version: str) -> LockedFile:
        file = wheel_file(dict(wheel))
        hashes = wheel.get("hashes")
        sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
        if not isinstance(sha256, str):
            others = ", ".join(map(str, hashes)) if isinstance(hashes, dict) else ""
            raise self.unusable(f"{file} has no sha256" + (f", only {others}" if others else ""))
        if len(sha256) != 64 or set(sha256.lower()) - _HEX:  # noqa: PLR2004 - hex digits of sha256
            raise self.unusable(f"{file} has a sha256 that is none: {sha256[:80]!r}")
        size = wheel.get("size", 0)
        if not isinstance(size, int) or size < 0:
            raise self.unusable(f"{file} has a size that is none: {size!r}")
        named = parse_wheel_filename(file)
        if named[0] != canonicalize_name(name):
            raise self.unusable(f"{file} is no wheel of {name}")
        if not version:
            # It is optional in PEP 751, and always in a wheel's name.
            version = str(named[1])
        try:
            same = Version(version) == named[1]
        except InvalidVersion:
            same = False
        if not same:
            raise self.unusable(f"{file} is not version {version} of {name}")
        return LockedFile(canonicalize_name(name), version, file, sha256.lower(), size, url=self._url(wheel))

    def _url(self, wheel: Mapping[str, Any]) -> str | None:
        if url := wheel.get("url"):
            return str(url) if str(url).startswith(("https://", "http://", "file:")) else None
        place = wheel.get("path")
        return (self.folder / str(place)).resolve().as_uri() if place else None


def nothing_chosen(path: Path, extras: Iterable[str], groups: Iterable[str]) -> NotTakenError:
    """Return the error of a lock that has nothing but extras and groups, of which none is asked for."""
    options = [*(f"--extra {name}" for name in sorted(extras)), *(f"--group {name}" for name in sorted(groups))]
    return NotTakenError(path, f"has nothing besides its extras and groups: choose of {', '.join(options)}")


def parse_pylock(path: Path, content: str, command: str) -> Pylock:
    """Parse the content of a pylock.toml.

    Raises:
        LockFormatError: it is not TOML, or of another version.

    """
    try:
        data: dict[str, Any] = tomli.loads(content)
    except (ValueError, RecursionError) as error:
        raise LockFormatError(path, f"not TOML ({error})", command=command) from None
    # A later minor version adds what an installer may leave unread (PEP 751).
    if not re.fullmatch(r"1\.\d+", str(data.get("lock-version"))):
        found = f"lock-version is {data.get('lock-version')!r}, not {_LOCK_VERSION}"
        raise LockFormatError(path, found, command=command)
    return Pylock(path, data, command, path.parent)


def pylock_files(platform: Platform, tree: Tree, content: str | None = None) -> Lock:
    """Return the packages of the pylock.toml that answers a folder's requirements.txt, for a platform.

    `content` is that of one that is not written yet.

    Raises:
        LockMissingError, LockFormatError: there is none, or it can't be used.
        NoWheelError: a package can't be had for the platform.
        NotTakenError: nothing of it applies to the platform, or a package is no wheel.
        StaleLockError: it does not answer requirements.txt.
        UnlistedHashError: it answers with another file.
        SpecError: requirements.txt is missing or can't be read.

    """
    requirements = requirements_of(tree)
    path, command, python = tree.root / PYLOCK, lock_recipe(tree.root), python_of(platform, tree.project)
    if content is not None:
        lock = parse_pylock(path, content, command)
    elif path.is_file():
        lock = tree.once(PYLOCK, lambda: parse_pylock(path, text_of(path), command))
    else:
        raise LockMissingError(path, command=command)
    asked = here(requirements.asked, platform, python)
    if requirements.asked and not asked:
        count = len(requirements.asked)
        raise NotTakenError(
            tree.root / REQUIREMENTS,
            f"none of its {count} requirements applies to CPython {python} on {platform}, which the image has "
            f"({requirements.asked[0].requirement}): mend their markers",
        )
    glibc = glibc_minor(platform, tree.project)
    files = lock.chosen(platform, python, glibc=glibc).files if lock.packages else ()
    require_answers(asked, files, tree.root, platform, lock, names_of(requirements.folders, tree))
    return Lock("pylock", platform, requirements_digest(tree), files, python, command)


def here(asked: Iterable[Asked], platform: Platform, python: str) -> list[Asked]:
    """Return the requirements that apply on a platform."""
    return [one for one in asked if applies(one.requirement, frozenset(), platform, python)]


def require_answers(
    asked: Iterable[Asked],
    files: Iterable[LockedFile],
    root: Path,
    platform: Platform,
    lock: Pylock,
    built: Collection[str] = (),
) -> None:
    """Refuse a lock that does not answer what is asked; `built` are the names of projects that are built.

    Raises:
        StaleLockError: a requirement has no answer, or one of another version.
        UnlistedHashError: the answer is not a file whose hash the requirement lists.

    """
    have = {file.name: file for file in files}
    for one in asked:
        file = have.get(one.name)
        if one.name in built:
            continue
        if file is None or not one.requirement.specifier.contains(Version(file.version), prereleases=True):
            reason = f"`{one.requirement}` is asked for on {platform}, and it has {file.version if file else 'none'}"
            raise StaleLockError(lock.path, command=lock.command, reason=reason)
        if one.hashes and file.sha256 not in one.hashes:
            raise UnlistedHashError(root / REQUIREMENTS, one.name, file.file, file.sha256)


def other_python(wanted: str, python: str, command: str) -> str:
    """Return why what is for others is not taken for the images' own Python."""
    return (
        f"is for Python {wanted}, and the images' own is {python}: let the project allow that and run `{command}`, or "
        "lock the project with pixi, whose conda packages bring a Python of any version"
    )


def is_for(wanted: Any, python: str) -> bool:
    """Say whether a full version of Python is among those that a specifier allows; not where it is none."""
    try:
        return SpecifierSet(str(wanted)).contains(python, prereleases=True)
    except InvalidSpecifier:
        return False


def _place(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "nowhere"
    place = str(entry.get("url") or entry.get("path") or "nowhere")
    return unquote(urlsplit(place).path) if place.endswith(".whl") else place


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
