"""What changes between two plans of an image, as a pull request shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from images.build.changes import changes, read_plan
from images.errors import UnreadableInputError


def layer(name: str, version: str, size: int, kind: str = "wheels") -> dict[str, Any]:
    """Return a layer of one package."""
    package = {"name": name, "version": version, "size": size, "sha256": f"{name}{version}" * 9}
    return {"name": name, "kind": kind, "packages": [package]}


def plan(path: Path, packages: dict[str, tuple[str, int]], *more: Any, platform: str = "linux/amd64") -> Path:
    """Write the plan of an image with a layer a package."""
    layers = [*(layer(name, *one) for name, one in packages.items()), *more]
    path.write_text(json.dumps({"environment": "wheels", "platforms": [{"platform": platform, "layers": layers}]}))
    return path


def told(before: Path, after: Path) -> str:
    return "\n".join(changes(read_plan(before), read_plan(after)))


def test_versions_sizes_digests_and_what_is_pulled_are_told(tmp_path: Path) -> None:
    before = plan(tmp_path / "b", {"idna": ("3.10", 70_000), "six": ("1.17", 11_000), "old": ("1", 5_000)})
    after = plan(tmp_path / "a", {"idna": ("3.11", 71_000), "six": ("1.17", 11_000), "new": ("2", 9_000)})
    text = told(before, after)
    assert "| idna | 3.10 | 3.11 | 71.0 kB (+1.0 kB) | idna3.11idna |" in text
    assert "| new |  | 2 | 9.0 kB (+9.0 kB) | new2new2new2 |" in text
    assert "| old | 1 |  | -5.0 kB |  |" in text
    assert "| six |" not in text
    assert "3 packages change; the image's packages grow by +5.0 kB. An update pulls 80.0 kB, and 1 of 3 layers" in text


def test_debians_package_and_one_of_its_name_in_the_environment_are_two(tmp_path: Path) -> None:
    packages = {"openssl": ("3.6.0", 3_000), "six": ("1.17", 11)}
    before = plan(tmp_path / "b", packages, layer("openssl", "3.5.1-1", 500, "debian"))
    after = plan(tmp_path / "a", packages, layer("openssl", "3.5.1-1+deb13u1", 600, "debian"))
    for first, second in ((before, after), (after, before)):
        text = told(first, second)
        assert "1 package changes" in text
        assert "| openssl (debian) | 3.5.1-1" in text


def test_nothing_and_other_platforms_are_told(tmp_path: Path) -> None:
    before = plan(tmp_path / "b", {"six": ("1", 1)})
    assert told(before, before) == "### linux/amd64\n\nNothing changed.\n"
    other = plan(tmp_path / "o", {"six": ("1", 1)}, platform="linux/arm64")
    assert told(before, other) == "### linux/amd64\n\nNo longer built.\n\n### linux/arm64\n\nNew.\n"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"platforms": [{}]}', '{"platforms": 3}', '{"platforms": ["x"]}'])
def test_what_is_no_plan_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "x").write_text(content)
    with pytest.raises(UnreadableInputError, match="is no plan: it is what `build --plan --json` prints"):
        read_plan(tmp_path / "x")
    with pytest.raises(UnreadableInputError, match="can't be read"):
        read_plan(tmp_path / "y")
