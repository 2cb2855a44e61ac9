"""`pull` from a registry that may say anything: it works, or it ends with one line and a code."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.errors import EnvError, Exit
from env.platforms import AMD64
from env.retry import Patience
from env.store.store import Store
from images.oci.read import read_layout
from images.registry.credentials import Credentials
from images.registry.pull import pull
from images.registry.reference import parse_source
from tests.support.fake_registry import Answer, FakeRegistry, fake_registry
from tests.support.layouts import CONFIG, INDEX, LAYER, MANIFEST, archive, diff_id
from tests.support.odd import odd_ones

CONTENT = archive(("a", b"1"))
CONFIGURATION: dict[str, Any] = {
    "os": "linux",
    "architecture": "amd64",
    "config": {"User": "nobody", "Env": ["A=1"], "Labels": {"a": "b"}},
    "rootfs": {"type": "layers", "diff_ids": [diff_id(CONTENT)]},
}


def described(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": len(content), **more}


def manifest(config: bytes) -> dict[str, Any]:
    layers = [described(CONTENT, LAYER)]
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": described(config, CONFIG), "layers": layers}


def listing(content: bytes) -> dict[str, Any]:
    entry = described(content, MANIFEST, platform={"os": "linux", "architecture": "amd64"})
    other = described(b"{}", MANIFEST, platform={"os": "unknown", "architecture": "unknown"})
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [other, entry], "annotations": {"a": "b"}}


CONFIG_BYTES = json.dumps(CONFIGURATION).encode()
GOOD = manifest(CONFIG_BYTES)


@pytest.fixture(scope="module")
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as one:
        yield one


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.registry.pull.Patience", functools.partial(Patience, attempts=2, first_wait_s=0))
    # Without the authorities that a client reads each time: there is no TLS here.
    monkeypatch.setattr("images.registry.client.httpx.Client", functools.partial(httpx.Client, verify=False))


def serve(registry: FakeRegistry, root: Any, *blobs: bytes, below: bytes | None = None) -> None:
    """Let the registry have an image of these."""
    content = root if isinstance(root, bytes) else json.dumps(root).encode()
    registry.answers = {"/v2/": Answer(b"{}"), "/v2/x/manifests/1": Answer(content, MANIFEST)}
    if below is not None:
        registry.answers[f"/v2/x/manifests/sha256:{hashlib.sha256(below).hexdigest()}"] = Answer(below, MANIFEST)
    for blob in (CONTENT, *blobs):
        registry.answers[f"/v2/x/blobs/sha256:{hashlib.sha256(blob).hexdigest()}"] = Answer(blob)


def one_line(error: EnvError) -> str:
    line = str(error)
    assert error.exit_code in set(Exit)
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert len(line) < 1500
    return line


def pulled(registry: FakeRegistry, place: Path, credentials: Credentials | None = None) -> str | None:
    """Pull the image and read it; return the line that it ended with, or None."""
    folder = place / uuid.uuid4().hex
    try:
        pull(
            parse_source(f"{registry.name}/x:1"), [AMD64], Store(place / "store"), credentials, folder,
            lambda _size: lambda _count: None,
        )  # fmt: skip
        images = read_layout(folder)
        assert all(isinstance(image.config, dict) for image in images.values())
    except EnvError as error:
        return one_line(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(place / "store", ignore_errors=True)
    return None


ANY = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_good_image_is_pulled_alone_and_out_of_an_index(registry: FakeRegistry, tmp_path: Path) -> None:
    serve(registry, GOOD, CONFIG_BYTES)
    assert pulled(registry, tmp_path) is None
    content = json.dumps(GOOD).encode()
    serve(registry, listing(content), CONFIG_BYTES, below=content)
    assert pulled(registry, tmp_path) is None


@ANY
@given(odd=odd_ones(GOOD))
def test_an_odd_manifest_ends_with_a_line(registry: FakeRegistry, tmp_path: Path, odd: Any) -> None:
    serve(registry, odd, CONFIG_BYTES)
    pulled(registry, tmp_path)


@ANY
@given(odd=odd_ones(listing(json.dumps(GOOD).encode())))
def test_an_odd_index_ends_with_a_line(registry: FakeRegistry, tmp_path: Path, odd: Any) -> None:
    serve(registry, odd, CONFIG_BYTES, below=json.dumps(GOOD).encode())
    pulled(registry, tmp_path)


@ANY
@given(odd=odd_ones(CONFIGURATION))
def test_an_odd_configuration_ends_with_a_line(registry: FakeRegistry, tmp_path: Path, odd: Any) -> None:
    content = json.dumps(odd).encode()
    serve(registry, manifest(content), content)
    pulled(registry, tmp_path)


@ANY
@given(
    content=st.binary(max_size=40) | st.sampled_from([b"null", b"[]", b"1", b"[" * 100_000, b"NaN", b'{"a":' * 9999])
)
def test_what_is_no_manifest_ends_with_a_line(registry: FakeRegistry, tmp_path: Path, content: bytes) -> None:
    serve(registry, content)
    assert pulled(registry, tmp_path) is not None


def test_a_reply_without_an_end_is_not_read_to_it(registry: FakeRegistry, tmp_path: Path) -> None:
    serve(registry, GOOD, CONFIG_BYTES)
    for path in ("/v2/", "/v2/x/manifests/1"):
        good = registry.answers[path]
        for status in (200, 404, 400, 307):
            registry.answers[path] = Answer(b" " * 65536, MANIFEST, status, {"Location": path}, endless=True)
            assert pulled(registry, tmp_path) is not None
        registry.answers[path] = good


def test_a_manifest_larger_than_any_registry_takes_is_refused(registry: FakeRegistry, tmp_path: Path) -> None:
    serve(registry, {**GOOD, "annotations": {"a": "x" * (4 << 20)}}, CONFIG_BYTES)
    assert "more than 4 MiB" in str(pulled(registry, tmp_path))


def test_a_blob_larger_than_its_size_is_refused(registry: FakeRegistry, tmp_path: Path) -> None:
    serve(registry, GOOD, CONFIG_BYTES)
    registry.answers[f"/v2/x/blobs/{GOOD['config']['digest']}"] = Answer(b" " * 65536, endless=True)
    assert "is not used" in str(pulled(registry, tmp_path))


@pytest.mark.parametrize(
    "said",
    [
        b"", b"[]", b"null", b"1", b'"x"', b"{}", b'{"token": 1}', b'{"token": []}', b'{"token": ""}', b"[" * 100_000,
        b'{"token": "a\\r\\nX: 1"}', '{"token": "\N{SNOWMAN}"}'.encode(), b'{"token": "\\ud800"}',
    ],
)  # fmt: skip
def test_an_odd_token_ends_with_a_line(registry: FakeRegistry, tmp_path: Path, said: bytes) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{registry.name}/token",service="x"'}
    serve(registry, GOOD, CONFIG_BYTES)
    registry.answers["/v2/"] = Answer(b"{}", status=401, headers=challenge)
    registry.answers["/token"] = Answer(said)
    assert "without a token" in str(pulled(registry, tmp_path))


def test_a_token_server_without_an_end_is_not_read_to_it(registry: FakeRegistry, tmp_path: Path) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{registry.name}/token"'}
    serve(registry, GOOD, CONFIG_BYTES)
    registry.answers["/v2/"] = Answer(b"{}", status=401, headers=challenge)
    registry.answers["/token"] = Answer(b" " * 65536, endless=True)
    for credentials in (None, Credentials(identity_token="x")):
        assert "more than 4 MiB" in str(pulled(registry, tmp_path, credentials))


@pytest.mark.parametrize("realm", ["", "http://[::1", "https://a b/", "ftp://127.0.0.1/", "https:///x", "x" * 70_000])
def test_a_log_in_that_leads_nowhere_ends_with_a_line(registry: FakeRegistry, tmp_path: Path, realm: str) -> None:
    serve(registry, GOOD, CONFIG_BYTES)
    registry.answers["/v2/"] = Answer(
        b"{}", status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm[:60000]}"'}
    )
    assert pulled(registry, tmp_path) is not None


@pytest.mark.parametrize("to", ["http://[::1", "/v2/x/manifests/1", "http://registry.invalid/", "mailto:x", "http:///"])
def test_a_redirect_that_leads_nowhere_ends_with_a_line(registry: FakeRegistry, tmp_path: Path, to: str) -> None:
    serve(registry, GOOD, CONFIG_BYTES)
    registry.answers["/v2/x/manifests/1"] = Answer(b"{}", status=307, headers={"Location": to})
    assert pulled(registry, tmp_path) is not None


@pytest.mark.parametrize(
    "said", [b"[]", b'{"errors": 1}', b'{"errors": [{}]}', b'{"errors": [{"code": "A\\u001b[2J\\nB", "message": []}]}']
)
def test_an_odd_refusal_ends_with_a_line(registry: FakeRegistry, tmp_path: Path, said: bytes) -> None:
    serve(registry, GOOD, CONFIG_BYTES)
    registry.answers["/v2/x/manifests/1"] = Answer(said, status=400)
    assert "answers 400" in str(pulled(registry, tmp_path))


def test_a_reply_that_can_not_be_decoded_ends_with_a_line(registry: FakeRegistry, tmp_path: Path) -> None:
    serve(registry, GOOD, CONFIG_BYTES)
    registry.answers["/v2/x/manifests/1"] = Answer(b"no gzip", MANIFEST, headers={"Content-Encoding": "gzip"})
    assert "decoded" in str(pulled(registry, tmp_path))


def test_of_two_images_for_a_platform_the_first_is_taken(registry: FakeRegistry, tmp_path: Path) -> None:
    content = json.dumps(GOOD).encode()
    index = listing(content)
    index["manifests"].append(described(b"missing", MANIFEST, platform={"os": "linux", "architecture": "amd64"}))
    serve(registry, index, CONFIG_BYTES, below=content)
    assert pulled(registry, tmp_path) is None


def test_a_pull_that_ends_does_not_wait_for_a_silent_registry_and_leaves_nothing(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    serve(registry, GOOD, CONFIG_BYTES)
    registry.reached.clear()
    registry.answers[f"/v2/x/blobs/{GOOD['layers'][0]['digest']}"] = Answer(CONTENT[:100], silent=True)
    store, ended = Store(tmp_path / "store"), threading.Event()

    def begin(_size: int) -> Callable[[int], None]:
        def advance(count: int) -> None:
            # Stands for Ctrl+C: what is raised while the other blob's rest does not come.
            if count == len(CONFIG_BYTES):
                registry.reached.wait()
                raise KeyboardInterrupt

        return advance

    def run() -> None:
        with suppress(KeyboardInterrupt):
            pull(parse_source(f"{registry.name}/x:1"), [AMD64], store, None, tmp_path / "layout", begin)
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    # It would wait for two minutes.
    assert ended.wait(20)
    assert list(store.partial.iterdir()) == []
    assert not (tmp_path / "layout").exists()
