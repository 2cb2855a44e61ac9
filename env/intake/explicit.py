"""@EXPLICIT files (``conda list --explicit --sha256``, ``conda-lock --kind explicit``): an address a package.

conda-lock has wheels in comments of them, ``# pip NAME @ URL --hash=sha256:HEX``, which `conda-lock install` reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from env.errors import LockFormatError, NotTakenError
from env.formats.lock import Lock, LockedFile
from env.formats.pypi_names import EXCEPTIONS
from env.intake.conda_urls import locked_conda, python_version, require_once
from env.intake.intake import Intake, no_platform
from env.intake.reading import text_of, told
from env.intake.wheel_urls import OverConda
from env.platforms import PLATFORMS, Platform

MARK = "@EXPLICIT"
COMMAND = "conda list --explicit --sha256"
_PIP = re.compile(r"#\s*pip\s+(?P<what>\S.*)")
_WHEEL = re.compile(r"(?P<name>[\w.-]+)\s*@\s*(?P<url>\S+)(?:\s+--hash=sha256:(?P<sha256>[0-9a-f]{64}))?")
_PLATFORM = re.compile(r"#\s*platform:\s*(\S+)")


def is_explicit(path: Path) -> bool:
    """Say whether a file is an @EXPLICIT one."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 14)
    except OSError:
        return False
    return any(line.strip() == MARK.encode() for line in head.splitlines())


@dataclass(frozen=True)
class ExplicitIntake(Intake):
    """The @EXPLICIT files of a folder, one a platform."""

    files: tuple[Path, ...] = field(default=())
    environment = "conda"

    @property
    def command(self) -> str:
        """What its owner runs to make the lock again."""
        return COMMAND

    def platforms(self) -> tuple[Platform, ...]:
        """Return the platforms of ours that there is a file for.

        Raises:
            NotTakenError: there is none.

        """
        subdirs = {self._subdir(path) for path in self.files}
        found = tuple(platform for platform in PLATFORMS if platform.conda in subdirs)
        if not found:
            raise no_platform(self.path, ", ".join(sorted(subdirs)), f"`{COMMAND}` on one of these makes such a file")
        return found

    def _subdir(self, path: Path) -> str:
        text = text_of(path)
        if found := _PLATFORM.search(text):
            return found[1]
        subdirs = {url.split("/")[-2] for url, _ in _urls(text) if url.count("/") > 3} - {"noarch"}  # noqa: PLR2004
        return " and ".join(sorted(subdirs))

    @told(lambda intake, *_: intake.path, lambda *_: COMMAND)
    def read(self, platform: Platform) -> dict[str, Lock]:
        """Return its packages for a platform."""
        paths = [path for path in self.files if self._subdir(path) == platform.conda]
        if not paths:
            has = ",".join(one.oci for one in self.platforms())
            raise NotTakenError(self.path, f"is not for {platform.conda}: build with --platform {has}")
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise NotTakenError(self.path.parent, f"{names} are both for {platform.conda}: name one with --from FILE")
        found = [self._file(paths[0], url, digest) for url, digest in _urls(text_of(paths[0]))]
        files = require_once(found, paths[0], COMMAND)
        python = python_version(files)
        locks = {"environment": Lock("conda", platform, "", files, python, COMMAND)}
        over = OverConda(paths[0], COMMAND, platform, python, self.tree.project, files)
        if wheels := [self._wheel(paths[0], what, over) for what in _wheels(text_of(paths[0]))]:
            locks["pypi"] = Lock("pypi", platform, "", require_once(wheels, paths[0], COMMAND), python, COMMAND)
        return locks

    @staticmethod
    def _wheel(path: Path, what: str, over: OverConda) -> LockedFile:
        found = _WHEEL.fullmatch(what)
        if not found:
            way_out = "write it as `# pip NAME @ ADDRESS --hash=sha256:HEX`, or remove the line"
            raise NotTakenError(path, f"`# pip {what[:200]}` is no wheel at an address with its hash: {way_out}")
        version = [*urlsplit(found["url"]).path.rpartition("/")[2].split("-"), ""][1]
        return over.wheel(found["name"], unquote(version), found["url"], found["sha256"] or "")

    def _file(self, path: Path, url: str, digest: str) -> LockedFile:
        sha256 = digest.removeprefix("sha256:")
        if len(sha256) != 64:  # noqa: PLR2004 - hex digits of sha256
            kind = "an md5" if digest else "no hash"
            reason = f"{url.rpartition('/')[2]} has {kind}, and files are known by sha256 here"
            raise LockFormatError(path, reason, command=COMMAND)
        return locked_conda(path, COMMAND, url, sha256.lower())

    def provided(self, platform: Platform) -> Mapping[str, str]:
        """Return the Python distributions that conda packages bring: each by every name that it may have on PyPI."""
        found: dict[str, str] = {}
        for file in self.locks(platform)["environment"].files:
            for other in (EXCEPTIONS.get(file.name) or file.name, file.name):
                found[canonicalize_name(other)] = file.version.partition(" ")[0]
        return found

    def described(self) -> Iterator[str]:
        """Yield, in words, what was found and is taken."""
        yield f"taking {' and '.join(str(path) for path in self.files)}"


def _wheels(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if found := _PIP.fullmatch(line.strip()):
            yield found["what"]


def _urls(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        bare = line.strip()
        if bare and not bare.startswith(("#", "@")):
            url, _, digest = bare.partition("#")
            yield url, digest
