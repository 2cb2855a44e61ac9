"""Names of images in registries, and whose password belongs to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.errors import CredentialsError, ReferenceFormatError
from images.registry.credentials import Credentials, find_credentials
from images.registry.reference import Reference, is_loopback, parse_reference


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag"),
    [
        ("localhost/a:1", "localhost", "a", "1"),
        ("localhost:5000/a/b:1", "localhost:5000", "a/b", "1"),
        ("docker://registry.example.org/a:latest", "registry.example.org", "a", "latest"),
        ("[::1]:5000/a__b/c-d.e:V_1.2-x", "[::1]:5000", "a__b/c-d.e", "V_1.2-x"),
        ("docker.io/busybox:1", "docker.io", "library/busybox", "1"),
        ("docker.io/team/image:1", "docker.io", "team/image", "1"),
    ],
)
def test_a_reference_is_read_as_everyone_reads_it(text: str, registry: str, repository: str, tag: str) -> None:
    assert parse_reference(text) == Reference(registry, repository, tag)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jupyter",
        "jupyter:1",
        "team/jupyter:1",
        "example.org/a",
        "example.org/A:1",
        "example.org/a:",
        "example.org/:1",
        "example.org/a b:1",
        "example.org/a:b c",
        "example.org/../x:1",
        "example.org/a@sha256:0:1",
        "ex ample.org/a:1",
        "user:password@example.org/a:1",
        f"example.org/a:{'x' * 129}",
        "-.org/a:1",
    ],
)
def test_what_leaves_something_out_or_means_something_else_is_refused(text: str) -> None:
    with pytest.raises(ReferenceFormatError, match="write REGISTRY/NAME:TAG"):
        parse_reference(text)


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except ReferenceFormatError:
        return
    assert parse_reference(str(reference)) == reference
    assert "@" not in reference.registry


def test_only_this_machine_is_loopback() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"))
    assert not any(is_loopback(host) for host in ("localhost.example.org", "10.0.0.1", "0.0.0.0", "::", "example.org"))  # noqa: S104


def settings(tmp_path: Path, **files: Any) -> dict[str, str]:
    places = {
        "docker": tmp_path / "docker" / "config.json",
        "podman": tmp_path / "run" / "containers" / "auth.json",
        "home": tmp_path / "home" / ".docker" / "config.json",
    }
    for name, content in files.items():
        places[name].parent.mkdir(parents=True, exist_ok=True)
        places[name].write_text(json.dumps(content))
    variables = {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    return variables | ({"DOCKER_CONFIG": str(tmp_path / "docker")} if "docker" in files else {})


def login(key: str, user: str) -> dict[str, Any]:
    return {"auths": {key: {"username": user, "password": "x"}}}


def found(variables: dict[str, str], registry: str = "example.org", repository: str = "a/b") -> str | None:
    credentials = find_credentials(registry, repository, variables)
    return None if credentials is None else credentials.user


def test_podmans_file_comes_before_dockers_and_the_named_one_alone(tmp_path: Path) -> None:
    files = {"home": login("example.org", "home"), "podman": login("example.org", "podman")}
    variables = settings(tmp_path, **files)
    assert found(variables) == "podman"
    assert found(variables, "other.org") is None
    (tmp_path / "named.json").write_text(json.dumps(login("example.org", "named")))
    assert found(variables | {"REGISTRY_AUTH_FILE": str(tmp_path / "named.json")}) == "named"
    assert found(variables | {"REGISTRY_AUTH_FILE": str(tmp_path / "none.json")}) is None
    assert found(settings(tmp_path, docker=login("other.org", "docker")), "other.org") == "docker"


@pytest.mark.parametrize(
    "key", ["example.org", "https://example.org", "https://example.org/v1/", "http://example.org/v2/", "example.org/a"]
)
def test_a_key_may_be_an_address_or_part_of_a_registry(tmp_path: Path, key: str) -> None:
    variables = settings(tmp_path, home=login(key, "ann"))
    assert found(variables) == "ann"
    assert found(variables, "example.org:5000") is None
    assert found(variables, "sub.example.org") is None


def test_the_longest_key_wins_and_another_repository_does_not_get_it(tmp_path: Path) -> None:
    entries = {"example.org": {"username": "all", "password": "x"}, "example.org/a": {"username": "a", "password": "x"}}
    variables = settings(tmp_path, home={"auths": entries})
    assert found(variables) == "a"
    assert found(variables, repository="ab") == "all"


def test_docker_hub_is_known_by_the_name_docker_writes(tmp_path: Path) -> None:
    assert found(settings(tmp_path, home=login("https://index.docker.io/v1/", "ann")), "docker.io") == "ann"


@pytest.mark.parametrize(
    "content", [[], {"auths": [1]}, {"auths": {"example.org": {"auth": "?"}}}, {"credsStore": "../x"}]
)
def test_a_file_that_makes_no_sense_is_told(tmp_path: Path, content: Any) -> None:
    with pytest.raises(CredentialsError):
        found(settings(tmp_path, home=content))


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_secret_is_in_a_repr(user: str, secret: str) -> None:
    assert repr(Credentials(user, secret, secret, secret)) == "Credentials()"
