"""Into a real registry, through lines that drop and servers that refuse, and back with the same digests."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from env.platforms import AMD64
from env.store.store import Store
from images.oci.contents import read_contents
from images.oci.layout import INDEX_TYPE, MANIFEST_TYPE
from tests.support.needs import require

from .conftest import REPOSITORY, command, images, small_recipe
from .containers import index_of, ran, without_base
from .referrers import attach
from .registries import PASSWORD, USER, Proxy, TokenServer, htpasswd, proxied, registry, token_server
from .test_mistakes import told

pytestmark = pytest.mark.slow

NOBODY = {"REGISTRY_AUTH_FILE": "/nonexistent"}


@pytest.fixture(scope="module")
def layout(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small image for both platforms."""
    return built(store, tmp_path_factory.mktemp("push"), "zstd")


def built(store: Store, folder: Path, compression: str) -> Path:
    settings = ("--store", store.root, "--env", "wheels", "--compression", compression, "--output", folder / "layout")
    recipe = small_recipe(folder)
    if compression == "gzip":
        # Compressing the base takes long, and its own files show as much.
        without_base(recipe)
    run = images("build", "--recipe", recipe, *settings)
    assert run.returncode == 0, run.stderr
    return folder / "layout"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    with registry(tmp_path / "registry") as behind, proxied(behind) as between:
        yield between


def pushing(
    layout: Path, reference: str, tmp_path: Path, *more: object, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return images("push", layout, reference, "--json", "--store", tmp_path / "store", *more, env=NOBODY | (env or {}))


def pushed(layout: Path, reference: str, tmp_path: Path, *more: object, env: dict[str, str] | None = None) -> Any:
    run = pushing(layout, reference, tmp_path, *more, env=env)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def manifest(host: str, name: str, tag: str) -> httpx.Response:
    return httpx.get(
        f"http://{host}/v2/{name}/manifests/{tag}",
        headers={"Accept": f"{INDEX_TYPE}, {MANIFEST_TYPE}"},
        trust_env=False,
    )


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_what_skopeo_pulls_back_is_the_same_to_the_byte(
    store: Store, host: str, tmp_path: Path, compression: str
) -> None:
    require("skopeo")
    layout = built(store, tmp_path / "in", compression)
    result = pushed(layout, f"{host}/tests/{compression}:1", tmp_path)
    assert result["digest"] == index_of(layout)
    assert result["blobs"] == {"uploaded": len(read_contents(layout).parts), "mounted": 0, "there": 0}
    raw = ran("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{host}/tests/{compression}:1")
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == index_of(layout)
    back = tmp_path / "back"
    source = f"docker://{host}/tests/{compression}:1"
    ran("skopeo", "--insecure-policy", "copy", "--all", "--src-tls-verify=false", source, f"oci:{back}:tiny")
    assert index_of(back) == index_of(layout)
    # skopeo leaves behind what is about an image.
    image = {part.digest for part in read_contents(back).parts}
    about = {part.digest for part in read_contents(layout).parts} - image
    assert digests_in(back) == image | {index_of(back)} | {one["digest"] for one in result["manifests"]}
    assert len(about) > 0
    assert image < digests_in(layout)


def digests_in(layout: Path) -> set[str]:
    blobs = list((layout / "blobs" / "sha256").iterdir())
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in blobs)
    return {f"sha256:{path.name}" for path in blobs}


def test_a_second_push_sends_no_blob_and_another_name_mounts_them(layout: Path, host: str, tmp_path: Path) -> None:
    first = pushed(layout, f"{host}/first/image:1", tmp_path)
    count = first["blobs"]["uploaded"]
    assert count == len(read_contents(layout).parts)
    again = pushed(layout, f"{host}/first/image:2", tmp_path)
    assert again["blobs"] == {"uploaded": 0, "mounted": 0, "there": count}
    assert again["bytes"] == 0
    other = pushed(layout, f"{host}/second/image:1", tmp_path)
    assert other["blobs"] == {"uploaded": 0, "mounted": count, "there": 0}
    assert manifest(host, "second/image", "1").headers["Docker-Content-Digest"] == index_of(layout)


def test_one_platform_goes_with_an_index_of_its_own(layout: Path, host: str, tmp_path: Path) -> None:
    result = pushed(layout, f"{host}/narrow:1", tmp_path, "--platform", "linux/arm64")
    index = manifest(host, "narrow", "1").json()
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["arm64"]
    assert result["manifests"] == [{"platform": "linux/arm64", "digest": index["manifests"][0]["digest"]}]
    assert index["manifests"][0] in json.loads(blob(layout, index_of(layout)))["manifests"]


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


@pytest.fixture
def signed(layout: Path, tmp_path: Path) -> Path:
    """The layout with one more document about its index, and one about that document."""
    copy = tmp_path / "signed"
    ran("cp", "-al", layout, copy)
    attach(copy, attach(copy, index_of(copy), b"an opinion"), b"a signature")
    return copy


def referrers_of(layout: Path) -> dict[str, set[str]]:
    """Return the digests of the documents about something by its digest."""
    found: dict[str, set[str]] = {}
    for referrer in read_contents(layout).referrers:
        found.setdefault(referrer.subject, set()).add(f"sha256:{referrer.document.digest}")
    return found


def test_what_is_about_an_image_goes_with_it_and_is_listed(signed: Path, host: str, tmp_path: Path) -> None:
    expected = referrers_of(signed)
    # The index, both manifests, and the opinion.
    assert len(expected) == 4
    for _ in range(2):
        result = pushed(signed, f"{host}/signed:1", tmp_path)
        assert result["referrers"] == sum(map(len, expected.values()))
        for subject, digests in expected.items():
            listed = manifest(host, "signed", subject.replace(":", "-")).json()["manifests"]
            assert len(listed) == len(digests)
            assert {entry["digest"] for entry in listed} == digests
            for entry in listed:
                there = manifest(host, "signed", entry["digest"])
                assert there.content == blob(signed, entry["digest"])
                assert entry["artifactType"] == there.json()["artifactType"]


def test_a_registry_that_lists_referrers_itself_gets_no_tag_for_them(
    signed: Path, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.faults["PUT manifests"] = ["subject!"]
    pushed(signed, f"{proxy.address}/signed:1", tmp_path)
    for subject in referrers_of(signed):
        assert manifest(proxy.behind, "signed", subject.replace(":", "-")).status_code == 404


@pytest.mark.parametrize(
    ("what", "faults"),
    [
        ("GET base", ["500", "429"]),
        ("HEAD blobs", ["503", "drop", "lie"]),
        ("POST uploads", ["429", "500", "drop"]),
        ("PATCH uploads", ["500", "429", "drop", "lost"]),
        ("PATCH uploads", ["405!"]),
        ("PUT uploads", ["503", "drop", "lost", "flip"]),
        ("PUT manifests", ["500", "drop", "lost", "429"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_push_gets_through_a_bad_line_and_a_server_in_trouble(
    layout: Path, proxy: Proxy, tmp_path: Path, what: str, faults: list[str]
) -> None:
    proxy.faults[what] = list(faults)
    result = pushed(layout, f"{proxy.address}/tiny:1", tmp_path, "--platform", "amd64")
    assert proxy.faults[what] == [fault for fault in faults if fault.endswith("!")], "not every fault was met"
    assert manifest(proxy.behind, "tiny", "1").headers["Docker-Content-Digest"] == result["digest"]
    for part in read_contents(layout).parts:
        got = httpx.get(f"http://{proxy.behind}/v2/tiny/blobs/{part.digest}", trust_env=False)
        assert got.status_code == 404 or f"sha256:{hashlib.sha256(got.content).hexdigest()}" == part.digest


@pytest.mark.parametrize("fault", ["drop", "half"])
def test_an_upload_goes_on_where_the_registry_has_it_after_a_dropped_connection(
    layout: Path, proxy: Proxy, tmp_path: Path, fault: str
) -> None:
    proxy.faults["PATCH uploads"] = ["", fault]
    pushed(layout, f"{proxy.address}/tiny:1", tmp_path, "--platform", "amd64")
    ranges = [asked.split("-") for what, asked, _ in proxy.requests if what == "PATCH uploads"]
    broken, after = int(ranges[1][0]), int(ranges[2][0])
    assert broken > 0
    assert proxy.count("GET uploads") == 1
    if fault == "drop":
        assert after == broken
    else:
        assert after == broken + (int(ranges[1][1]) + 1 - broken) // 2
    assert int(ranges[-1][1]) + 1 == max(part.size for part in read_contents(layout, [AMD64]).parts)
    starts = [int(start) for start, _ in ranges]
    assert starts == sorted(starts), "something was sent again"


@pytest.mark.parametrize(
    ("what", "fault", "code"),
    [
        ("PATCH uploads", "500!", 69),
        ("PATCH uploads", "drop!", 69),
        ("PUT uploads", "flip!", 69),
        ("PUT manifests", "503!", 69),
        ("PUT manifests", "lie!", 69),
        ("PUT manifests", "400!", 69),
        ("POST uploads", "403!", 77),
    ],
)
def test_a_push_that_can_not_succeed_ends_and_leaves_no_tag(
    layout: Path, proxy: Proxy, tmp_path: Path, what: str, fault: str, code: int
) -> None:
    proxy.faults[what] = [fault]
    run = pushing(layout, f"{proxy.address}/tiny:1", tmp_path, "--platform", "amd64")
    assert run.returncode == code
    assert proxy.address in told(run)
    assert proxy.count(what) <= 5 * len(read_contents(layout).parts)
    assert manifest(proxy.behind, "tiny", "1").status_code == 404


def test_a_damaged_blob_is_told_before_a_manifest_is_there(layout: Path, host: str, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    ran("cp", "-a", layout, damaged)
    largest = max((damaged / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[0] ^= 1
    largest.write_bytes(content)
    run = pushing(damaged, f"{host}/damaged:1", tmp_path)
    assert run.returncode == 65
    assert f"sha256:{largest.name} has other content" in told(run)
    assert manifest(host, "damaged", "1").status_code == 404


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_push_that_is_stopped_leaves_the_old_tag_and_can_go_on(
    layout: Path, proxy: Proxy, tmp_path: Path, number: signal.Signals
) -> None:
    reference = f"{proxy.address}/tiny:1"
    old = pushed(layout, reference, tmp_path, "--platform", "arm64")
    proxy.faults["PATCH uploads"] = ["stall"]
    arguments = command("push", layout, reference, "--json", "--store", tmp_path / "store")
    with subprocess.Popen(
        arguments, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert proxy.reached.wait(60)
        process.send_signal(number)
        # The answer that it waits for does not come; it ends without.
        _, errors = process.communicate(timeout=20)
    proxy.release.set()
    if number is not signal.SIGKILL:
        assert process.returncode == 130, errors
        assert "interrupted" in errors
        assert "Traceback" not in errors
    assert manifest(proxy.behind, "tiny", "1").headers["Docker-Content-Digest"] == old["digest"]
    again = pushed(layout, reference, tmp_path)
    assert again["blobs"]["uploaded"] >= 1
    assert again["blobs"]["there"] >= old["blobs"]["uploaded"]
    assert manifest(proxy.behind, "tiny", "1").headers["Docker-Content-Digest"] == index_of(layout)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[str]:
    """A registry with a password."""
    with registry(tmp_path / "registry", htpasswd(tmp_path / "auth")) as address:
        yield address


def config_file(path: Path, content: dict[str, Any]) -> dict[str, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return {"REGISTRY_AUTH_FILE": str(path)}


def packed(user: str, password: str) -> str:
    return httpx.BasicAuth(user, password)._auth_header.removeprefix("Basic ")


def test_a_password_is_found_where_people_log_in(layout: Path, locked: str, tmp_path: Path) -> None:
    amd64 = ("--platform", "amd64")
    entry = {"auths": {locked: {"auth": packed(USER, PASSWORD)}}}
    docker = tmp_path / "docker"
    config_file(docker / "config.json", entry)
    # $REGISTRY_AUTH_FILE would win over it.
    settings = {"REGISTRY_AUTH_FILE": "", "DOCKER_CONFIG": str(docker), "HOME": str(tmp_path)}
    settings["XDG_RUNTIME_DIR"] = str(tmp_path)
    assert pushed(layout, f"{locked}/tiny:1", tmp_path, *amd64, env=settings)["blobs"]["uploaded"] > 0
    podman = config_file(tmp_path / "auth.json", entry)
    assert pushed(layout, f"{locked}/tiny:2", tmp_path, *amd64, env=podman)["blobs"]["uploaded"] == 0
    helper = tmp_path / "bin" / "docker-credential-vault"
    helper.parent.mkdir()
    helper.write_text(
        f'#!/bin/sh\nread -r server\n[ "$1 $server" = "get {locked}" ] || exit 1\n'
        f'echo \'{{"ServerURL": "", "Username": "{USER}", "Secret": "{PASSWORD}"}}\'\n'
    )
    helper.chmod(0o755)
    path = {"PATH": f"{helper.parent}:/usr/bin:/bin"}
    for content in ({"credHelpers": {locked: "vault"}}, {"credsStore": "vault", "auths": {locked: {}}}):
        stored = config_file(tmp_path / "helper.json", content) | path
        assert pushed(layout, f"{locked}/tiny:3", tmp_path, *amd64, env=stored)["blobs"]["uploaded"] == 0


def test_who_has_not_logged_in_is_told_how_and_no_secret_is_shown(layout: Path, locked: str, tmp_path: Path) -> None:
    run = pushing(layout, f"{locked}/tiny:1", tmp_path)
    assert run.returncode == 77
    assert f"podman login {locked}" in told(run)
    secret = "hunter2-is-my-secret"
    wrong = config_file(tmp_path / "auth.json", {"auths": {locked: {"auth": packed(USER, secret)}}})
    run = pushing(layout, f"{locked}/tiny:1", tmp_path, env=wrong)
    assert run.returncode == 77
    assert "does not let these credentials push" in told(run)
    helper = tmp_path / "bin" / "docker-credential-vault"
    helper.parent.mkdir()
    helper.write_text(f"#!/bin/sh\necho {secret}; echo {secret} >&2; exit 1\n")
    helper.chmod(0o755)
    broken = config_file(tmp_path / "auth.json", {"credsStore": "vault"})
    runs = [run, pushing(layout, f"{locked}/t:1", tmp_path, env=broken | {"PATH": f"{helper.parent}:/usr/bin:/bin"})]
    missing = config_file(tmp_path / "other.json", {"credsStore": "no-such"})
    runs.append(pushing(layout, f"{locked}/t:1", tmp_path, env=missing))
    (tmp_path / "bad.json").write_text(secret)
    runs.append(pushing(layout, f"{locked}/t:1", tmp_path, env={"REGISTRY_AUTH_FILE": str(tmp_path / "bad.json")}))
    assert [run.returncode for run in runs] == [77, 77, 77, 77]
    assert "docker-credential-no-such: is not installed" in told(runs[2])
    for run in runs:
        assert secret not in run.stdout + run.stderr
        assert packed(USER, secret) not in run.stdout + run.stderr


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with token_server(tmp_path / "tokens") as server:
        yield server


def test_a_bearer_token_is_asked_for_as_the_registry_says(layout: Path, tokens: TokenServer, tmp_path: Path) -> None:
    with registry(tmp_path / "registry", tokens.auth) as host:
        run = pushing(layout, f"{host}/tiny:1", tmp_path, "--platform", "amd64")
        assert run.returncode == 77, run.stderr
        assert "nobody who has not logged in" in told(run)
        known = config_file(tmp_path / "auth.json", {"auths": {host: {"auth": packed(USER, PASSWORD)}}})
        first = pushed(layout, f"{host}/tiny:1", tmp_path, "--platform", "amd64", env=known)
        assert first["blobs"]["uploaded"] > 0
        assert "repository:tiny:pull,push" in tokens.asked[-1]["scope"]
        assert tokens.asked[-1]["service"] == ["the tests"]
        # Another repository's blobs are mounted with one token for both.
        other = pushed(layout, f"{host}/other:1", tmp_path, "--platform", "amd64", env=known)
        assert other["blobs"]["mounted"] == first["blobs"]["uploaded"]
        assert "repository:tiny:pull" in tokens.asked[-1]["scope"]
        identity = {"auths": {host: {"auth": packed("00000000", "x"), "identitytoken": tokens.identity}}}
        refreshed = config_file(tmp_path / "identity.json", identity)
        pushed(layout, f"{host}/tiny:2", tmp_path, "--platform", "amd64", env=refreshed)
        assert tokens.asked[-1]["grant_type"] == ["refresh_token"]
        tokens.grants = False
        assert pushing(layout, f"{host}/tiny:3", tmp_path, "--platform", "amd64", env=known).returncode == 77
        assert PASSWORD not in run.stderr


def test_plain_http_beyond_this_machine_needs_a_word(layout: Path, host: str, tmp_path: Path) -> None:
    # An address of this machine that is not a loopback one.
    outside = host.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - to connect to, not to listen on
    settings = {"NO_PROXY": outside.partition(":")[0]}
    run = pushing(layout, f"{outside}/outside:1", tmp_path, "--platform", "amd64", env=settings)
    assert run.returncode == 77
    assert "take --insecure" in told(run)
    assert manifest(host, "outside", "1").status_code == 404
    pushed(layout, f"{outside}/outside:1", tmp_path, "--platform", "amd64", "--insecure", env=settings)
    assert manifest(host, "outside", "1").status_code == 200


def test_where_no_registry_is_is_told(layout: Path, tmp_path: Path) -> None:
    run = pushing(layout, "127.0.0.1:9/tiny:1", tmp_path)
    assert run.returncode == 69
    assert "127.0.0.1:9 can't be reached (no connection)" in told(run)


def test_lines_for_a_log_have_no_control_characters(layout: Path, host: str, tmp_path: Path) -> None:
    run = images("push", layout, f"{host}/plain:1", "--store", tmp_path / "store", env=NOBODY)
    assert run.returncode == 0
    assert run.stdout == ""
    assert run.stderr.isascii()
    assert "\x1b" not in run.stderr
    assert f"{host}/plain:1@{index_of(layout)}" in run.stderr
