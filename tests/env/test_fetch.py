"""Fetching from a real server on loopback that behaves badly in the ways servers do."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from env.errors import DownloadCorruptError, DownloadRefusedError, NoNetworkError, PackageGoneError, StoreCorruptError
from env.formats.lock import Lock, LockedFile, read_lock, write_lock
from env.platforms import AMD64, ARM64
from env.spec import LOCKS
from env.store.fetch import fetch
from env.store.store import Store
from env.store.upkeep import contents, damaged
from tests.killing import MOMENTS, killed, moments
from tests.support.needs import needs, no_namespaces

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Mirror:
    """Files below /debian/, and what goes wrong with them."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    """By path, what happens to its next requests: a status, ``drop`` (half of it), ``slow`` or ``garbage``."""
    ranges: bool = True
    pause_s: float = 0
    """After each 64 KiB of an answer."""
    requests: list[tuple[str, str | None, int]] = field(default_factory=list)
    """Path, Range header and status of each request."""
    url: str = ""

    def locked(self, name: str, content: bytes) -> LockedFile:
        path = f"pool/main/{name}_1+2~3_all.deb"
        self.files[path] = content
        digest = hashlib.sha256(content).hexdigest()
        return LockedFile(name, "1+2~3", path, digest, len(content), "debian")


def handler_of(  # noqa: C901 - one fault after the other
    mirror: Mirror, release: threading.Event
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            path = self.path.removeprefix("/debian/").replace("%2B", "+").replace("%7E", "~")
            pending = mirror.faults.get(path, [])
            fault = pending.pop(0) if pending else ""
            asked = self.headers.get("Range")
            if fault.isdecimal() or path not in mirror.files:
                self.answer(int(fault or 404), b"", path, asked)
                return
            body = mirror.files[path]
            if fault == "garbage":
                body = b"x" * len(body)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and mirror.ranges else 0
            headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
            self.answer(206 if start else 200, body[start:], path, asked, fault, headers)

        def answer(
            self,
            status: int,
            body: bytes,
            path: str,
            asked: str | None,
            fault: str = "",
            headers: dict[str, str] | None = None,
        ) -> None:
            mirror.requests.append((path, asked, status))
            self.send_response(status)
            for key, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
                self.send_header(key, value)
            if status in (429, 503):
                self.send_header("Retry-After", "0")
            self.end_headers()
            if fault in ("drop", "slow"):
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                if fault == "slow":
                    release.wait(60)
                self.close_connection = True
                return
            with suppress(ConnectionError):
                for start in range(0, len(body), 1 << 16):
                    self.wfile.write(body[start : start + (1 << 16)])
                    release.wait(mirror.pause_s)

    return Handler


class Server(ThreadingHTTPServer):
    """A server whose clients may go in the midst of an answer."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    served = Mirror()
    release = threading.Event()
    server = Server(("127.0.0.1", 0), handler_of(served, release))
    served.url = f"http://127.0.0.1:{server.server_port}/debian"
    monkeypatch.setenv("DEBIAN_MIRROR", served.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield served
    release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def console() -> Console:
    return Console(file=StringIO())


def lock_of(*files: LockedFile) -> Lock:
    return Lock("debian", AMD64, "0" * 64, files)


def test_every_file_arrives_once_though_both_platforms_name_it(mirror: Mirror, store: Store) -> None:
    files = [mirror.locked(f"p{number}", os.urandom(1000 + number)) for number in range(30)]
    fetch([lock_of(*files), Lock("debian", ARM64, "0" * 64, tuple(files))], store, console=console())
    assert [store.verified(file.sha256, file.name).stat().st_size for file in files] == [file.size for file in files]
    assert set(Counter(path for path, _, _ in mirror.requests).values()) == {1}
    assert list(store.partial.iterdir()) == []


def test_nothing_is_asked_of_the_server_when_all_is_there(mirror: Mirror, store: Store) -> None:
    lock = lock_of(mirror.locked("a", b"content"))
    fetch([lock], store, console=console())
    mirror.requests.clear()
    fetch([lock], store, console=console())
    assert mirror.requests == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_dropped_connection_is_resumed_or_begun_again(mirror: Mirror, store: Store, *, ranges: bool) -> None:
    file = mirror.locked("a", os.urandom(1 << 20))
    mirror.ranges = ranges
    mirror.faults[file.file] = ["drop"]
    fetch([lock_of(file)], store, console=console())
    store.verified(file.sha256, file.name)
    assert mirror.requests[1] == (file.file, f"bytes={1 << 19}-", 206 if ranges else 200)


@pytest.mark.parametrize("status", ["429", "503"])
def test_a_busy_server_is_asked_again(mirror: Mirror, store: Store, status: str) -> None:
    file = mirror.locked("a", b"content")
    mirror.faults[file.file] = [status, status]
    fetch([lock_of(file)], store, console=console())
    store.verified(file.sha256, file.name)
    assert [answer for _, _, answer in mirror.requests] == [int(status), int(status), 200]


def test_a_server_that_stays_busy_is_named_with_its_status(mirror: Mirror, store: Store) -> None:
    file = mirror.locked("a", b"content")
    mirror.faults[file.file] = ["503"] * 50
    with pytest.raises(DownloadRefusedError, match="503"):
        fetch([lock_of(file)], store, console=console())


def test_a_superseded_package_offers_the_upgrade(mirror: Mirror, store: Store) -> None:
    file = mirror.locked("a", b"content")
    mirror.files.clear()
    with pytest.raises(PackageGoneError, match="lock -- base --upgrade"):
        fetch([lock_of(file)], store, console=console())


@pytest.mark.slow
def test_wrong_content_is_fetched_again_and_never_enters(mirror: Mirror, store: Store) -> None:
    file = mirror.locked("a", b"content")
    mirror.faults[file.file] = ["garbage"]
    fetch([lock_of(file)], store, console=console())
    store.verified(file.sha256, file.name)
    mirror.faults[file.file] = ["garbage"] * 50
    store.path(file.sha256).unlink()
    with pytest.raises(DownloadCorruptError):
        fetch([lock_of(file)], store, console=console())
    assert file.sha256 not in store


def test_a_store_file_of_another_size_is_replaced(mirror: Mirror, store: Store) -> None:
    file = mirror.locked("a", b"content")
    fetch([lock_of(file)], store, console=console())
    store.path(file.sha256).write_bytes(b"cut")
    fetch([lock_of(file)], store, console=console())
    store.verified(file.sha256, file.name)


def test_check_replaces_what_only_its_digest_gives_away(mirror: Mirror, store: Store) -> None:
    file = mirror.locked("a", b"content")
    fetch([lock_of(file)], store, console=console())
    store.path(file.sha256).write_bytes(b"CONTENT")
    fetch([lock_of(file)], store, console=console())
    with pytest.raises(StoreCorruptError):
        store.verified(file.sha256, file.name)
    fetch([lock_of(file)], store, console=console(), check=True)
    store.verified(file.sha256, file.name)


@pytest.mark.slow
def test_no_server_is_told_with_the_ways_out(mirror: Mirror, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    file = mirror.locked("a", b"content")
    monkeypatch.setenv("DEBIAN_MIRROR", "http://127.0.0.1:9/debian")
    with pytest.raises(NoNetworkError, match="DEBIAN_MIRROR"):
        fetch([lock_of(file)], store, console=console())


FETCH = """
import sys
from pathlib import Path
from rich.console import Console
from env.cli.command import run
from env.store.fetch import fetch
from env.formats.lock import Lock, LockedFile, read_lock, write_lock
from env.platforms import AMD64
from env.store.store import Store
root, name, path, sha256, size = sys.argv[1:]
lock = Lock("debian", AMD64, "0" * 64, (LockedFile(name, "1", path, sha256, int(size), "debian"),))
console = Console(stderr=True)
sys.exit(run(lambda: fetch([lock], Store(Path(root)), console=console), console))
"""


def command(store: Store, file: LockedFile) -> list[str]:
    return [sys.executable, "-c", FETCH, str(store.root), file.name, file.file, file.sha256, str(file.size)]


def interrupted(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    try:
        # Half of what a server is waited for: a fetch that goes on waiting is still there then.
        return process.communicate(timeout=15)[1]
    finally:
        process.kill()


def test_ctrl_c_keeps_what_came_and_the_next_run_goes_on(mirror: Mirror, store: Store) -> None:
    file = mirror.locked("a", os.urandom(4 << 20))
    mirror.faults[file.file] = ["slow"]
    partial = store.partial / file.sha256
    process = subprocess.Popen(command(store, file), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (partial.exists() and partial.stat().st_size == file.size // 2):
        threading.Event().wait(0.02)
    errors = interrupted(process)
    assert process.returncode == 130, errors
    assert file.sha256 not in store
    assert "Traceback" not in errors
    fetch([lock_of(file)], store, console=console())
    store.verified(file.sha256, file.name)
    assert mirror.requests[-1] == (file.file, f"bytes={file.size // 2}-", 206)


@contextmanager
def silent_server(*, accepts: bool) -> Iterator[int]:
    """Listen on a port of loopback and never say a word; one that does not accept leaves connections half-made."""
    with socket.create_server(("127.0.0.1", 0), backlog=0 if not accepts else 5) as server, ExitStack() as others:
        if not accepts:
            # Linux lets one more wait than is asked for.
            for _ in range(2):
                full = others.enter_context(socket.socket())
                full.setblocking(False)
                full.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("scheme", "accepts"),
    [("http", True), ("https", True), ("http", False)],
    ids=["no answer", "no handshake", "no connection"],
)
def test_ctrl_c_ends_a_fetch_that_waits_for_a_silent_server_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, scheme: str, *, accepts: bool
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    content = b"content"
    file = LockedFile("a", "1", "a.deb", hashlib.sha256(content).hexdigest(), len(content), "debian")
    with silent_server(accepts=accepts) as port:
        monkeypatch.setenv("DEBIAN_MIRROR", f"{scheme}://127.0.0.1:{port}/debian")
        process = subprocess.Popen(command(store, file), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not (store.partial / file.sha256).exists():
            threading.Event().wait(0.02)
        errors = interrupted(process)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert list(store.partial.iterdir()) == []


def test_a_failure_does_not_wait_for_files_whose_server_is_silent(
    mirror: Mirror, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    slow = mirror.locked("a", os.urandom(4 << 20))
    gone = mirror.locked("b", b"content")
    mirror.faults[slow.file] = ["slow"]
    del mirror.files[gone.file]
    ended: list[BaseException] = []

    def run() -> None:
        try:
            fetch([lock_of(slow, gone)], store, console=console())
        except PackageGoneError as error:
            ended.append(error)

    fetching = threading.Thread(target=run, daemon=True)
    fetching.start()
    fetching.join(15)
    assert ended, "it waits"
    assert capfd.readouterr().err == ""


FETCH_SET = """
import sys
from pathlib import Path
from rich.console import Console
from env.cli.command import run
from env.store.fetch import fetch
from env.formats.lock import read_lock
from env.store.store import Store
locks = [read_lock(path) for path in sorted(Path(sys.argv[2]).glob("*.lock"))]
console = Console(stderr=True)
sys.exit(run(lambda: fetch(locks, Store(Path(sys.argv[1])), console=console), console))
"""


def killed_ten_times(locks: Sequence[Lock], tmp_path: Path) -> None:
    for lock in locks:
        write_lock(lock, tmp_path / "locks")
    files = {file.sha256: file for lock in locks for file in lock.files}
    words = [sys.executable, "-c", FETCH_SET]
    began = time.monotonic()
    subprocess.run([*words, tmp_path / "undisturbed", tmp_path / "locks"], cwd=REPOSITORY, check=True)
    ended_early = 0
    for number, moment in enumerate(moments(time.monotonic() - began)):
        store = Store(tmp_path / f"store-{number}")
        arguments = [*words, str(store.root), str(tmp_path / "locks")]
        ended_early += not killed(arguments, moment, cwd=REPOSITORY)
        assert damaged(store, lambda _: None) == []
        subprocess.run(arguments, cwd=REPOSITORY, check=True)
        for file in files.values():
            store.verified(file.sha256, file.name)
        assert {path.name for path in contents(store)} == set(files)
        assert list(store.partial.iterdir()) == []
        shutil.rmtree(store.root)
    assert ended_early <= MOMENTS // 2, "too few were killed: the machine was busier when it was measured"


@pytest.mark.slow
def test_a_fetch_killed_at_ten_moments_brings_every_file_in_the_end(mirror: Mirror, tmp_path: Path) -> None:
    mirror.pause_s = 0.05
    small = [mirror.locked(f"p{number}", os.urandom(5000 + number)) for number in range(20)]
    large = [mirror.locked(f"q{number}", os.urandom(700_000 + number)) for number in range(8)]
    killed_ten_times([lock_of(*small, *large)], tmp_path)
    assert any(asked for _, asked, _ in mirror.requests), "no download went on where it stopped"


@pytest.mark.long
@pytest.mark.network
@pytest.mark.timeout(1800)
def test_a_fetch_from_the_registries_killed_at_ten_moments_brings_every_file_in_the_end(tmp_path: Path) -> None:
    chosen = []
    for name, largest in (("debian-linux-amd64.lock", 2_000_000), ("wheels-linux-arm64.lock", 4_000_000)):
        lock = read_lock(LOCKS / name)
        files = sorted((file for file in lock.files if file.size < largest), key=lambda file: -file.size)
        chosen.append(replace(lock, files=tuple(files[:8])))
    killed_ten_times(chosen, tmp_path)


@needs("unshare")
def test_a_full_disk_is_named_and_the_next_run_goes_on(mirror: Mirror, tmp_path: Path) -> None:
    file = mirror.locked("a", os.urandom(4 << 20))
    small = Store(tmp_path / "small")
    small.root.mkdir()
    script = f'mount -t tmpfs -o size=1m none "{small.root}" && exec "$@"'
    run = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *command(small, file)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in run.stderr or "mount:" in run.stderr:
        no_namespaces(run.stderr)
    assert run.returncode == 74, run.stderr
    assert "no space left" in run.stderr
