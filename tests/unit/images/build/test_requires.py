"""Wheels that go in have what they require, with the extras that are asked for."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from env.formats.lock import LockedFile
from env.platforms import AMD64
from images.build.requires import Metadata, read_metadata, unmet
from images.errors import PackageContentError


def wheel(name: str, *requires: str, version: str = "1.0", python: str = "") -> Metadata:
    return Metadata(name, version, requires, python)


def lacks(*wheels: Metadata, asked: tuple[str, ...] = (), provided: dict[str, str] | None = None) -> list[str]:
    return list(unmet(wheels, asked, provided or {}, AMD64, "3.13.5"))


def test_what_is_there_in_the_right_version_is_met() -> None:
    assert not lacks(wheel("a", "B.x>=1,<2"), wheel("b-x", version="1.5"))
    assert not lacks(wheel("a", "numpy>=1.20"), provided={"numpy": "1.26.4"})


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("missing", "a 1.0 requires `missing`, which is not there"),
        ("missing>=2", "a 1.0 requires `missing>=2`, which is not there"),
        ("b>=2", "a 1.0 requires `b>=2`, and there is 1.0"),
        ("missing; python_version >= '3.13'", "missing"),
        ("missing; sys_platform == 'linux'", "missing"),
    ],
)
def test_what_is_not_there_is_told(line: str, told: str) -> None:
    (found,) = lacks(wheel("a", line), wheel("b"))
    assert told in found


@pytest.mark.parametrize(
    "line",
    ["missing; sys_platform == 'win32'", "missing; python_version < '3'", "missing; extra == 'test'", "no line!"],
)
def test_what_does_not_apply_is_not_required(line: str) -> None:
    assert not lacks(wheel("a", line))


def test_extras_are_those_that_somebody_asks_for_also_by_way_of_others() -> None:
    tested = wheel("b", "missing; extra == 'test'", "c[deep]; extra == 'more'")
    assert not lacks(wheel("a", "b"), tested)
    assert lacks(wheel("a", "b[test]"), tested) == ["b 1.0 requires `missing`, which is not there"]
    assert lacks(tested, asked=("B[Test]",)) == ["b 1.0 requires `missing`, which is not there"]
    deep = wheel("c", "missing; extra == 'deep'")
    assert lacks(wheel("a", "b[more]"), tested, deep) == ["c 1.0 requires `missing`, which is not there"]
    # Two that ask for each other's extras come to an end.
    assert not lacks(wheel("a", "b[x]; extra == 'x'", "b"), wheel("b", "a[x]; extra == 'x'"), asked=("a[x]",))


def test_a_python_that_a_wheel_is_not_for_is_told() -> None:
    assert lacks(wheel("a", python=">=3.14")) == ["a 1.0 requires Python >=3.14, and there is 3.13.5"]


def test_what_is_no_wheel_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"no zip")
    file = LockedFile("a", "1", "a-1-py3-none-any.whl", "0" * 64, 6)
    with pytest.raises(PackageContentError, match=r"a-1-py3-none-any\.whl: is not a usable wheel"):
        read_metadata(path, file)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.py", "")
    with pytest.raises(PackageContentError, match="no METADATA"):
        read_metadata(path, file)
