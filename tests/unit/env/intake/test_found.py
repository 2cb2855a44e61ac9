"""Which file of a folder says what to install; what is no lock is told, with the command that makes one."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import SpecError, UnlockedError
from env.intake.found import OURS, passed_over, take
from env.intake.requirements_txt import read_requirements, requirements_of
from env.spec import Tree
from tests.support.pixi_files import MANIFEST, conda, lock, write

PROJECT = "[project]\nname = 'mine'\nversion = '1'\ndependencies = ['flask']\n"
PYLOCK = 'lock-version = "1.0"\n[[packages]]\nname = "flask"\nversion = "3"\n'
EXPLICIT = "# platform: linux-64\n@EXPLICIT\nhttps://c.example/f/linux-64/a-1-0.conda#" + "a" * 64 + "\n"


def folder_with(folder: Path, **files: str) -> Tree:
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return Tree().beside(folder)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"pixi__toml": MANIFEST}, "run `pixi lock --manifest-path {0}/pixi.toml`, which writes pixi.lock"),
        (
            {"pyproject__toml": PROJECT + "[tool.pixi.workspace]\n"},
            "`pixi lock --manifest-path {0}/pyproject.toml`",
        ),
        ({"environment__yml": "dependencies: [numpy]\n"}, "run `conda-lock -f {0}/environment.yml"),
        ({"environment__yaml": "dependencies: [numpy]\n"}, "run `conda-lock -f {0}/environment.yaml"),
        ({"pyproject__toml": PROJECT}, "run `uv lock --project {0}`, which writes uv.lock"),
        ({"requirements__txt": "flask\n"}, "make it with `./noxw -s lock -- --recipe {0}`, which writes pylock.toml"),
        ({"requirements__txt": "flask==3\n"}, "./noxw -s lock -- --recipe {0}"),
        ({"requirements__in": "flask\n"}, "run `uv pip compile {0}/requirements.in --universal --format pylock.toml"),
        ({"requirements-dev__txt": "flask\n"}, "run `uv pip compile {0}/requirements-dev.txt"),
        ({"pylock__a__toml": PYLOCK, "pylock__b__toml": PYLOCK}, "of pylock.a.toml, pylock.b.toml, name one"),
        ({"poetry__lock": "", "pyproject__toml": PROJECT}, "run `poetry export -C {0} -f requirements.txt -o "),
        ({"pdm__lock": ""}, "run `pdm export -p {0} -f pylock"),
        ({"Pipfile__lock": "{}"}, "run `pipenv requirements --hash > {0}/requirements.txt`"),
        ({"setup__py": ""}, "run `uv pip compile {0}/setup.py"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_is_no_lock_is_refused_with_the_command_that_makes_one(
    tmp_path: Path, files: dict[str, str], told: str
) -> None:
    with pytest.raises(UnlockedError) as error:
        take(folder_with(tmp_path, **files))
    assert told.format(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["conda", "wheels"])
def test_a_lock_of_another_kind_than_the_recipes_is_refused(tmp_path: Path, kind: str) -> None:
    other = "wheels" if kind == "conda" else "conda"
    if kind == "conda":
        write(tmp_path, MANIFEST, lock(conda("a", "1")))
    tree = folder_with(tmp_path, **({} if kind == "conda" else {"pylock__toml": PYLOCK}))
    with pytest.raises(UnlockedError, match=rf'environments = \["{kind}"\].*lock = "{OURS}"'):
        take(tree, kinds=(other,))


@pytest.mark.parametrize(
    ("files", "taken", "others"),
    [
        ({"pylock__toml": PYLOCK, "environment__yml": "x: 1\n"}, "pylock.toml", ["environment.yml"]),
        ({"pylock__prod__toml": PYLOCK}, "pylock.prod.toml", []),
        ({"uv__lock": "", "pylock__toml": PYLOCK, "pyproject__toml": PROJECT}, "uv.lock", ["pylock.toml"]),
        ({"uv__lock": "", "pylock__toml": PYLOCK, "requirements__txt": "flask\n"}, "pylock.toml", ["uv.lock"]),
        ({"a__txt": EXPLICIT, "apt__txt": "ffmpeg\n"}, "a.txt", []),
        ({"conda-linux-64__lock": EXPLICIT}, "conda-linux-64.lock", []),
        (
            {"conda-lock__yml": "", "environment__yml": "", "pylock__toml": PYLOCK},
            "conda-lock.yml",
            ["pylock.toml"],
        ),
        ({"requirements__txt": f"flask==3 --hash=sha256:{'a' * 64}\n"}, "requirements.txt", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_of_several_one_is_taken_and_the_others_are_said(
    tmp_path: Path, files: dict[str, str], taken: str, others: list[str]
) -> None:
    tree = folder_with(tmp_path, **files)
    found = take(tree)
    assert found is not None
    assert found.path == tmp_path / taken
    assert passed_over(tree, found) == others


def test_a_file_can_be_named(tmp_path: Path) -> None:
    tree = folder_with(tmp_path, pylock__a__toml=PYLOCK, pylock__b__toml=PYLOCK, notes__md="")
    found = take(tree, file="pylock.b.toml")
    assert found is not None
    assert found.path.name == "pylock.b.toml"
    with pytest.raises(UnlockedError, match="is no lock that is known here"):
        take(tree, file="notes.md")
    with pytest.raises(UnlockedError, match="is not there"):
        take(tree, file="pylock.c.toml")


def test_a_folder_that_says_nothing_has_nothing(tmp_path: Path) -> None:
    assert take(folder_with(tmp_path, README__md="", pyproject__toml="[tool.ruff]\n")) is None


def test_requirements_include_others_constrain_and_name_their_own_project(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(
        b"\xef\xbb\xbf-r base.txt\n-c limits.txt\n-e .[extra]\n--require-hashes\n"
    )
    tree = folder_with(
        tmp_path,
        base__txt="numpy>=1\n",
        limits__txt="scipy<2\n",
        pyproject__toml=PROJECT + "[project.optional-dependencies]\nextra = ['polars']\n",
    )
    found = requirements_of(tree)
    assert [str(one.requirement) for one in found.asked] == ["numpy>=1", "flask", "polars"]
    assert (found.constraints, found.folders) == (("scipy<2",), (tmp_path,))


def test_requirements_in_powershells_encoding_are_read(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes("flask\n".encode("utf-16"))
    assert [one.name for one in read_requirements(Tree().beside(tmp_path))] == ["flask"]
    (tmp_path / "requirements.txt").write_bytes(b"flask\nn\xe9\n")
    with pytest.raises(SpecError, match=r"requirements\.txt:2: is no text in UTF-8"):
        read_requirements(Tree().beside(tmp_path))
