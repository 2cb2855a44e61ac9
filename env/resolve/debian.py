"""The Debian lock, resolved by apt itself in a private root, so that signatures and dependencies are apt's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
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
_PROVIDED = {"debconf": "debconf-2.0"}
_UNREACHABLE = re.compile(
    r"resolving|could not connect|unable to connect|connection timed out|unreachable", re.IGNORECASE
)


def lock_debian(source: Source, platform: Platform, old: Lock | None, preferences: Preferences, tree: Tree) -> Lock:
    """Resolve ``env/SOURCE.toml`` for a platform; versions of `old` are kept unless `preferences` frees them.

    Raises:
        PackageGoneError: a version that is to be kept is no longer in the archive.
        NoNetworkError, ToolFailedError, ToolMissingError: apt could not answer.

    """
    require_apt()
    spec = debian_spec(source, tree)
    kept = {} if old is None else {file.name: file.version for file in old.files if not preferences.frees(file.name)}
    roots = {archive: archive_root(archive) for archive in VARIABLES}
    with tempfile.TemporaryDirectory(prefix="apt-") as folder:
        apt = Apt(Path(folder), platform, spec.suite, roots, kept)
        apt.run("update", "--option", "APT::Update::Error-Mode=any")
        listing = apt.run("install", "--yes", "--print-uris", *spec.packages)
    files = tuple(file for file in parse_uris(listing, roots) if file.name not in spec.omit)
    for file in files:
        if kept.get(file.name, file.version) != file.version:
            raise PackageGoneError(file.name, kept[file.name], "base")
    return Lock(source, platform, spec_digest(source, tree), files)


def require_apt() -> None:
    """Refuse a host that can't resolve Debian packages.

    Raises:
        ToolMissingError: it has no apt, or not the keys of Debian's archive.

    """
    if not shutil.which("apt-get"):
        raise ToolMissingError("apt-get", "make the Debian lock on a Debian or Ubuntu host or in such a container")
    if not _KEYRING.is_file():
        raise ToolMissingError("debian-archive-keyring", "install it with `apt-get install debian-archive-keyring`")


class Apt:
    """apt-get with everything it reads and writes below one folder."""

    def __init__(
        self, folder: Path, platform: Platform, suite: str, roots: dict[str, str], kept: dict[str, str]
    ) -> None:
        self._status, self._architecture = folder / "status", platform.debian
        self._preferences = folder / "etc/preferences"
        self._environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
        for name in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        suites = [("debian", suite), ("debian", f"{suite}-updates"), ("debian-security", f"{suite}-security")]
        (folder / "etc/sources.list").write_text(
            "".join(f"deb [signed-by={_KEYRING}] {roots[archive]} {name} main\n" for archive, name in suites)
        )
        # Above 1000 apt takes the version even where a newer one is there (apt_preferences(5)).
        self._preferences.write_text(
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

    def set_installed(self, versions: Mapping[str, str]) -> None:
        """Take packages as installed at these versions, "" for any, whatever they depend on."""
        stanzas = self.run_cache("show", "--no-all-versions", *versions).split("\n\n")
        self._status.write_text(installed_status(stanzas, versions, self._architecture), encoding="utf-8")
        # Else apt takes the archive's own package of that very version for another, and would install it.
        with self._preferences.open("a", encoding="utf-8") as file:
            file.writelines(f"Package: {n}\nPin: release o=Debian\nPin-Priority: -1\n\n" for n in sorted(versions))

    def run_cache(self, *arguments: str) -> str:
        """Run apt-cache; give what it prints of what it knows."""
        command = ["apt-cache", "--quiet=2", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False).stdout

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


def parse_uris(listing: str, roots: dict[str, str]) -> Sequence[LockedFile]:
    """Return the files of what apt-get prints with ``--print-uris``; `roots` are archives' addresses by their names."""
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


def installed_status(stanzas: Iterable[str], versions: Mapping[str, str], architecture: str) -> str:
    """Return a status file of dpkg in which packages are installed at these versions, "" for any.

    `stanzas` are what the archive says of them: of that only what they provide is kept, since they are there whatever
    they depend on.
    """
    provides: dict[str, str] = dict(_PROVIDED)
    for stanza in stanzas:
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and not line.startswith(" "))
        if fields.get("Package") in versions and "Provides" in fields:
            provides[fields["Package"]] = fields["Provides"]
    written = []
    for name, version in sorted(versions.items()):
        lines = [f"Package: {name}", "Status: install ok installed", f"Architecture: {architecture}"]
        lines += ["Multi-Arch: foreign", f"Version: {version or '9999'}", "Maintainer: none", "Description: there"]
        lines += [f"Provides: {provides[name]}"] if name in provides else []
        written.append("\n".join(lines))
    return "\n\n".join(written) + "\n"
