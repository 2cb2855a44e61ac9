"""What an image of a project needs besides packages: its activation, and no script that would have to run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.errors import NotTakenError, ScriptsNotRunError, SpecError, UnlockedError, UnmetError
from env.platforms import AMD64
from env.spec import Tree
from images.build.build import Build
from images.build.intake import activated, require_depends, require_installed, require_no_links
from images.build.workers import Place
from images.cli.build import fitting
from images.recipe.project import project_recipe
from images.recipe.recipe import read_recipe
from images.rootfs.activation import Activation, read_activation
from tests.support.pixi_files import MANIFEST, conda, lock, pypi, write

LOCKED = lock(conda("numpy", "1.26.4"))
IMAGE = """
name = "mine"
title = "Mine"
description = "Mine"
platforms = ["linux/amd64"]
environments = ["{kind}"]
parts = ["base", "environment"]
created = 2026-11-01T00:00:00Z
{more}
"""


def built(folder: Path, manifest: str = MANIFEST) -> Build:
    tree = Tree()
    recipe, _ = project_recipe(write(folder, manifest, LOCKED), tree)
    return Build(recipe, (AMD64,), "conda", tree=tree)


def test_a_projects_variables_are_what_a_shell_would_export(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("#!/bin/sh\nexport FROM_SCRIPT=$CONDA_PREFIX/x\nOWN=1\n")
    more = '[activation]\nscripts = ["a.sh"]\n[activation.env]\nA = "$CONDA_PREFIX/a:$HOME"\nB = "${FROM_SCRIPT}/b"\n'
    assert activated(built(tmp_path, MANIFEST + more), Place(AMD64), {}) == {
        "FROM_SCRIPT": "/opt/env/x",
        "A": "/opt/env/a:/home/jovyan",
        "B": "/opt/env/x/b",
    }


@pytest.mark.parametrize("packages", [None, {}])
def test_a_variable_of_the_projects_folder_is_refused_with_file_line_and_key(
    tmp_path: Path, packages: dict[str, str] | None
) -> None:
    build = built(tmp_path, MANIFEST + '[activation.env]\nA = "$PIXI_PROJECT_ROOT/data"\n')
    with pytest.raises(SpecError, match=r"pixi\.toml:7: activation\.env\.A = .* holds \$PIXI_PROJECT_ROOT"):
        activated(build, Place(AMD64), packages)


def test_what_packages_set_is_known_only_once_they_are_installed(tmp_path: Path) -> None:
    build = built(tmp_path, MANIFEST + '[activation.env]\nA = "$PROJ_DATA/x"\n')
    assert activated(build, Place(AMD64)) == {}
    assert activated(build, Place(AMD64), {"PROJ_DATA": "/p"}) == {"A": "/p/x"}


@pytest.mark.parametrize("script", ["export A=$(date)\n", "source other.sh\n", "curl example.org\n", None])
def test_a_script_that_does_more_than_set_variables_is_refused_until_it_is_done_without(
    tmp_path: Path, script: str | None
) -> None:
    if script is not None:
        (tmp_path / "a.sh").write_text(script)
    manifest = MANIFEST + '[activation]\nscripts = ["a.sh"]\n'
    with pytest.raises(ScriptsNotRunError, match=r"a\.sh: .*\[activation\.env\].*skip-activation = \[\"a\.sh\"\]"):
        activated(built(tmp_path, manifest), Place(AMD64))
    (tmp_path / "image.toml").write_text(IMAGE.format(kind="conda", more='skip-activation = ["a.sh"]'))
    assert activated(Build(read_recipe(tmp_path), (AMD64,), "conda"), Place(AMD64)) == {}


@pytest.mark.parametrize(
    ("script", "works"),
    [
        ("#!/bin/sh\n# nothing\nset -e\nexit 0\n", False),
        ('#!/bin/bash\necho "Hello" >> "${PREFIX}/.messages.txt"\n', False),
        ('echo "Hello" >> $PREFIX/.messages.txt 2>&1\n', False),
        ('printf "a\\n" >>"$PREFIX"/.messages.txt\n', False),
        ('"${PREFIX}/bin/dot" -c\n', True),
        ("echo a; rm -rf /\n", True),
        ('echo "$(curl example.org)" >> $PREFIX/.messages.txt\n', True),
        ("echo a | tee /etc/x\n", True),
        ('echo "x" > "$PREFIX/etc/conf"\n', True),
        ("if true; then\n  echo a\nfi\n", True),
    ],
)
def test_a_post_link_script_that_only_says_something_is_harmless(tmp_path: Path, script: str, *, works: bool) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / ".graph-viz-post-link.sh").write_text(script)
    assert read_activation(tmp_path).links == (("graph-viz",) if works else ())


def test_post_link_scripts_are_listed_with_what_can_be_done(tmp_path: Path) -> None:
    build = built(tmp_path)
    with pytest.raises(ScriptsNotRunError) as error:
        require_no_links(build, Place(AMD64), Activation({}, (), ("gdk-pixbuf", "graphviz")))
    for text in ("gdk-pixbuf, graphviz", "/opt/env/bin/.graphviz-post-link.sh", "--skip-post-link gdk-pixbuf,graphviz"):
        assert text in str(error.value)
    (tmp_path / "image.toml").write_text(IMAGE.format(kind="conda", more='skip-post-link = ["graphviz"]'))
    require_no_links(Build(read_recipe(tmp_path), (AMD64,), "conda"), Place(AMD64), Activation({}, (), ("graphviz",)))


@pytest.mark.parametrize("name", ["pixi.toml", "environment.yml", "pyproject.toml", "requirements.in"])
def test_a_recipe_beside_what_is_no_lock_is_not_built_from_our_packages(tmp_path: Path, name: str) -> None:
    (tmp_path / "image.toml").write_text(IMAGE.format(kind="conda", more=""))
    (tmp_path / name).write_text("[project]\nname = 'x'\n" if name == "pyproject.toml" else "\n")
    with pytest.raises(UnlockedError, match=name):
        Build(read_recipe(tmp_path), (AMD64,), "conda")
    (tmp_path / "image.toml").write_text(IMAGE.format(kind="conda", more='lock = "ours"'))
    assert Build(read_recipe(tmp_path), (AMD64,), "conda").intake is None


def test_of_several_environments_only_those_that_the_lock_is_for_are_built(tmp_path: Path) -> None:
    write(tmp_path, MANIFEST, LOCKED)
    text = IMAGE.format(kind="wheels", more="").replace('["wheels"]', '["wheels", "conda"]')
    (tmp_path / "image.toml").write_text(text)
    (build,) = fitting(read_recipe(tmp_path), (AMD64,), "zstd", Tree())
    assert build.environment == "conda"
    (tmp_path / "image.toml").write_text(IMAGE.format(kind="wheels", more=""))
    with pytest.raises(UnlockedError, match="is a lock of conda packages, and wheels are built"):
        fitting(read_recipe(tmp_path), (AMD64,), "zstd", Tree())


def test_what_is_fetched_for_a_conda_recipe_is_what_it_is_built_from(tmp_path: Path) -> None:
    build = built(tmp_path)
    files = {file.file for lock in build.everything() for file in lock.files}
    assert "linux-64/numpy-1.26.4-0.conda" in files
    assert not any("jupyterlab" in file for file in files)
    assert any(file.startswith("pool/main/b/bubblewrap") for file in files), "its checks run in a sandbox"


def test_a_conda_package_without_what_it_depends_on_is_refused_until_somebody_says_that_it_may(tmp_path: Path) -> None:
    python = conda("python", "3.11.9", build="h1_0_cpython")
    numpy = conda("numpy", "1.26.4", depends=["python >=3.11", "__glibc >=2.17", "libblas >=3.9", "odd ;; spec"])
    write(tmp_path, MANIFEST, lock(python, numpy))
    (tmp_path / "image.toml").write_text(IMAGE.format(kind="conda", more=""))
    with pytest.raises(
        UnmetError, match=r"numpy 1\.26\.4 0 depends on `libblas >=3\.9`, which is not there.*pixi lock"
    ):
        require_depends(Build(read_recipe(tmp_path), (AMD64,), "conda"))
    (tmp_path / "image.toml").write_text(IMAGE.format(kind="conda", more='allow-unmet = ["numpy"]'))
    require_depends(Build(read_recipe(tmp_path), (AMD64,), "conda"))


@pytest.mark.parametrize("depend", ["python >=3.12", "python 3.11.* *_cp313"])
def test_a_conda_package_for_another_python_is_refused(tmp_path: Path, depend: str) -> None:
    python = conda("python", "3.11.9", build="h1_0_cpython")
    write(tmp_path, MANIFEST, lock(python, conda("numpy", "1.26.4", depends=[depend])))
    (tmp_path / "image.toml").write_text(IMAGE.format(kind="conda", more=""))
    with pytest.raises(UnmetError, match=r"and there is 3\.11\.9 h1_0_cpython"):
        require_depends(Build(read_recipe(tmp_path), (AMD64,), "conda"))


def explicit(folder: Path, *names: str) -> Build:
    lines = [f"https://c.invalid/main/linux-64/{name}-h0_0.conda#{'b' * 64}" for name in names]
    (folder / "conda.lock").write_text("\n".join(["# platform: linux-64", "@EXPLICIT", *lines]) + "\n")
    (folder / "image.toml").write_text(IMAGE.format(kind="conda", more=""))
    return Build(read_recipe(folder), (AMD64,), "conda")


def recorded(prefix: Path, name: str, version: str, *depends: str) -> None:
    (prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    record = {"name": name, "version": version, "build": "h0_0", "depends": depends}
    (prefix / "conda-meta" / f"{name}.json").write_text(json.dumps(record))


def test_what_packages_of_an_explicit_file_depend_on_is_looked_for_once_they_are_installed(tmp_path: Path) -> None:
    build, prefix = explicit(tmp_path, "python-3.11.9", "numpy-1.26.4"), tmp_path / "prefix"
    recorded(prefix, "python", "3.11.9")
    # That python is another minor version counts, and so does what is missing; other versions may have been corrected.
    recorded(prefix, "numpy", "1.26.4", "python >=3.11", "numpy >=9", "__unix")
    require_installed(build, Place(AMD64), read_activation(prefix))
    for depend in ("libblas >=3.9", "python >=3.12"):
        recorded(prefix, "numpy", "1.26.4", depend)
        with pytest.raises(UnmetError, match=f"numpy 1.26.4 h0_0 depends on `{depend}`"):
            require_installed(build, Place(AMD64), read_activation(prefix))


def test_a_distribution_of_two_versions_is_refused(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    (prefix / "lib/python3.11/site-packages/Flask-2.0.dist-info").mkdir(parents=True)
    wheel = "https://x.invalid/flask-3.0-py3-none-any.whl"
    python = conda("python", "3.11.9", build="h1_0_cpython")
    write(tmp_path, MANIFEST, lock(python, conda("flask-of-old", "2.0"), pypi("flask", "3.0", wheel)))
    (tmp_path / "image.toml").write_text(IMAGE.format(kind="conda", more=""))
    build = Build(read_recipe(tmp_path), (AMD64,), "conda")
    with pytest.raises(NotTakenError, match=r"flask 2\.0 among its conda packages and flask 3\.0 among its wheels"):
        require_installed(build, Place(AMD64), read_activation(prefix))
    (prefix / "lib/python3.11/site-packages/Flask-2.0.dist-info").rename(
        prefix / "lib/python3.11/site-packages/Flask-3.0.0.dist-info"
    )
    require_installed(build, Place(AMD64), read_activation(prefix))
