"""The checks an image carries survive the way through its label, and variables are filled in."""

from __future__ import annotations

import pytest

from images.checks import Variables, from_label, to_label
from images.errors import RecipeError
from images.recipe import load_recipe


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


def test_variables_are_filled_in_everywhere() -> None:
    variables = Variables({"HOST_PORT:8888": "9001", "HOME": "/h"})
    value = {"a": ["${HOME}/x", 1], "b": {"c": "http://h:${HOST_PORT:8888}/"}}
    assert variables.fill(value) == {"a": ["/h/x", 1], "b": {"c": "http://h:9001/"}}
    with pytest.raises(KeyError, match="NOTHING"):
        variables.fill("${NOTHING}")
