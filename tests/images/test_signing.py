"""What is pushed is signed by a program of the person's own, and whoever asks for signatures takes nothing else.

The signer here is skopeo with a GPG key: Debian's skopeo has sigstore signatures switched off, and there is no cosign.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from env.store.store import Store
from tests.support.needs import require

from .conftest import small_recipe
from .containers import index_of, without_base
from .registries import registry
from .test_build import built
from .test_mistakes import told
from .test_push import manifest, pushed, pushing

SECRET = "hunter2-is-my-secret"


@pytest.fixture(scope="module")
def layout(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image of both platforms: its own files alone."""
    folder = tmp_path_factory.mktemp("signing")
    recipe = small_recipe(folder)
    without_base(recipe)
    built(recipe, store, folder / "layout")
    return folder / "layout"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@dataclass(frozen=True)
class Skopeo:
    """A signer and a verifier with a key of its own."""

    folder: Path
    host: str

    @property
    def _common(self) -> tuple[str, ...]:
        return ("--registries.d", str(self.folder / "registries.d"))

    def prepare(self) -> None:
        """Make a key, and say where signatures are kept and what is taken."""
        self.folder.mkdir(mode=0o700)
        home = self.folder / "gnupg"
        home.mkdir(mode=0o700)
        gpg = ("gpg", "--homedir", home, "--batch", "--quiet")
        subprocess.run(
            [*gpg, "--passphrase", "", "--quick-gen-key", "signer@example.org", "ed25519", "sign"], check=True
        )
        exported = subprocess.run([*gpg, "--export", "signer@example.org"], capture_output=True, check=True)
        (self.folder / "key.gpg").write_bytes(exported.stdout)
        (self.folder / "registries.d").mkdir()
        kept = f"file://{self.folder / 'signatures'}"
        (self.folder / "registries.d" / "tests.yaml").write_text(
            f"docker:\n  {self.host}:\n    sigstore: {kept}\n    sigstore-staging: {kept}\n"
        )
        asked = {
            "type": "signedBy",
            "keyType": "GPGKeys",
            "keyPath": str(self.folder / "key.gpg"),
            "signedIdentity": {"type": "matchRepository"},
        }
        policy = {"default": [{"type": "reject"}], "transports": {"docker": {self.host: [asked]}}}
        (self.folder / "policy.json").write_text(json.dumps(policy))
        script = self.folder / "signer"
        words = shlex.join(("skopeo", "--insecure-policy", *self._common))
        script.write_text(
            f"#!/bin/sh\nset -e\nexport GNUPGHOME={shlex.quote(str(home))}\n"
            # The last argument is the reference; what stands before it is the person's own.
            'for reference; do :; done\necho "signing $reference"\n'
            f"{words} copy --all --src-tls-verify=false --dest-tls-verify=false --sign-by signer@example.org "
            '"docker://$reference" "docker://$reference" >/dev/null\n'
        )
        script.chmod(0o755)

    @property
    def signer(self) -> str:
        return f"{shlex.quote(str(self.folder / 'signer'))} --password {SECRET}"

    def pull(self, reference: str, output: Path) -> subprocess.CompletedProcess[str]:
        """Pull as someone does who takes only what is signed."""
        words = ["skopeo", "--policy", str(self.folder / "policy.json"), *self._common]
        # An OCI layout has no place for these signatures; they are looked at all the same.
        words += [
            "copy",
            "--all",
            "--remove-signatures",
            "--src-tls-verify=false",
            f"docker://{reference}",
            f"oci:{output}:image",
        ]
        return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def skopeo(tmp_path_factory: pytest.TempPathFactory, host: str) -> Iterator[Skopeo]:
    require("skopeo", "gpg")
    # A short name: gpg's agent has its socket in there, and a socket's path has at most 107 bytes.
    made = Skopeo(tmp_path_factory.mktemp("s") / "the signer's", host)
    made.prepare()
    yield made
    subprocess.run(["gpgconf", "--homedir", made.folder / "gnupg", "--kill", "all"], check=False)


def everything_of(result: dict[str, Any]) -> list[str]:
    return [result["digest"], *(one["digest"] for one in result["manifests"])]


def signed_digests(skopeo: Skopeo) -> set[str]:
    found = (skopeo.folder / "signatures").rglob("*@sha256=*")
    return {path.name.rpartition("@")[2].replace("=", ":") for path in found}


def test_the_index_and_each_manifest_are_signed_and_taken_by_who_asks_for_it(
    layout: Path, host: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    pushed(layout, f"{host}/plain:1", tmp_path)
    refused = skopeo.pull(f"{host}/plain:1", tmp_path / "plain")
    assert refused.returncode != 0
    assert "signature was required" in refused.stderr
    result = pushed(layout, f"{host}/signed:1", tmp_path, "--sign-with", skopeo.signer)
    assert result["signed"] is True
    everything = set(everything_of(result))
    assert len(everything) == 3
    assert signed_digests(skopeo) == everything
    taken = skopeo.pull(f"{host}/signed:1", tmp_path / "back")
    assert taken.returncode == 0, taken.stderr
    assert index_of(tmp_path / "back") == result["digest"]


def test_another_image_under_the_name_of_a_signed_one_is_refused(
    layout: Path, store: Store, host: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    result = pushed(layout, f"{host}/tampered:1", tmp_path, "--sign-with", skopeo.signer)
    recipe = small_recipe(tmp_path)
    without_base(recipe)
    script = recipe / "parts" / "hello" / "rootfs" / "usr" / "local" / "bin" / "hello"
    script.write_text(script.read_text() + "# and something else\n")
    built(recipe, store, tmp_path / "other")
    other = pushed(tmp_path / "other", f"{host}/tampered:1", tmp_path)
    assert other["digest"] != result["digest"]
    refused = skopeo.pull(f"{host}/tampered:1", tmp_path / "back")
    assert refused.returncode != 0
    assert "signature was required" in refused.stderr
    # Signatures that are moved to it are of something else.
    (kept,) = {path.parent for path in (skopeo.folder / "signatures").rglob("*@sha256=*")}
    for signed, unsigned in zip(everything_of(result), everything_of(other), strict=True):
        shutil.copytree(kept / f"tampered@{signed.replace(':', '=')}", kept / f"tampered@{unsigned.replace(':', '=')}")
    refused = skopeo.pull(f"{host}/tampered:1", tmp_path / "back")
    assert refused.returncode != 0
    assert "rejected" in refused.stderr
    assert "no signature exists" not in refused.stderr
    assert skopeo.pull(f"{host}/tampered@{result['digest']}", tmp_path / "back").returncode == 0


def test_a_signer_that_fails_leaves_the_old_tag_and_its_words_are_not_shown(
    layout: Path, host: str, tmp_path: Path
) -> None:
    signer = tmp_path / "signer"
    signer.write_text('#!/bin/sh\nfor reference; do :; done\necho "$reference" >>"$0.log"\nexit 7\n')
    signer.chmod(0o755)
    run = pushing(layout, f"{host}/unsigned:1", tmp_path, "--sign-with", f"{signer} --password {SECRET}")
    assert run.returncode == 71
    first = (tmp_path / "signer.log").read_text().splitlines()
    assert len(first) == 1, "the rest is not tried"
    assert f"{signer} ended with 7 for {first[0]}" in told(run)
    assert "the tag is as it was" in told(run)
    assert SECRET not in run.stderr
    assert manifest(host, "unsigned", "1").status_code == 404
    assert manifest(host, "unsigned", first[0].rpartition("@")[2]).status_code == 200


@pytest.mark.parametrize(
    ("command", "why"),
    [("no-such-signer --key k", "no-such-signer is not installed"), ("'", "quotes"), ("", "empty")],
)
def test_a_signer_that_is_not_there_is_told_before_anything_is_sent(
    layout: Path, host: str, tmp_path: Path, command: str, why: str
) -> None:
    run = pushing(layout, f"{host}/early:1", tmp_path, "--sign-with", command)
    assert run.returncode == 71
    assert why in told(run)
    assert manifest(host, "early", index_of(layout)).status_code == 404
