"""An image in one file: the same bytes every time, and what podman, docker and skopeo read."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from env.platforms import AMD64, ARM64
from env.store.store import Store
from images.oci.contents import read_contents
from images.oci.read import blob_path, read_layout
from tests.support.needs import require

from .conftest import REPOSITORY, command, images, small_recipe
from .containers import Containers, index_of, ran, without_base
from .referrers import attach
from .test_mistakes import told


@pytest.fixture(scope="module")
def layout(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small image for both platforms."""
    folder = tmp_path_factory.mktemp("export")
    return made(store, small_recipe(folder), "zstd")


def made(store: Store, recipe: Path, compression: str) -> Path:
    output = recipe.parent / f"layout-{compression}"
    settings = ("--store", store.root, "--env", "wheels", "--compression", compression, "--output", output)
    run = images("build", "--recipe", recipe, *settings)
    assert run.returncode == 0, run.stderr
    return output


@pytest.fixture
def containers() -> Iterator[Containers]:
    require("podman", "skopeo", "runc")
    used = Containers(Path(tempfile.mkdtemp(prefix="podman-")))
    yield used
    used.remove()


def exported(layout: Path, form: str, output: Path, *more: str) -> Path:
    run = images("export", layout, "--format", form, "--output", output, *more)
    assert run.returncode == 0, run.stderr
    return output


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_an_export_is_the_same_bytes_whenever_it_is_made(layout: Path, tmp_path: Path, form: str) -> None:
    platform = ("--platform", "amd64")
    first = exported(layout, form, tmp_path / "first.tar", *platform)
    copy = tmp_path / "a copy"
    shutil.copytree(layout, copy / "tiny")
    second = exported(copy / "tiny", form, tmp_path / "second.tar", *platform)
    assert first.read_bytes() == second.read_bytes()


def unpack(archive: Path, folder: Path) -> None:
    # Not with tarfile: the Python of Debian 12 has no filters yet, and later ones warn where none is given.
    folder.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)


def test_an_oci_archive_holds_the_layout_to_the_byte(layout: Path, tmp_path: Path) -> None:
    archive = exported(layout, "oci-archive", tmp_path / "image.tar", "--referrers")
    unpack(archive, tmp_path / "unpacked")
    held = {path.relative_to(layout): path.read_bytes() for path in layout.rglob("*") if path.is_file()}
    unpacked = tmp_path / "unpacked"
    assert held == {path.relative_to(unpacked): path.read_bytes() for path in unpacked.rglob("*") if path.is_file()}


def test_an_export_of_one_platform_holds_no_blob_of_the_other(layout: Path, tmp_path: Path) -> None:
    archive = exported(layout, "oci-archive", tmp_path / "image.tar", "--platform", "linux/arm64", "--referrers")
    unpack(archive, tmp_path / "unpacked")
    contents = read_contents(tmp_path / "unpacked")
    assert [entry["platform"]["architecture"] for entry in json.loads(contents.root.content)["manifests"]] == ["arm64"]
    assert [str(platform) for platform in contents.platforms] == ["linux/arm64"]
    # What is about arm64's manifest stays, and what is about both goes with their index.
    (arm64,) = contents.manifests
    assert {referrer.subject for referrer in contents.referrers} == {f"sha256:{arm64.digest}"}
    held = {path.name for path in (tmp_path / "unpacked" / "blobs" / "sha256").iterdir()}
    documents = [arm64, contents.root, *(referrer.document for referrer in contents.referrers)]
    parts = {part.digest.removeprefix("sha256:") for part in contents.parts}
    assert held == parts | {document.digest for document in documents}
    amd64 = {layer["digest"] for layer in read_layout(layout)[AMD64].layers}
    arm64_layers = {layer["digest"] for layer in read_layout(layout)[ARM64].layers}
    assert amd64 - arm64_layers
    assert not (amd64 - arm64_layers) & {f"sha256:{name}" for name in held}


def test_an_oci_archive_carries_what_is_about_the_image_where_it_is_wanted(layout: Path, tmp_path: Path) -> None:
    signed = tmp_path / "tiny"
    ran("cp", "-al", layout, signed)
    content = b"a bill of materials"
    about = attach(signed, index_of(signed), content)
    wanted = {about.removeprefix("sha256:"), hashlib.sha256(content).hexdigest()}
    for options, held in (("--referrers",), wanted), ((), set()):
        archive = exported(signed, "oci-archive", tmp_path / "image.tar", *options)
        with tarfile.open(archive) as tar:
            names = {name.rpartition("/")[2] for name in tar.getnames()}
            index = json.load(tar.extractfile("index.json") or io.BytesIO())
        assert wanted & names == held
        # Readers that are given no name take an archive of one image alone.
        assert (len(index["manifests"]) == 1) == (not held)


def test_a_docker_archive_holds_plain_layers_by_their_diff_ids(layout: Path, tmp_path: Path) -> None:
    archive = exported(layout, "docker-archive", tmp_path / "image.tar", "--platform", "amd64")
    with tarfile.open(archive) as tar:
        (listing,) = json.load(tar.extractfile("manifest.json") or io.BytesIO())
        assert listing["RepoTags"] == ["tiny:latest"]
        config = json.load(tar.extractfile(listing["Config"]) or io.BytesIO())
        for name, diff_id in zip(listing["Layers"], config["rootfs"]["diff_ids"], strict=True):
            content = tar.extractfile(name)
            assert content is not None
            assert f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}" == diff_id


@pytest.mark.slow
def test_podman_loads_an_oci_archive_from_a_pipe_and_runs_it(layout: Path, containers: Containers) -> None:
    arguments = command("export", layout, "--output", "-")
    with subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        loaded = containers.podman("load", stdin=export.stdout)
        assert export.wait() == 0
        assert export.stderr is not None
        assert export.stderr.read() == b""
    assert "tiny" in loaded
    # As root in a container, as CI is: no network of its own, and no more open files than the outer one allows.
    limits = ("--ulimit=nofile=20000:20000", "--ulimit=nproc=20000:20000", "--network=none", "--rm")
    said = containers.podman("run", *limits, "--entrypoint=/bin/sh", "localhost/tiny", "-c", "id -un; uname -m")
    assert said.split() == ["jovyan", "x86_64"]


def test_a_layer_in_gzip_is_exported_as_well(
    store: Store, recipe: Path, containers: Containers, tmp_path: Path
) -> None:
    # Compressing the base takes long, and its own files show as much.
    without_base(recipe)
    layout = made(store, recipe, "gzip")
    archive = exported(layout, "oci-archive", tmp_path / "oci.tar", "--platform", "amd64")
    containers.skopeo_into_storage(f"oci-archive:{archive}", "tiny:gzip")
    plain = exported(layout, "docker-archive", tmp_path / "docker.tar", "--platform", "amd64")
    containers.podman("load", "--input", plain)
    images = [json.loads(containers.podman("image", "inspect", name))[0] for name in ("tiny:gzip", "tiny:latest")]
    assert images[0]["RootFS"]["Layers"] == images[1]["RootFS"]["Layers"] == list(read_layout(layout)[AMD64].diff_ids)


def test_podman_loads_a_docker_archive(layout: Path, containers: Containers, tmp_path: Path) -> None:
    archive = exported(layout, "docker-archive", tmp_path / "image.tar", "--platform", "arm64")
    containers.podman("load", "--input", archive)
    (image,) = json.loads(containers.podman("image", "inspect", "tiny"))
    assert image["Architecture"] == "arm64"
    assert image["User"] == "1000:1000" or image["User"]


@pytest.mark.slow
def test_skopeo_reads_an_oci_archive_into_a_storage(layout: Path, containers: Containers, tmp_path: Path) -> None:
    archive = exported(layout, "oci-archive", tmp_path / "image.tar")
    containers.skopeo_into_storage(f"oci-archive:{archive}", "tiny:skopeo")
    assert "tiny:skopeo" in containers.podman("images", "--format", "{{.Repository}}:{{.Tag}}")
    seen = ran("skopeo", "inspect", "--raw", f"oci-archive:{archive}")
    assert f"sha256:{hashlib.sha256(seen.encode()).hexdigest()}" == index_of(layout)


def test_a_docker_archive_of_two_platforms_is_refused(layout: Path, tmp_path: Path) -> None:
    run = images("export", layout, "--format", "docker-archive", "--output", tmp_path / "image.tar")
    assert run.returncode == 2
    assert "choose one with --platform (linux/amd64, linux/arm64)" in told(run)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_a_damaged_layer_is_told_and_the_old_file_stays(layout: Path, tmp_path: Path, form: str) -> None:
    damaged = tmp_path / "tiny"
    shutil.copytree(layout, damaged)
    layers = read_layout(damaged)[AMD64].layers
    largest = blob_path(damaged, max(layers, key=lambda layer: layer["size"])["digest"])
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    output = tmp_path / "image.tar"
    output.write_text("the old one")
    run = images("export", damaged, "--format", form, "--platform", "amd64", "--output", output)
    assert run.returncode == 65
    assert "is damaged" in told(run)
    assert output.read_text() == "the old one"
    assert {path.name for path in tmp_path.iterdir()} == {"tiny", "image.tar"}


def test_an_image_that_was_not_built_is_told(tmp_path: Path) -> None:
    run = images("export", tmp_path, "--output", tmp_path / "image.tar")
    assert run.returncode == 2
    run = images("export", "no-such", "--output", tmp_path / "image.tar")
    assert run.returncode == 2
    assert "there are recipes for builder, jupyter" in told(run)
