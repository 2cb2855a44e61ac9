"""`check` of an image from anywhere: nothing of this host changes, and it ends with one line and its exit code."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from env.platforms import PLATFORMS
from images.errors import RecipeError
from images.recipe.checks import LABEL, from_label
from images.rootfs.bytecode import host
from tests.support.layouts import archive, layout, snapshot
from tests.support.needs import cannot_run
from tests.support.programs import entries

from .conftest import images

PROGRAMS = ("sh", "cat", "mkdir", "ln", "sleep", "mv", "rm", "touch")
ARCHITECTURE = (host() or PLATFORMS[0]).architecture


@pytest.fixture(scope="module")
def programs() -> bytes:
    """The layer with a shell."""
    return archive(*entries(*PROGRAMS), ("etc/passwd", b"root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/home/n:\n"))


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of this host that images aim at."""
    folder = tmp_path / "victim"
    (folder / "inner").mkdir(parents=True)
    (folder / "file").write_text("alive")
    return folder


def build(**check: Any) -> dict[str, Any]:
    return {"id": "c", "scope": "build", **check}


def deploy(**check: Any) -> dict[str, Any]:
    return {"id": "c", "scope": "deploy", **check}


def sh(script: str, **more: Any) -> dict[str, Any]:
    return build(command=["/bin/sh", "-c", script], **more)


def check(
    place: Path, *layers: bytes, config: dict[str, Any] | None = None, checks: list[dict[str, Any]] | None = None
) -> tuple[int, dict[str, Any], str]:
    """Check an image of these; return the exit code, what was found by check, and what was said."""
    settings = {"Env": ["PATH=/bin"], **(config or {})}
    if checks is not None:
        scopes = {"build": "image", "deploy": "deploy"}
        label: dict[str, list[Any]] = {}
        for number, one in enumerate(checks):
            label.setdefault(scopes[one["scope"]], []).append({**one, "id": f"{one['id']}{number}"})
        settings["Labels"] = {LABEL: json.dumps(label)}
    folder = layout(place / "layout", *layers, config=settings, architecture=ARCHITECTURE)
    run = images("check", folder, "--json", "--store", os.environ.get("JUPYTER_MCP_STORE") or default_store())
    if why := cannot_run(run.returncode, run.stderr):
        pytest.skip(why)
    assert "Traceback" not in run.stderr, run.stderr
    found = json.loads(run.stdout) if run.stdout else []
    return run.returncode, {one["id"]: one["unmet"] for one in found}, run.stderr


def default_store() -> Path:
    from env.store.store import default_root  # noqa: PLC0415

    return default_root()


@pytest.fixture(autouse=True)
def nothing_changes(victim: Path) -> Iterator[None]:
    """Whatever an image does, the folder that it aims at is as it was."""
    before = snapshot(victim)
    yield
    assert snapshot(victim) == before


@pytest.mark.parametrize("via", ["", "/oldroot"])
def test_a_home_that_is_a_link_out_is_not_bound(programs: bytes, tmp_path: Path, victim: Path, via: str) -> None:
    """bubblewrap has this host's files below /oldroot while it mounts."""
    links = archive(("home/n", f"-> {via}{victim}"), ("data", f"-> {via}{victim}"))
    config = {"User": "nobody", "Env": ["PATH=/bin", "HOME=/home/n"], "Volumes": {"/data": {}, "/data/inner/new": {}}}
    wrote = [sh("echo evil >$HOME/file"), sh("echo evil >/data/file"), sh("mkdir /data/x/y")]
    code, _, said = check(tmp_path, programs, links, config=config, checks=wrote)
    assert code in (0, 1), said


@pytest.mark.parametrize("names", [("tmp", "var/tmp", "proc", "dev", "run", "etc", "home"), ("var", "run/secrets")])
def test_a_mount_point_that_is_a_link_out_makes_nothing_there(
    programs: bytes, tmp_path: Path, victim: Path, names: tuple[str, ...]
) -> None:
    # The first layer has an /etc, which must be something else before it can be a link.
    links = archive(("etc", "-> x")), archive(*((name, f"-> /oldroot{victim}") for name in names))
    config = {"Env": ["PATH=/bin", "HOME=/home/new"], "Volumes": {"/home/new": {}, "/run/volume": {}}}
    config["WorkingDir"] = "/home/work"
    code, unmet, said = check(tmp_path, programs, *links, config=config, checks=[sh("true")])
    assert (code, unmet) == (0, {"c0": None}), said


@pytest.mark.parametrize("where", ["/tmp/build/app", "/nowhere/yet", "/data/in"])  # noqa: S108 - inside
def test_a_working_folder_is_made_wherever_it_is(programs: bytes, tmp_path: Path, where: str) -> None:
    config = {"WorkingDir": where, "Volumes": {"/data": {}}}
    code, unmet, said = check(tmp_path, programs, config=config, checks=[sh(f'test "$PWD" = {where}')])
    assert (code, unmet) == (0, {"c0": None}), said


def test_a_running_image_can_not_lead_the_next_mount_out(programs: bytes, tmp_path: Path, victim: Path) -> None:
    loop = f"while :; do mv /run/secrets /run/s; ln -s /oldroot{victim} /run/secrets; rm /run/secrets; done"
    config = {"Volumes": {"/run": {}}, "Entrypoint": ["/bin/sh", "-c", f"trap 'exit 0' TERM; {loop}"]}
    beside = [deploy(command=["/bin/sh", "-c", "cat /run/secrets/jupyter-token"]) for _ in range(4)]
    code, _, said = check(tmp_path, programs, config=config, checks=beside)
    assert code in (0, 1), said


def test_nothing_but_the_home_the_volumes_and_tmp_is_writable(programs: bytes, tmp_path: Path) -> None:
    config = {"User": "nobody", "Volumes": {"/data": {}, "/data/more": {}}, "Env": ["PATH=/bin", "HOME=/home/n"]}
    writable = ["/data/x", "/data/more/x", "/tmp/x", "/var/tmp/x", "/home/n/x"]  # noqa: S108 - inside
    others = ["/x", "/bin/x", "/etc/x", "/run/secrets/x", "/run/secrets/jupyter-token"]
    tried = [sh(f"touch {path}") for path in writable]
    tried += [sh(f"echo evil >{path}", **{"exit-code": 2}) for path in others]
    code, unmet, said = check(tmp_path, programs, archive(("home/n", None)), config=config, checks=tried)
    assert code == 0, (unmet, said)


def test_an_image_sees_neither_this_hosts_files_nor_its_variables(
    programs: bytes, tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THIS_HOST", "1")
    tried = [
        sh(f"cat {victim}/file || cat /oldroot{victim}/file || cat /proc/1/root{victim}/file", **{"exit-code": 1}),
        sh('[ -z "$SECRET_OF_THIS_HOST" ]'),
        sh("! cat", stdout={"contains": ""}),
        sh("for one in /proc/self/fd/*; do case $one in */[0-2]) ;; *) cat $one/. && exit 9 ;; esac; done; true"),
    ]
    tried[2] = sh('[ -z "$(cat)" ]')
    code, unmet, said = check(tmp_path, programs, checks=tried)
    assert code == 0, (unmet, said)


def test_no_check_reaches_a_server_of_this_host(programs: bytes, tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - http.server's name

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_port
    tried = [
        build(http=f"http://127.0.0.1:{port}/at-rest"),
        deploy(http=f"http://127.0.0.1:{port}/at-work"),
        deploy(http=f"http://localhost:{port}/by-name", method="POST"),
        deploy(addr=f"127.0.0.1:{port}"),
        deploy(mcp=f"http://127.0.0.1:{port}/mcp", do="ping"),
    ]
    config = {"Entrypoint": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]}
    code, unmet, said = check(tmp_path, programs, config=config, checks=tried)
    server.shutdown()
    server.server_close()
    assert code == 1, said
    assert asked == []
    assert all(unmet[f"c{number}"] for number in range(len(tried)))
    assert "is at rest" in unmet["c0"]
    assert unmet["stops-on-sigterm"] is None


def test_a_socket_of_this_host_is_not_taken_for_supervisords(programs: bytes, tmp_path: Path) -> None:
    place = Path(f"/tmp/s-{os.getpid()}")  # noqa: S108 - a socket's address is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        server.listen()
        server.settimeout(0.1)
        try:
            script = f"ln -s {place} /tmp/supervisor.sock; trap 'exit 0' TERM; while :; do sleep 0.1; done"
            config = {"Entrypoint": ["/bin/sh", "-c", script]}
            tried = [deploy(service="x"), deploy(service="x", within=1)]
            code, unmet, said = check(tmp_path, programs, config=config, checks=tried)
            assert code == 1, said
            assert "supervisord can't be asked" in unmet["c1"]
            with pytest.raises(TimeoutError):
                server.accept()
        finally:
            place.unlink()


def test_files_are_looked_at_inside_the_image(programs: bytes, tmp_path: Path, victim: Path) -> None:
    inside = archive(
        ("real/file", b"the image's"), ("etc/link", "-> /real/file"), ("var/run", "-> /real"),
        ("out", f"-> {victim}"), ("out-file", f"-> {victim}/file"), ("up", "-> ../../../../../../real"),
    )  # fmt: skip
    tried = [
        build(file="/etc/link", type="link", contains="the image's"),
        build(file="/var/run/file", contains="the image's"),
        build(file="/up/file", contains="the image's"),
        build(file="/out/file", contains="alive"),
        build(file="/out-file", type="link", contains="alive"),
        build(file="/../../real/file"),
        build(file="/real/a\0b"),
    ]
    _, unmet, said = check(tmp_path, programs, inside, checks=tried)
    assert [unmet[f"c{number}"] is None for number in range(7)] == [True, True, True, False, False, True, False], said


def test_hostile_checks_each_end_with_what_was_found(programs: bytes, tmp_path: Path) -> None:
    tried = [
        # More than is kept of what is printed, and not a test's two minutes.
        sh("n=0; while [ $n -lt 20 ]; do cat /bin/*; n=$((n+1)); done; exit 1"),
        sh("printf 'a\\033[2Jb\\nc' >&2; exit 1"),
        sh("echo 'bwrap: no such thing' >&2; exit 0"),
        build(command=["/bin/nothing"]),
        build(command=["/bin/a\0b"]),
        build(file="${" * 1000),
    ]
    code, unmet, said = check(tmp_path, programs, checks=tried)
    assert code == 1, said
    assert [unmet[f"c{number}"] is None for number in range(6)] == [False, False, True, False, False, False], unmet
    assert "\033" not in said


@pytest.mark.parametrize(
    ("checks", "code"), [([build(command=["/bin/sh", "x" * 300_000])], 71), ([build(file="/x", within=1e300)], 65)]
)
def test_a_hostile_label_ends_with_its_code(
    programs: bytes, tmp_path: Path, checks: list[dict[str, Any]], code: int
) -> None:
    actual, _, said = check(tmp_path, programs, checks=checks)
    assert actual == code, said
    assert len([line for line in said.splitlines() if line.startswith("error:")]) == 1


def test_what_is_left_of_an_image_is_removed_however_deep(programs: bytes, tmp_path: Path) -> None:
    # Deeper than a path may be long, and than Python calls itself.
    volume = f"data-{secrets.token_hex(8)}"
    way = "/".join("d" * 500)
    script = f"cd /{volume}; for n in 1 2 3 4 5 6; do mkdir -p {way} && cd {way} || exit 9; done; mkdir -m 0 locked"
    code, _, said = check(tmp_path, programs, config={"Volumes": {f"/{volume}": {}}}, checks=[sh(script)])
    assert code in (0, 1), said
    assert not list((default_store() / "partial").glob(f"scratch-*/root/{volume}"))


@pytest.mark.parametrize(
    "labelled",
    [
        [build(package="x", version="=!=")], [build(file="/x")] * 1001, [build(file="/x", within=1e300)],
        [build()], [{}], [None], [[]],
    ],
)  # fmt: skip
def test_a_label_that_is_none_is_refused_before_anything_runs(labelled: list[Any]) -> None:
    with pytest.raises(RecipeError):
        from_label(json.dumps({"image": labelled}), "an image")
