"""A new Debian in a folder: Python with venv, certificates, and nothing else; no list of apt's was downloaded.

It is entered with bubblewrap: images are run in it, and a process in a mere chroot may make no user namespace.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from env.resolve.debian import VARIABLES, archive_root
from env.store.store import Store
from images.check.bubblewrap import bubblewrap

PACKAGES = ("python3", "python3-venv", "ca-certificates")
PERSON = 1000
HOMES = {0: "/root", PERSON: "/home/person"}
KEPT = re.compile(r"^(PIP_|UV_|SSL_CERT|REQUESTS_CA|CURL_CA|DEBIAN_|JUPYTER_MCP_CONDA_RECORDS|\w+_(proxy|PROXY)$)")
"""The variables that say where this host's registries are and whom it trusts: its neighbours have them too."""
MADE = (".noxw", ".nox", "dist")
SCRIPTS = Path("/usr/share/debootstrap/scripts")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def debian(release: str, place: Path) -> Path:
    """Return a new Debian of a release in `place`, made with debootstrap from this host's own archive."""
    root = place / release
    if not (root / "made").is_file():
        shutil.rmtree(root, ignore_errors=True)
        words = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", release, str(root)]
        # An older debootstrap does not know a newer release; Debian's are all made as unstable is.
        script = [] if (SCRIPTS / release).exists() or not (SCRIPTS / "sid").exists() else [str(SCRIPTS / "sid")]
        subprocess.run([*words, archive_root("debian"), *script], check=True, stdout=sys.stderr)
        (root / "made").touch()
    for downloaded in (root / "var/lib/apt/lists").glob("*_*"):
        downloaded.unlink()
    lines = []
    for archive in VARIABLES:
        suite = release if archive == "debian" else f"{release}-security"
        lines.append(f"deb {archive_root(archive)} {suite} main\n")
    (root / "etc/apt/sources.list").write_text("".join(lines))
    for file in ("/etc/resolv.conf", "/etc/hosts", str(CERTIFICATES)):
        if Path(file).is_file():
            shutil.copyfile(file, f"{root}{file}")
    return root


@dataclass(frozen=True)
class Machine:
    """One machine for one user, with a checkout of its own in their home."""

    root: Path
    uid: int
    checkout: Path
    """Where this host has the machine's checkout."""
    shared: tuple[Path, ...] = ()
    """Folders of this host that are seen read-only there: what local registries serve."""
    environment: Mapping[str, str] | None = None

    @property
    def home(self) -> str:
        """The user's home, inside."""
        return HOMES[self.uid]

    def run(self, *words: str) -> tuple[int, float]:
        """Run a command of the checkout as a shell's background job; return its exit code and the seconds it took."""
        enter = [*bubblewrap(Store(), Console(stderr=True)), "--bind", str(self.root), "/", "--dev", "/dev"]
        enter += ["--proc", "/proc", "--ro-bind", "/sys", "/sys", "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108
        enter += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--cap-add", "ALL"]
        enter += ["--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108 - the semaphores of every user's programs
        for folder in self.shared:
            enter += ["--ro-bind", str(folder), str(folder)]
        enter += ["--chdir", f"{self.home}/checkout", "--clearenv", "--setenv", "HOME", self.home]
        enter += ["--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"]
        for name, value in (self.environment or {}).items():
            enter += ["--setenv", name, value]
        # bubblewrap's own /proc hides parts, and a kernel that finds one like that lets no process below mount another.
        enter += ["sh", "-c", 'mount -t proc proc /proc && exec "$@"', "sh"]
        if self.uid:
            enter += ["setpriv", "--reuid", str(self.uid), "--regid", str(self.uid), "--clear-groups"]
            enter += ["--inh-caps=-all", "--bounding-set=-all"]
        started = time.monotonic()
        with subprocess.Popen([*enter, *words], preexec_fn=_in_the_background) as process:  # noqa: PLW1509 - one thread
            code = process.wait()
        return code, time.monotonic() - started


def machine(root: Path, uid: int, source: Path, *, keep: bool = False) -> Machine:
    """Make a new home for the user with what git has of `source` in it; `keep` leaves what the last run made there."""
    home = root / HOMES[uid].lstrip("/")
    if not keep:
        shutil.rmtree(home, ignore_errors=True)
    checkout = home / "checkout"
    checkout.mkdir(parents=True, exist_ok=True)
    _empty(checkout)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=source, capture_output=True, check=True)
    for name in map(os.fsdecode, listed.stdout.split(b"\0")):
        if name and (source / name).exists():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, checkout / name, follow_symlinks=False)
    _add_user(root, uid)
    for path in (home, *home.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)
    settings = dict(_settings())
    for folder in _folders(settings.values()):
        # bubblewrap would make the folder that a file is mounted in for root alone.
        (root / str(folder.parent).lstrip("/")).mkdir(parents=True, exist_ok=True)
    return Machine(root, uid, checkout, tuple(_folders(settings.values())), settings)


def _empty(checkout: Path) -> None:
    """Remove what git had, which may be other files by now; what ./noxw and builds have made stays."""
    for path in checkout.iterdir():
        if path.name in MADE:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _add_user(root: Path, uid: int) -> None:
    passwd = root / "etc/passwd"
    if uid and f":{uid}:" not in passwd.read_text():
        with passwd.open("a") as file:
            file.write(f"person:x:{uid}:{uid}::{HOMES[uid]}:/bin/bash\n")
        with (root / "etc/group").open("a") as file:
            file.write(f"person:x:{uid}:\n")


def _settings() -> Iterator[tuple[str, str]]:
    """Yield variables that say what this host's environment and pip's configuration say of registries."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.startswith(("global.", "user.", "site.")):
            yield f"PIP_{key.partition('.')[2].upper().replace('-', '_')}", value.strip("'")
    yield from ((name, value) for name, value in os.environ.items() if KEPT.match(name))


def _folders(values: Iterable[str]) -> Iterator[Path]:
    """Yield the folders and files of this host that are named in settings, and are not the machine's own."""
    for word in dict.fromkeys(" ".join(values).split()):
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists() and not path.is_relative_to("/etc/ssl"):
            # An index links to files beside it.
            yield path.parent if path.name == "simple" else path


def _in_the_background() -> None:
    # As a shell without job control starts `command &`, and nohup besides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
