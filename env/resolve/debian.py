"""The Debian lock, resolved by apt itself in a private root, so that signatures and dependencies are apt's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from env.errors import NoNetworkError, PackageGoneError, ToolFailedError, ToolMissingError
from env.formats.lock import Lock, LockedFile
from env.index.archives import VARIABLES, archive_root
from env.index.uv import Preferences
from env.platforms import Platform
from env.spec import Source, Tree, debian_spec, spec_digest

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_URI = re.compile(r"^'(?P<url>[^']+)' (?P<file>\S+_\S+_\S+\.deb) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$")
_UNREACHABLE = re.compile(
    r"resolving|could not connect|unable to connect|connection timed out|unreachable", re.IGNORECASE
)


def lock_debian(source: Source, platform: Platform, old: Lock | None, preferences: Preferences, tree: Tree) -> Lock:
    """Resolve ``env/SOURCE.toml`` for a platform; versions of `old` are kept unless `preferences` frees them.

    Raises:
        PackageGoneError: a version that is to be kept is no longer in the archive.
        NoNetworkError, ToolFailedError, ToolMissingError: apt could not answer.

    """
    if not shutil.which("apt-get"):
        raise ToolMissingError("apt-get", "make the Debian lock on a Debian or Ubuntu host or in such a container")
    if not _KEYRING.is_file():
        raise ToolMissingError("debian-archive-keyring", "install it with `apt-get install debian-archive-keyring`")
    spec = debian_spec(source, tree)
    kept = {} if old is None else {file.name: file.version for file in old.files if not preferences.frees(file.name)}
    roots = {archive: archive_root(archive) for archive in VARIABLES}
    with tempfile.TemporaryDirectory(prefix="apt-") as folder:
        apt = _Apt(Path(folder), platform, spec.suite, roots, kept)
        apt.run("update", "--option", "APT::Update::Error-Mode=any")
        listing = apt.run("install", "--yes", "--print-uris", *spec.packages)
    files = tuple(file for file in _parse(listing, roots) if file.name not in spec.omit)
    for file in files:
        if kept.get(file.name, file.version) != file.version:
            raise PackageGoneError(file.name, kept[file.name], "base")
    return Lock(source, platform, spec_digest(source, tree), files)


class _Apt:
    """apt-get with everything it reads and writes below one folder."""

    def __init__(
        self, folder: Path, platform: Platform, suite: str, roots: dict[str, str], kept: dict[str, str]
    ) -> None:
        self._environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
        for name in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        suites = [("debian", suite), ("debian", f"{suite}-updates"), ("debian-security", f"{suite}-security")]
        (folder / "etc/sources.list").write_text(
            "".join(f"deb [signed-by={_KEYRING}] {roots[archive]} {name} main\n" for archive, name in suites)
        )
        # Above 1000 apt takes the version even where a newer one is there (apt_preferences(5)).
        (folder / "etc/preferences").write_text(
            "".join(f"Package: {n}\nPin: version {v}\nPin-Priority: 1001\n\n" for n, v in sorted(kept.items()))
        )
        settings = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc": folder / "etc",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::trustedparts": "/dev/null",
            "APT::Architecture": platform.debian,
            "APT::Architectures": platform.debian,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::ForceHash": "SHA256",
            "Acquire::Retries": "3",
        }
        (folder / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))

    def run(self, *arguments: str) -> str:
        """Run apt-get; give what it prints."""
        run = subprocess.run(
            ["apt-get", "--quiet=2", *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        if run.returncode == 0:
            return run.stdout
        if _UNREACHABLE.search(run.stderr):
            raise NoNetworkError("Debian's archive")
        errors = [line for line in run.stderr.splitlines() if line.startswith("E:")] or run.stderr.splitlines()
        raise ToolFailedError("apt-get", re.sub(r"(?<=://)[^/@\s]+@", "", "; ".join(errors)))


def _parse(listing: str, roots: dict[str, str]) -> Sequence[LockedFile]:
    files = []
    for line in listing.splitlines():
        if not (match := _URI.match(line)):
            continue
        archive, path = _split(unquote(match["url"]), roots)
        name, version, _ = unquote(match["file"]).split("_")
        files.append(LockedFile(name, version, path, match["sha256"], int(match["size"]), archive))
    return files


def _split(url: str, roots: dict[str, str]) -> tuple[str, str]:
    # Longest first: the security archive's root may be below the other's.
    for archive, root in sorted(roots.items(), key=lambda item: -len(item[1])):
        if url.startswith(f"{root}/"):
            return archive, url.removeprefix(f"{root}/").lstrip("/")
    raise ToolFailedError("apt-get", "it named a file outside the configured archives")
