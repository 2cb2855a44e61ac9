"""The checks an image carries survive the way through its label, and variables are filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from images.check.packages import installed
from images.errors import RecipeError
from images.oci.rooted import Root
from images.recipe.checks import Variables, from_label, to_label
from images.recipe.recipe import load_recipe


def test_the_label_gives_back_every_check_in_its_section() -> None:
    recipe = load_recipe("jupyter")
    checks = [check for part in recipe.parts for check in part.part.check]
    sections = from_label(to_label(checks, ()), "image")
    assert [*sections["layer"], *sections["deploy"]] == sorted(checks, key=lambda check: check.scope == "deploy")
    assert len({check.id for check in checks}) == len(checks)


@pytest.mark.parametrize(
    "label",
    ["", "[]", '{"layer":[{"id":"x","scope":"build","verb":1}]}', '{"layer":[{"id":"x","scope":"later","file":"/"}]}'],
)
def test_another_label_is_refused_with_the_image_it_is_from(label: str) -> None:
    with pytest.raises(RecipeError, match=r"^image: label org.overthinkos.tests"):
        from_label(label, "image")


@pytest.mark.parametrize("verb", ['"do":"call"', '"do":"read"'])
def test_an_mcp_check_without_its_object_is_refused(verb: str) -> None:
    with pytest.raises(RecipeError, match="needs a"):
        from_label(f'{{"deploy":[{{"id":"x","scope":"deploy","mcp":"http://h/mcp",{verb}}}]}}', "image")


def test_packages_are_found_whoever_installed_them(tmp_path: Path) -> None:
    python = tmp_path / "opt" / "env" / "lib" / "python3.13" / "site-packages" / "Some_Thing-1.2.dist-info"
    python.mkdir(parents=True)
    (python / "METADATA").write_text("Metadata-Version: 2.1\nName: Some_Thing\nVersion: 1.2\n")
    conda = tmp_path / "opt" / "env" / "conda-meta"
    conda.mkdir()
    (conda / "git-2.55.0-0.json").write_text('{"name": "git", "version": "2.55.0"}')
    debian = tmp_path / "var" / "lib" / "dpkg" / "status.d"
    debian.mkdir(parents=True)
    (debian / "tini").write_text("Package: tini\nVersion: 0.19.0-3\nDescription: a\n b\n")
    names = ("some-thing", "git", "tini", "none")
    with Root(tmp_path) as root:
        found = [installed(root, name) for name in names]
    assert found == ["1.2", "2.55.0", "0.19.0-3", None]


def test_variables_are_filled_in_everywhere() -> None:
    variables = Variables({"HOST_PORT:8888": "9001", "HOME": "/h"})
    value = {"a": ["${HOME}/x", 1], "b": {"c": "http://h:${HOST_PORT:8888}/"}}
    assert variables.fill(value) == {"a": ["/h/x", 1], "b": {"c": "http://h:9001/"}}
    with pytest.raises(KeyError, match="NOTHING"):
        variables.fill("${NOTHING}")
