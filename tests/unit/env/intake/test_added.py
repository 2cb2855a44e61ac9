"""JupyterLab and MCP over other people's environments: what is lacking is added, and a clash is told with versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from env.errors import AdditionsError, StaleLockError
from env.formats.additions import ADDITIONS, find_additions
from env.formats.lock import Lock
from env.formats.markers import applies
from env.formats.wheel_tags import supported_tags
from env.intake.added import added
from env.intake.found import take
from env.platforms import AMD64, ARM64, PLATFORMS, Platform
from env.spec import ROOT, Tree
from tests.support.pixi_files import MANIFEST, conda, lock, write
from tests.support.pylocks import pylock

TREE = Tree()
Over = Callable[..., Lock]


@pytest.fixture
def over_wheels(tmp_path: Path) -> Over:
    def over(platform: Platform = AMD64, **versions: str) -> Lock:
        packages = {name.replace("_", "-"): version for name, version in versions.items()} or {"tabulate": "0.9.0"}
        (tmp_path / "pylock.toml").write_text(pylock(packages))
        intake = take(Tree(tmp_path, TREE))
        assert intake is not None
        return added(intake, platform)

    return over


@pytest.fixture
def over_conda(tmp_path: Path) -> Over:
    def over(**versions: str) -> Lock:
        entries = [conda(name.replace("_", "-"), version) for name, version in versions.items()]
        intake = take(Tree(write(tmp_path, MANIFEST, lock(*entries)), TREE))
        assert intake is not None
        return added(intake, AMD64)

    return over


def names(found: Lock) -> dict[str, str]:
    return {file.name: file.version for file in found.files}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_environment_that_lacks_it_all_gets_all_of_it(over_wheels: Over, platform: Platform) -> None:
    found = over_wheels(platform)
    assert {"jupyterlab", "jupyter-collaboration", "fastmcp", "ipykernel", "supervisor", "pip"} <= names(found).keys()
    assert "tabulate" not in names(found)
    tags = set(supported_tags(platform))
    assert all(parse_wheel_filename(file.file)[3] & tags for file in found.files)
    assert all(len(file.sha256) == 64 and file.size for file in found.files)


def test_what_is_there_stays_and_is_not_added_again(over_wheels: Over) -> None:
    full = names(over_wheels())
    less = names(over_wheels(jupyterlab=full["jupyterlab"], Tornado=full["tornado"]))
    assert {"jupyterlab", "tornado"} <= full.keys() - less.keys()
    assert less.items() <= full.items(), "what JupyterLab alone requires is its owner's to have"


def test_all_that_is_added_has_what_it_requires(over_wheels: Over) -> None:
    found = names(over_wheels())
    offered = find_additions(TREE)
    for name in found:
        package = next(one for one in offered[name] if one.version == found[name])
        for requirement in map(Requirement, package.requires):
            if applies(requirement, frozenset(), AMD64, "3.13.5"):
                assert requirement.name.lower().replace("_", "-").replace(".", "-") in found, f"{name}: {requirement}"


def test_a_clash_is_told_with_package_versions_and_command(over_wheels: Over, tmp_path: Path) -> None:
    with pytest.raises(AdditionsError) as error:
        over_wheels(tornado="6.1", pydantic="1.10.0")
    told = str(error.value)
    assert told.startswith(f"{tmp_path / 'pylock.toml'}: ")
    assert "needs `tornado>=6.4`, and the environment has tornado 6.1" in told
    assert "and the environment has pydantic 1.10.0" in told
    assert f"run `uv export --project {tmp_path}" in told
    assert "without --with" in told


def test_over_conda_packages_the_wheels_are_for_their_python(over_conda: Over) -> None:
    found = over_conda(python="3.12.4", pyzmq="99.0")
    assert found.source == "pypi"
    assert found.python == "3.12.4"
    assert "pyzmq" not in names(found), "conda has it"
    tags = set(supported_tags(AMD64, (3, 12)))
    assert all(parse_wheel_filename(file.file)[3] & tags for file in found.files)
    assert any(
        Tag("cp312", "cp312", "manylinux2014_x86_64") in parse_wheel_filename(one.file)[3] for one in found.files
    )


def test_a_conda_package_answers_by_the_name_that_it_has_on_pypi(over_conda: Over) -> None:
    assert "fastjsonschema" not in names(over_conda(python="3.13.1", python_fastjsonschema="2.21.1"))


@pytest.mark.parametrize(
    ("python", "told"), [("3.10.2", "it has Python 3.10.2, and 3.11 or later"), ("", "no CPython")]
)
def test_a_python_that_is_too_old_is_told(over_conda: Over, python: str, told: str) -> None:
    with pytest.raises(AdditionsError, match=told):
        over_conda(**({"python": python} if python else {"r_base": "4.4"}))


def test_a_python_that_there_is_no_wheel_for_is_told(over_conda: Over) -> None:
    with pytest.raises(AdditionsError, match=r"which has no wheel for Python 3\.19\.0 on linux/amd64"):
        over_conda(python="3.19.0")


def test_the_list_answers_pyproject_and_names_no_place(tmp_path: Path) -> None:
    text = (ROOT / "env" / "locks" / ADDITIONS).read_text()
    assert "://" not in text
    (tmp_path / "env" / "locks").mkdir(parents=True)
    (tmp_path / "env" / "locks" / ADDITIONS).write_text(text)
    project = (ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(project.replace('"jupyterlab>=4.4", "jupyterlab-git"', '"jupyterlab>=5"'))
    with pytest.raises(StaleLockError, match=r"lock -- wheels"):
        find_additions(Tree(tmp_path))


def test_both_platforms_get_the_same_packages(over_wheels: Over) -> None:
    assert names(over_wheels(AMD64)) == names(over_wheels(ARM64))


def test_older_packages_are_answered_by_older_versions_of_what_is_added(over_wheels: Over) -> None:
    newest = names(over_wheels())
    older = names(over_wheels(tornado="6.4.2", typing_extensions="4.15.0"))
    assert older["ipykernel"] != newest["ipykernel"]
    assert older["anyio"] != newest["anyio"]
    same = {name for name in older if older[name] == newest.get(name)}
    assert len(same) > len(older) * 0.8, "the others stay what is tested"
