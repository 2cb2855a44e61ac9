"""rattler-build reads the recipe for conda-forge, and makes of it what pyproject.toml says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from env.spec import ROOT, Tree
from release.conda_recipe import PYTHON_MIN, expected

RATTLER_BUILD = "py-rattler-build==0.73.0"
"""Not among the locked tools: it has 80 MB, and nothing else needs it."""
RENDER = """
import json, sys
from rattler_build import Stage0Recipe, VariantConfig
(one,) = Stage0Recipe.from_file(sys.argv[1]).render(VariantConfig())
print(json.dumps(one.recipe.to_dict()))
"""


@pytest.mark.slow
@pytest.mark.network
def test_the_rendered_recipe_is_this_project(tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "run", "--isolated", "--no-project", "--quiet", "--with", RATTLER_BUILD, "python", "-c", RENDER]
    recipe = ROOT / "recipe" / "recipe.yaml"
    done = subprocess.run([*command, recipe], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered, wanted = json.loads(done.stdout), expected(Tree().toml("pyproject.toml"))
    oldest = str(wanted["context.python_min"])
    for kind in ("host", "run"):
        lines = [line.replace(PYTHON_MIN, oldest) for line in wanted[f"requirements.{kind}"]]
        assert sorted(rendered["requirements"][kind]) == sorted(lines)
    assert rendered["package"] == {"name": wanted["context.name"], "version": wanted["context.version"]}
    assert rendered["build"]["noarch"] == "python"
    assert rendered["build"]["python"]["entry_points"] == wanted["build.python.entry_points"]
    assert rendered["about"]["license"] == wanted["about.license"]
