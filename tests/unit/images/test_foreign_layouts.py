"""Layouts as docker, buildah, ko, kaniko and others write them are read, described and run as docker would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from images.check.run_config import identity, run_config
from images.cli import inspect
from images.oci.read import read_layout
from images.oci.rooted import Root
from images.oci.unpack import unpack
from tests.support.layouts import COMPRESSORS, archive, layout

PASSWD = archive(("etc/passwd", b"root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n"))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (0, 0, "/root")),
        ({"User": None, "Volumes": None, "Labels": None, "Env": None, "Cmd": None}, (0, 0, "/root")),
        ({"User": "nobody"}, (65534, 65534, "/nonexistent")),
        ({"User": "1000:1000"}, (1000, 1000, "/")),
        ({"User": "1234"}, (1234, 0, "/")),
        ({"Entrypoint": "/bin/sh -c x", "Cmd": []}, (0, 0, "/root")),
        ({"WorkingDir": "", "ExposedPorts": {"80/tcp": {}}, "OnBuild": None, "ArgsEscaped": True}, (0, 0, "/root")),
    ],
)
@pytest.mark.parametrize("compression", list(COMPRESSORS))
def test_a_foreign_image_is_described_and_run(
    tmp_path: Path, config: dict[str, Any], expected: tuple[int, int, str], compression: str
) -> None:
    folder = layout(tmp_path / "layout", PASSWD, archive(), compression=compression, config=config)
    (image,) = read_layout(folder).values()
    root = tmp_path / "root"
    root.mkdir()
    unpack(image, root)
    with Root(root) as inside:
        assert identity(run_config(image.config["config"], folder)["User"], inside, folder) == expected
    assert inspect._described(image, "x")
    assert inspect._entry(image)["Os"] == "linux"


@pytest.mark.parametrize("whole", [{"config": None}, {"created": None, "history": None}])
def test_a_configuration_may_lack_what_it_may_lack(tmp_path: Path, whole: dict[str, Any]) -> None:
    (image,) = read_layout(layout(tmp_path, PASSWD, whole=whole)).values()
    assert inspect._described(image, "x")
    assert inspect._entry(image)["Config"] == {}
