"""uv.lock: uv itself exports it, offline; stale is what does not have what pyproject.toml asks for today."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import LockFormatError, NotTakenError, NoWheelError, SpecError, StaleLockError
from env.intake.found import take
from env.intake.intake import Chosen, Intake
from env.platforms import AMD64
from env.spec import Tree
from tests.support.pixi_files import MANIFEST, conda, lock, write
from tests.support.pylocks import pylock

PROJECT = """[project]
name = "mine"
version = "0.1"
requires-python = ">=3.12"
dependencies = ["tabulate==0.9.0"]
[project.optional-dependencies]
more = ["never"]
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
LOCK = """version = 1
revision = 3
requires-python = ">=3.12"

[[package]]
name = "mine"
version = "0.1"
source = { editable = "." }
dependencies = [
    { name = "tabulate" },
]

[package.metadata]
requires-dist = [
    { name = "never", marker = "extra == 'more'" },
    { name = "tabulate", specifier = "==0.9.0" },
]
provides-extras = ["more"]

[[package]]
name = "tabulate"
version = "0.9.0"
source = { registry = "https://index.invalid/simple" }
wheels = [
    { url = "https://files.index.invalid/tabulate-0.9.0-py3-none-any.whl", hash = "sha256:SHA", size = 35252 },
]
""".replace("SHA", "a" * 64)


def taken(folder: Path, project: str = PROJECT, lock: str = LOCK) -> Intake:
    (folder / "pyproject.toml").write_text(project)
    (folder / "uv.lock").write_text(lock)
    found = take(Tree().beside(folder))
    assert found is not None
    return found


def test_the_project_and_what_it_requires_are_taken(tmp_path: Path) -> None:
    found = taken(tmp_path)
    (tabulate,) = found.locks(AMD64)["environment"].files
    assert (tabulate.name, tabulate.version, tabulate.sha256, tabulate.size) == ("tabulate", "0.9.0", "a" * 64, 35252)
    assert tabulate.url == "https://files.index.invalid/tabulate-0.9.0-py3-none-any.whl"
    assert found.builds_project(AMD64)


def test_a_project_that_is_no_package_is_not_built(tmp_path: Path) -> None:
    project = PROJECT.partition("[build-system]")[0]
    assert not taken(tmp_path, project, LOCK.replace("editable", "virtual")).builds_project(AMD64)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("tabulate==0.9.0", "tabulate==0.8.0", "asks for `tabulate==0.8.0`"),
        ('"tabulate==0.9.0"', '"tabulate==0.9.0", "flask"', "asks for `flask`"),
        ('"tabulate==0.9.0"', "", "no longer asks for `tabulate==0.9.0`"),
        ('name = "mine"', 'name = "other"', "it does not have other"),
    ],
)
def test_a_stale_lock_says_what_has_changed(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(StaleLockError, match=rf"uv\.lock is stale: .*{told}.*run `uv lock --project {tmp_path}`"):
        taken(tmp_path, PROJECT.replace(old, new)).locks(AMD64)


def test_what_comes_from_git_or_another_folder_is_refused_by_name(tmp_path: Path) -> None:
    git = LOCK.replace(
        'registry = "https://index.invalid/simple"', 'git = "https://x.invalid/t.git?rev=1#' + "c" * 40 + '"'
    )
    with pytest.raises(NotTakenError, match="tabulate comes from a repository"):
        taken(tmp_path, lock=git.partition("wheels = [")[0]).locks(AMD64)
    (tmp_path / "libs" / "tabulate").mkdir(parents=True)
    folder = LOCK.replace('registry = "https://index.invalid/simple"', 'directory = "libs/tabulate"')
    with pytest.raises(NotTakenError, match=r"tabulate is the project in the folder .*libs/tabulate"):
        taken(tmp_path, lock=folder.partition("wheels = [")[0]).locks(AMD64)


@pytest.mark.parametrize("lock", ["", "version = 1\n", "version = 99\n", "["])
def test_what_is_no_uv_lock_ends_with_a_line(tmp_path: Path, lock: str) -> None:
    with pytest.raises((LockFormatError, StaleLockError, SpecError), match=r"uv\.lock"):
        taken(tmp_path, lock=lock).locks(AMD64)


GROUPED = PROJECT.replace('more = ["never"]', 'more = ["idna==3.10"]') + '[dependency-groups]\ndev = ["six==1.17.0"]\n'
GROUPED_LOCK = (
    """version = 1
revision = 3
requires-python = ">=3.12"
"""
    + "".join(
        f"""
[[package]]
name = "{name}"
version = "{version}"
source = {{ registry = "https://index.invalid/simple" }}
wheels = [{{ url = "https://files.index.invalid/{name}-{version}-py3-none-any.whl", hash = "sha256:{"a" * 64}" }}]
"""
        for name, version in (("idna", "3.10"), ("six", "1.17.0"), ("tabulate", "0.9.0"))
    )
    + """
[[package]]
name = "mine"
version = "0.1"
source = { editable = "." }
dependencies = [{ name = "tabulate" }]
[package.optional-dependencies]
more = [{ name = "idna" }]
[package.dev-dependencies]
dev = [{ name = "six" }]
[package.metadata]
requires-dist = [
    { name = "idna", marker = "extra == 'more'", specifier = "==3.10" },
    { name = "tabulate", specifier = "==0.9.0" },
]
provides-extras = ["more"]
[package.metadata.requires-dev]
dev = [{ name = "six", specifier = "==1.17.0" }]
"""
)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Chosen(), {"tabulate"}),
        (Chosen(("more",)), {"tabulate", "idna"}),
        (Chosen((), ("dev",)), {"tabulate", "six"}),
        (Chosen(("More",), ("Dev",)), {"tabulate", "idna", "six"}),
    ],
)
def test_extras_and_groups_go_in_where_they_are_asked_for(tmp_path: Path, wanted: Chosen, names: set[str]) -> None:
    taken(tmp_path, GROUPED, GROUPED_LOCK)
    intake = take(Tree().beside(tmp_path), chosen=wanted)
    assert intake is not None
    assert {file.name for file in intake.locks(AMD64)["environment"].files} == names
    assert any(one.startswith("mine[") for one in intake.requires(AMD64)) == bool(wanted.extras)


def test_an_extra_or_a_group_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    taken(tmp_path, GROUPED, GROUPED_LOCK)
    for wanted, told in ((Chosen(("nope",)), "no extra 'nope': it has more"), (Chosen((), ("x",)), "'x': it has dev")):
        intake = take(Tree().beside(tmp_path), chosen=wanted)
        assert intake is not None
        with pytest.raises(SpecError, match=told):
            intake.locks(AMD64)


def test_extras_of_a_pylock_are_chosen_by_its_markers(tmp_path: Path) -> None:
    text = pylock({"tabulate": "0.9.0", "idna": "3.10", "six": "1.17.0"})
    text = text.replace('name = "idna"\n', 'name = "idna"\nmarker = "\'more\' in extras"\n')
    text = text.replace('name = "six"\n', 'name = "six"\nmarker = "\'dev\' in dependency_groups"\n')
    text = text.replace("created-by", 'extras = ["more"]\ndependency-groups = ["dev"]\ncreated-by')
    (tmp_path / "pylock.toml").write_text(text)
    for wanted, count in ((Chosen(), 1), (Chosen(("more",)), 2), (Chosen(("more",), ("dev",)), 3)):
        intake = take(Tree().beside(tmp_path), chosen=wanted)
        assert intake is not None
        assert len(intake.locks(AMD64)["environment"].files) == count
    intake = take(Tree().beside(tmp_path), chosen=Chosen(("nope",)))
    assert intake is not None
    with pytest.raises(NotTakenError, match="has no 'nope' among its extras: it has more"):
        intake.locks(AMD64)


def test_what_has_nothing_but_groups_and_extras_says_which(tmp_path: Path) -> None:
    bare = GROUPED.replace('["tabulate==0.9.0"]', "[]").split("[build-system]")[0]
    bare += '[dependency-groups]\ndev = ["six==1.17.0"]\n'
    locked = GROUPED_LOCK.replace('dependencies = [{ name = "tabulate" }]\n', "").replace("editable", "virtual")
    intake = taken(tmp_path, bare, locked.replace('    { name = "tabulate", specifier = "==0.9.0" },\n', ""))
    with pytest.raises(
        NotTakenError, match="nothing besides its extras and groups: choose of --extra more, --group dev"
    ):
        intake.locks(AMD64)


def test_a_pylock_of_groups_alone_says_which(tmp_path: Path) -> None:
    text = pylock({"six": "1.17.0"}).replace(
        'name = "six"\n', 'name = "six"\nmarker = "\'dev\' in dependency_groups"\n'
    )
    groups = 'dependency-groups = ["default", "dev"]\ndefault-groups = ["default"]\ncreated-by'
    (tmp_path / "pylock.toml").write_text(text.replace("created-by", groups, 1))
    intake = take(Tree().beside(tmp_path))
    assert intake is not None
    with pytest.raises(NotTakenError, match="choose of --group dev"):
        intake.locks(AMD64)


def test_locks_without_extras_say_so(tmp_path: Path) -> None:
    write(tmp_path, MANIFEST, lock(conda("numpy", "1.26.4")))
    with pytest.raises(NotTakenError, match=r"pixi\.lock: has no extras and groups to choose from \(more\)"):
        take(Tree().beside(tmp_path), chosen=Chosen(("more",)))


RECORDED = LOCK.replace(
    'provides-extras = ["more"]\n', 'provides-extras = ["more"]\n[package.metadata.requires-dev]\nGROUP\n'
)


def grouped(folder: Path, project: str, recorded: str) -> None:
    locked = RECORDED.replace("GROUP", recorded).replace(
        "[package.metadata]\n",
        '[package.dev-dependencies]\ndev-tools = [{ name = "tabulate" }]\n[package.metadata]\n',
        1,
    )
    (folder / "pyproject.toml").write_text(project)
    (folder / "uv.lock").write_text(locked)
    found = take(Tree().beside(folder), chosen=Chosen((), ("dev-tools",)))
    assert found is not None
    found.locks(AMD64)


def test_a_group_that_has_changed_since_makes_the_lock_stale_where_it_is_wanted(tmp_path: Path) -> None:
    groups = '[dependency-groups]\nDev_Tools = ["tabulate{}", {{ include-group = "lint" }}]\nlint = ["tabulate!=1"]\n'
    recorded = 'dev-tools = [{ name = "tabulate", specifier = ">=0.9" }, { name = "tabulate", specifier = "!=1" }]'
    grouped(tmp_path, PROJECT + groups.format(">=0.9"), recorded)
    with pytest.raises(StaleLockError, match=r"asks for `tabulate>=0\.10` in dev-tools: run `uv lock"):
        grouped(tmp_path, PROJECT + groups.format(">=0.10"), recorded)
    with pytest.raises(StaleLockError, match=r"no longer asks for `tabulate!=1` in dev-tools"):
        grouped(tmp_path, PROJECT + groups.format(">=0.9").replace('["tabulate!=1"]', "[]"), recorded)
    assert taken(tmp_path, PROJECT + groups.format(">=0.10"), RECORDED.replace("GROUP", recorded)).locks(AMD64)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('override-dependencies = ["idna==3"]', r"asks for `idna==3` in override-dependencies"),
        ('constraint-dependencies = ["idna<3"]', r"asks for `idna<3` in constraint-dependencies"),
        ('sources = { tabulate = { git = "https://x.invalid/t" } }', "takes `tabulate` from git https://x.invalid/t"),
        ('sources = { Tabulate = { index = "mine" } }', "takes `tabulate` from index mine"),
        ('sources = { tabulate = { path = "../t" } }', r"takes `tabulate` from path \.\./t"),
    ],
)
def test_what_uv_is_told_besides_makes_the_lock_stale(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(StaleLockError, match=told):
        taken(tmp_path, f"{PROJECT}[tool.uv]\n{more}\n").locks(AMD64)


def test_what_uv_is_told_and_has_recorded_is_fresh(tmp_path: Path) -> None:
    more = '[tool.uv]\noverride-dependencies = ["idna==3"]\nsources = { tabulate = { index = "mine" } }\n'
    recorded = '[manifest]\noverrides = [{ name = "idna", specifier = "==3" }]\n'
    index = 'specifier = "==0.9.0", index = "https://index.invalid/simple"'
    locked = LOCK.replace("\n[[package]]", f"\n{recorded}\n[[package]]", 1).replace('specifier = "==0.9.0"', index)
    assert taken(tmp_path, PROJECT + more, locked).locks(AMD64)
    with pytest.raises(StaleLockError, match="no longer asks for `idna==3` in override-dependencies"):
        taken(tmp_path, PROJECT, locked).locks(AMD64)
    some = (
        PROJECT
        + "[tool.uv]\nsources = { tabulate = { git = 'https://x.invalid', marker = 'sys_platform == \"win32\"' } }\n"
    )
    assert taken(tmp_path, some).locks(AMD64)


@pytest.mark.parametrize("wanted", [">=3.14", "<3.13"])
def test_a_project_that_is_for_another_python_today_is_refused_whatever_its_lock_says(
    tmp_path: Path, wanted: str
) -> None:
    with pytest.raises(NotTakenError, match=rf"pyproject\.toml: is for Python {wanted}, and the images' own is 3\.13"):
        taken(tmp_path, PROJECT.replace(">=3.12", wanted)).locks(AMD64)


@pytest.mark.parametrize("tag", ["manylinux_2_34_x86_64", "manylinux_2_39_x86_64", "manylinux_2_41_x86_64"])
def test_a_wheel_for_a_c_library_that_the_base_has_is_taken(tmp_path: Path, tag: str) -> None:
    found = taken(tmp_path, PROJECT, LOCK.replace("py3-none-any", f"cp39-abi3-{tag}"))
    assert found.locks(AMD64)["environment"].files[0].file.endswith(f"{tag}.whl")


@pytest.mark.parametrize("tag", ["manylinux_2_42_x86_64", "musllinux_1_2_x86_64", "manylinux_2_34_aarch64"])
def test_a_wheel_for_another_c_library_or_machine_is_refused(tmp_path: Path, tag: str) -> None:
    with pytest.raises(NoWheelError, match=f"only for .*{tag}"):
        taken(tmp_path, PROJECT, LOCK.replace("py3-none-any", f"cp39-abi3-{tag}")).locks(AMD64)
