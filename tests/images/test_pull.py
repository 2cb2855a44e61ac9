"""An image pulled from anywhere is inspected and checked with no source: from registries, archives and folders."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from env.formats.lock import find_lock, lock_name
from env.platforms import PLATFORMS, parse_platform
from env.spec import Tree
from env.store.store import Store
from images.cli.origin import opened
from images.oci.read import read_layout
from images.oci.unpack import unpack
from images.rootfs.bytecode import host as native
from tests.support.needs import cannot_run, require

from .conftest import images, small_recipe
from .containers import index_of, ran
from .registries import PASSWORD, USER, Proxy, htpasswd, proxied, registry, serving, token_server
from .test_push import NOBODY, built, pushed

HERE = (native() or PLATFORMS[0]).oci
LIVE_CHECK = """
[[check]]
id = "answers"
scope = "deploy"
http = "http://${CONTAINER_IP}:${HOST_PORT:8888}/api"
body = { contains = "version" }
"""


@pytest.fixture(scope="module")
def layout(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small image, which also promises that a server answers."""
    folder = tmp_path_factory.mktemp("pull")
    recipe = small_recipe(folder)
    part = recipe / "parts" / "hello" / "part.toml"
    part.write_text(part.read_text().replace("[config]", "[config]\nports = [8888]"))
    (recipe / "image.toml").write_text((recipe / "image.toml").read_text() + LIVE_CHECK)
    run = images("build", "--recipe", recipe, "--store", store.root, "--env", "wheels", "--output", folder / "layout")
    assert run.returncode == 0, run.stderr
    return folder / "layout"


@pytest.fixture(scope="module")
def host(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("registry")
    with registry(place) as address:
        pushed(layout, f"{address}/team/tiny:1", place)
        yield address


def asked(*arguments: object, store: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return images(*arguments, "--store", store, env=NOBODY | (env or {}))


def inspected(image: object, store: Path, *more: object) -> list[dict[str, Any]]:
    run = asked("inspect", image, "--json", *more, store=store)
    assert run.returncode == 0, run.stderr
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


def stored(store: Path) -> set[str]:
    """Return what a store holds besides the program that images are run with."""
    sandbox = {file.sha256 for file in find_lock(Tree(), lock_name("sandbox", native())).files}
    return {f"sha256:{path.name}" for path in (store / "sha256").glob("*/*") if path.name not in sandbox}


def outcomes(run: subprocess.CompletedProcess[str]) -> dict[str, str | None]:
    if why := cannot_run(run.returncode, run.stderr):
        pytest.skip(why)
    return {verdict["id"]: verdict["unmet"] for verdict in json.loads(run.stdout)}


def test_inspecting_a_registrys_image_fetches_none_of_its_layers(layout: Path, host: str, tmp_path: Path) -> None:
    there = read_layout(layout)
    for name in (f"{host}/team/tiny:1", f"docker://{host}/team/tiny@{index_of(layout)}"):
        found = inspected(name, tmp_path / "store")
        assert [one["Digest"] for one in found] == [image.digest for image in there.values()]
        assert [one["Architecture"] for one in found] == ["amd64", "arm64"]
        assert found[0]["Config"] == there[PLATFORMS[0]].config["config"]
        digests = [one["digest"] for one in there[PLATFORMS[1]].layers]
        assert [one["Digest"] for one in found[1]["LayersData"]] == digests
    layers = {one["digest"] for image in there.values() for one in image.layers}
    assert len(stored(tmp_path / "store")) == len(PLATFORMS)
    assert not stored(tmp_path / "store") & layers
    assert inspected(layout, tmp_path / "store") == found
    told = asked("inspect", f"{host}/team/tiny:1", "--platform", "linux/arm64", store=tmp_path / "store").stdout
    assert told.startswith(f"linux/arm64  {there[PLATFORMS[1]].digest}  ")
    assert "starts   /usr/bin/tini -- hello\n" in told
    assert "checks   4 at rest, 3 at work\n" in told


@pytest.mark.slow
def test_a_registrys_image_is_run_and_checked_and_pulled_only_once(host: str, tmp_path: Path) -> None:
    with proxied(host) as proxy:
        for downloads in (True, False):
            proxy.requests.clear()
            name = f"{proxy.address}/team/tiny:1"
            run = asked("check", name, "--platform", HERE, "--json", store=tmp_path / "store")
            met = outcomes(run)
            # No server is on the port that it says it has.
            assert {name for name, unmet in met.items() if unmet is not None} == {"answers"}
            assert {"greets", "is-not-root", "stops-on-sigterm"} <= set(met)
            assert (proxy.count("GET blobs") > 0) is downloads
    assert list((tmp_path / "store" / "partial").iterdir()) == []


def test_a_running_server_is_checked_by_what_the_registry_says_of_its_image(host: str, tmp_path: Path) -> None:
    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api" else 404)
            self.end_headers()
            self.wfile.write(b'{"version": "2"}')

        def log_message(self, *_: object) -> None:
            return

    with serving(Api) as port:
        live = ("--live", f"http://127.0.0.1:{port}", "--json")
        run = asked("check", f"{host}/team/tiny:1", *live, store=tmp_path / "store")
        assert run.returncode == 0, run.stderr
        verdicts = {verdict["id"]: verdict for verdict in json.loads(run.stdout)}
        assert (verdicts["answers"]["unmet"], verdicts["answers"]["skipped"]) == (None, None)
        assert verdicts["greets"]["skipped"] == "it looks inside the container"
    assert asked("check", f"{host}/team/tiny:1", *live, store=tmp_path / "store").returncode == 1
    assert len(stored(tmp_path / "store")) == len(PLATFORMS)


@pytest.mark.slow
def test_archives_of_every_kind_are_images_too(layout: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    whole, one = tmp_path / "tiny.oci.tar", tmp_path / "tiny.docker.tar"
    assert images("export", layout, "--output", whole).returncode == 0
    docker = ("--format", "docker-archive", "--platform", HERE)
    assert images("export", layout, *docker, "--output", one).returncode == 0
    assert inspected(whole, store) == inspected(layout, store)
    packed = tmp_path / "tiny.tar.gz"
    packed.write_bytes(gzip.compress(one.read_bytes(), 1))
    for archive in (one, packed):
        (found,) = inspected(archive, store)
        assert f"{found['Os']}/{found['Architecture']}" == HERE
        assert tuple(found["RootFS"]["Layers"]) == read_layout(layout)[parse_platform(HERE)].diff_ids
    met = outcomes(asked("check", one, "--json", store=store))
    assert {name for name, unmet in met.items() if unmet is not None} == {"answers"}
    assert stored(store) == set()


def test_images_that_older_tools_pushed_are_read_and_unpacked(store: Store, host: str, tmp_path: Path) -> None:
    require("skopeo")
    layout = built(store, tmp_path, "gzip")
    copy = ("skopeo", "--insecure-policy", "copy", "--all", "--format=v2s2", "--dest-tls-verify=false")
    ran(*copy, f"oci:{layout}:tiny", f"docker://{host}/older:1")
    assert [one["Architecture"] for one in inspected(f"{host}/older:1", tmp_path / "store")] == ["amd64", "arm64"]
    root = tmp_path / "root"
    root.mkdir()
    with opened(f"{host}/older:1", None, Store(tmp_path / "store"), Console(stderr=True)) as origin:
        unpack(read_layout(origin.layout)[PLATFORMS[1]], root)
    assert (root / "usr" / "local" / "bin" / "hello").is_file()


def faulty(host: str, tmp_path: Path, *faults: str) -> tuple[subprocess.CompletedProcess[str], Proxy]:
    with proxied(host) as proxy:
        proxy.faults = {"GET blobs": list(faults)}
        name = f"{proxy.address}/team/tiny:1"
        return asked("check", name, "--platform", HERE, "--json", store=tmp_path / "store"), proxy


@pytest.mark.slow
def test_a_pull_gets_through_a_bad_line_and_content_that_was_damaged(host: str, tmp_path: Path) -> None:
    run, proxy = faulty(host, tmp_path, "cut", "drop", "503", "other", "cut")
    assert "answers" in outcomes(run)
    assert proxy.faults["GET blobs"] == []


def test_content_that_is_never_right_is_not_used(host: str, tmp_path: Path) -> None:
    run, _ = faulty(host, tmp_path, "other!")
    assert run.returncode == 76
    assert run.stderr.count("\n") == 1
    assert "has another digest: it is not used" in run.stderr
    assert stored(tmp_path / "store") == set()


def test_what_is_not_there_is_one_clear_line(host: str, layout: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("not an archive")
    odd = tmp_path / "odd.tar"
    ran("tar", "-cf", odd, "-C", tmp_path, "text")
    for code, what, message in (
        (66, f"{host}/team/tiny:2", "check its name and its tag or digest"),
        (66, f"{host}/team/tiny@sha256:{'0' * 64}", "check its name and its tag or digest"),
        (2, f"{host}/team/tiny", "names no tag"),
        (2, f"{host}/team/tiny@sha256:0", "has a digest that is no sha256"),
        (2, "team/tiny", "unknown image 'team/tiny'"),
        (65, text, "is no archive of an image"),
        (65, odd, "holds neither an OCI image layout nor an image that docker saved"),
    ):
        run = asked("inspect", what, store=tmp_path / "store")
        assert (run.returncode, run.stderr.count("\n")) == (code, 1), run.stderr
        assert message in run.stderr
    only = f"{host}/team/only:1"
    pushed(layout, only, tmp_path, "--platform", "linux/amd64")
    run = asked("inspect", only, "--platform", "linux/arm64", store=tmp_path / "store")
    assert run.returncode == 2
    assert f"{only} holds no image for linux/arm64: it has linux/amd64" in run.stderr


def test_a_password_is_needed_to_pull_where_the_registry_says_so(layout: Path, tmp_path: Path) -> None:
    logins = tmp_path / "auth.json"
    with registry(tmp_path / "registry", htpasswd(tmp_path)) as address:
        ran("python3", "-c", LOGIN, logins, address, f"{USER}:{PASSWORD}")
        env = {"REGISTRY_AUTH_FILE": str(logins)}
        pushed(layout, f"{address}/team/tiny:1", tmp_path, env=env)
        denied = asked("inspect", f"{address}/team/tiny:1", store=tmp_path / "store")
        assert denied.returncode == 77
        assert "does not let nobody who has not logged in pull from team/tiny: run `podman login" in denied.stderr
        assert asked("inspect", f"{address}/team/tiny:1", store=tmp_path / "store", env=env).returncode == 0


LOGIN = """
import base64, json, sys
file, host, login = sys.argv[1:]
open(file, "w").write(json.dumps({"auths": {host: {"auth": base64.b64encode(login.encode()).decode()}}}))
"""


def test_a_token_to_pull_is_all_that_is_asked_for(tmp_path: Path) -> None:
    with token_server(tmp_path / "tokens") as tokens, registry(tmp_path / "registry", tokens.auth) as address:
        run = asked("inspect", f"{address}/team/tiny:1", store=tmp_path / "store")
        assert run.returncode == 66, run.stderr
        assert {scope for query in tokens.asked for scope in query["scope"]} == {"repository:team/tiny:pull"}
