"""A recipe's own requirements.txt and pylock.toml: what is taken, and what is told of what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.errors import (
    LockFormatError,
    NotTakenError,
    NoWheelError,
    SpecError,
    StaleLockError,
    UnlistedHashError,
    UnlockedError,
)
from env.intake.found import take
from env.intake.pylock import pylock_files
from env.intake.requirements_txt import read_requirements
from env.platforms import AMD64, ARM64, PLATFORMS
from env.spec import Tree, source_requirements

PURE, X86, ARM, OTHER = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
WINDOWS = """name = "windows-only"
version = "1.0"
marker = "sys_platform == 'win32'"
"""
TWICE = f"""name = "some.thing"
version = "1.6"
wheels = [{{ name = "some_thing-1.6-py3-none-any.whl", hashes = {{ sha256 = "{OTHER}" }} }}]
"""
LOCK = f"""
lock-version = "1.0"
created-by = "a tool"
requires-python = ">=3.12"

[[packages]]
name = "Some_Thing"
version = "1.5"
[[packages.wheels]]
url = "https://files.example/some_thing-1.5-py3-none-any.whl"
size = 10
hashes = {{ sha256 = "{PURE}" }}

[[packages]]
name = "native"
version = "2.0"
wheels = [
  {{ name = "native-2.0-cp313-cp313-win_amd64.whl", size = 13, hashes = {{ sha256 = "{OTHER}" }} }},
  {{ name = "native-2.0-cp313-cp313-manylinux_2_17_x86_64.whl", size = 11, hashes = {{ sha256 = "{X86}" }} }},
  {{ name = "native-2.0-cp313-cp313-manylinux_2_28_aarch64.whl", size = 12, hashes = {{ sha256 = "{ARM}" }} }},
]

[[packages]]
name = "windows-only"
version = "1.0"
marker = "sys_platform == 'win32'"

[[packages]]
name = "for-developers"
version = "1.0"
marker = "'dev' in dependency_groups"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text("some.thing>=1\nnative\nwindows-only; sys_platform == 'win32'\n")
    (tmp_path / "pylock.toml").write_text(LOCK)
    return tmp_path


def read(recipe: Path) -> Tree:
    """Return the recipe's files as they are now."""
    return Tree().beside(recipe)


def changed(recipe: Path, old: str, new: str) -> None:
    assert old in LOCK
    (recipe / "pylock.toml").write_text(LOCK.replace(old, new))


def test_each_platform_gets_its_own_wheel_and_nothing_of_other_systems(recipe: Path) -> None:
    amd64, arm64 = (pylock_files(platform, read(recipe)) for platform in PLATFORMS)
    assert [(file.name, file.version, file.sha256, file.size) for file in amd64.files] == [
        ("native", "2.0", X86, 11),
        ("some-thing", "1.5", PURE, 10),
    ]
    assert [file.sha256 for file in arm64.files] == [ARM, PURE]
    assert arm64.files[0].file == "native-2.0-cp313-cp313-manylinux_2_28_aarch64.whl"


def test_the_lock_of_a_folder_with_requirements_is_theirs(recipe: Path) -> None:
    found = take(read(recipe))
    assert found is not None
    assert found.locks(AMD64) == {"environment": pylock_files(AMD64, read(recipe))}


def test_requirements_without_a_lock_are_told_how_to_lock(recipe: Path) -> None:
    (recipe / "pylock.toml").unlink()
    with pytest.raises(UnlockedError, match=rf"`\./noxw -s lock -- --recipe {recipe}`"):
        take(read(recipe))


def test_a_wheel_without_a_size_is_taken(recipe: Path) -> None:
    changed(recipe, "size = 11, ", "")
    assert pylock_files(AMD64, read(recipe)).files[0].size == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (f', hashes = {{ sha256 = "{X86}" }}', "", "x86_64.whl has no sha256"),
        (f'sha256 = "{X86}"', 'md5 = "1"', "x86_64.whl has no sha256"),
        (f'sha256 = "{X86}"', f'sha512 = "{X86 * 2}"', "x86_64.whl has no sha256, only sha512"),
        (f'sha256 = "{X86}"', 'sha256 = "abc"', "has a sha256 that is none"),
        ("size = 11", "size = -1", "has a size that is none"),
        ("size = 11", "size = '11'", "has a size that is none"),
        ("sys_platform == 'win32'", "sys_platform ==", "windows-only: 'sys_platform ==' is no marker"),
        ('name = "native-2.0-cp313-cp313-m', 'name = "native-cp313-m', "Invalid wheel filename"),
        ('version = "2.0"', 'version = "2.1"', "is not version 2.1 of native"),
        ('lock-version = "1.0"', 'lock-version = "2.0"', "lock-version is '2.0'"),
        ('"windows-only"', "windows-only", "not TOML"),
        ('"Some_Thing"', '"native"', "some_thing-1.5-py3-none-any.whl is no wheel of native"),
        (
            'name = "windows-only"\nversion = "1.0"\nmarker = "sys_platform == \'win32\'"',
            TWICE,
            "names a package twice",
        ),
    ],
)
def test_a_lock_that_can_not_be_used_says_why_and_how_to_make_one(recipe: Path, old: str, new: str, told: str) -> None:
    changed(recipe, old, new)
    with pytest.raises(LockFormatError, match=r"make it again with `\./noxw -s lock -- --recipe") as error:
        pylock_files(AMD64, read(recipe))
    assert told in str(error.value)


def test_a_package_without_a_wheel_names_the_platform(recipe: Path) -> None:
    changed(recipe, "manylinux_2_28_aarch64", "manylinux_2_99_aarch64")
    assert pylock_files(AMD64, read(recipe))
    with pytest.raises(NoWheelError, match=r"native 2\.0 has no wheel for linux/arm64"):
        pylock_files(ARM64, read(recipe))


@pytest.mark.parametrize("line", ["another", "some-thing>=2", "native==1.9"])
def test_a_lock_that_does_not_answer_the_requirements_is_stale(recipe: Path, line: str) -> None:
    with (recipe / "requirements.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(StaleLockError, match=line):
        pylock_files(AMD64, read(recipe))


def test_hash_locked_requirements_hold_the_lock_to_their_hashes(recipe: Path) -> None:
    path = recipe / "requirements.txt"
    path.write_text(
        f"# made by pip-compile\nnative==2.0 \\\n    --hash=sha256:{X86} \\\n    --hash=sha256:{ARM}\n    # via me\n"
        f"some-thing==1.5 --hash=sha256:{PURE}  # a comment\n"
    )
    assert [one.hashes for one in read_requirements(read(recipe))] == [{X86, ARM}, {PURE}]
    assert [file.sha256 for file in pylock_files(ARM64, read(recipe)).files] == [ARM, PURE]
    path.write_text(path.read_text().replace(ARM, OTHER))
    assert pylock_files(AMD64, read(recipe))
    with pytest.raises(UnlistedHashError, match=r"aarch64\.whl"):
        pylock_files(ARM64, read(recipe))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-r other.txt", "there is no such file beside it"),
        ("-r requirements.txt", "it includes itself"),
        ("-cother.txt", "there is no such file beside it"),
        ("--index-url https://example.org", "`--index-url` is not taken: an index is set for uv, UV_DEFAULT_INDEX"),
        ("--extra-index-url=https://example.org", "UV_INDEX"),
        ("-f wheels", "UV_FIND_LINKS"),
        ("--pre", "`name>=1.0a1`"),
        ("--no-binary :all:", "nothing is compiled"),
        ("--frobnicate", "no option that is known"),
        ("native --config-settings a=b", "nothing is compiled"),
        ("native --hash=md5:123", "a hash is a sha256 of 64 digits here, and this is md5"),
        ("native==${VERSION}", "holds a variable"),
        ("-e ../other", "is no folder that has a pyproject.toml"),
        ("./wheels/x.whl", "wheels come from an index"),
        ("-e .", "is no folder that has a pyproject.toml with a [project]"),
        ("native @ https://example.org/native.whl", "at an address"),
        ("not a requirement", "is no requirement"),
    ],
)
def test_a_line_that_is_no_requirement_is_told_with_its_number(recipe: Path, line: str, told: str) -> None:
    (recipe / "requirements.txt").write_text(f"native \\\n  >=1\n\n{line}\n")
    with pytest.raises(SpecError, match=r"requirements\.txt:4: ") as error:
        read_requirements(read(recipe))
    assert told in str(error.value)


def test_the_projects_name_asks_for_what_it_requires(recipe: Path) -> None:
    (recipe / "requirements.txt").write_text("native\nJupyter_MCP.rooms>=0.1\n")
    asked = [str(one.requirement) for one in read_requirements(read(recipe))]
    assert len(asked) == 1 + len(source_requirements("overlay", Tree()))
    assert "fastmcp>=4" in asked
    assert "jupyter-mcp-rooms" not in asked


@pytest.mark.parametrize("line", ["jupyter-mcp", "Jupyter_MCP>=0.1", "jupyter.mcp[all]", "jupyter-mcp @ file:///x.whl"])
def test_the_former_name_is_refused_because_it_is_somebody_elses(recipe: Path, line: str) -> None:
    (recipe / "requirements.txt").write_text(f"native\n{line}\n")
    with pytest.raises(SpecError, match=r"requirements\.txt:2: .*somebody else's package.* jupyter-mcp-rooms"):
        read_requirements(read(recipe))


def test_a_lock_that_holds_the_former_name_is_refused(recipe: Path) -> None:
    (recipe / "pylock.toml").write_text(LOCK.replace("Some_Thing", "jupyter_mcp"))
    with pytest.raises(LockFormatError, match="somebody else's package"):
        pylock_files(AMD64, read(recipe))


def test_another_version_of_the_project_than_the_checkouts_is_refused(recipe: Path) -> None:
    (recipe / "requirements.txt").write_text("native\njupyter-mcp-rooms>=99\n")
    with pytest.raises(SpecError, match=r"`jupyter-mcp-rooms>=99`, and this checkout is 0\."):
        read_requirements(read(recipe))


def test_requirements_of_which_none_applies_are_refused(recipe: Path) -> None:
    (recipe / "requirements.txt").write_text("native; python_version < '3.10'\nsome-thing; sys_platform == 'win32'\n")
    with pytest.raises(NotTakenError, match=r"none of its 2 requirements applies to CPython 3\.13\.\d+ on linux/amd64"):
        pylock_files(AMD64, read(recipe))
    (recipe / "requirements.txt").write_text("# nothing\n")
    with pytest.raises(SpecError, match="asks for nothing"):
        pylock_files(AMD64, read(recipe))


def test_a_lock_of_which_no_package_applies_is_refused(recipe: Path) -> None:
    marked = LOCK.replace('version = "1.5"', 'version = "1.5"\nmarker = "python_version < \'3.10\'"')
    marked = marked.replace('version = "2.0"', 'version = "2.0"\nmarker = "python_version < \'3.10\'"')
    (recipe / "pylock.toml").write_text(marked)
    with pytest.raises(NotTakenError, match=r"none of its 4 packages applies to CPython 3\.13\.\d+ on linux/amd64"):
        pylock_files(AMD64, read(recipe))


def test_a_full_version_of_python_is_compared(recipe: Path) -> None:
    changed(recipe, ">=3.12", ">=3.14")
    with pytest.raises(
        NotTakenError, match=r"is for Python >=3\.14, and the images' own is 3\.13.*or lock .* with pixi"
    ):
        pylock_files(AMD64, read(recipe))
    changed(recipe, ">=3.12", ">=3.13.1")
    assert pylock_files(AMD64, read(recipe))
    changed(recipe, '"Some_Thing"\n', '"Some_Thing"\nrequires-python = ">=3.14"\n')
    with pytest.raises(NotTakenError, match=r"Some_Thing 1\.5 is for Python >=3\.14, and the image has 3\.13"):
        pylock_files(AMD64, read(recipe))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('vcs = { type = "git", url = "https://x.invalid/a.git", commit-id = "1" }', "comes from a repository"),
        ('directory = { path = "../other" }', "is the project in the folder ../other"),
        ('archive = { url = "https://x.invalid/a-1.0.tar.gz", hashes = { sha256 = "1" } }', "is an archive of sources"),
    ],
)
def test_what_is_no_wheel_is_refused_by_name(recipe: Path, entry: str, told: str) -> None:
    (recipe / "pylock.toml").write_text(f'{LOCK}\n[[packages]]\nname = "other"\n{entry}\n')
    with pytest.raises(NotTakenError, match=told):
        pylock_files(AMD64, read(recipe))


def test_wheels_at_a_path_or_as_an_archive_are_taken(recipe: Path) -> None:
    path = f'wheels = [{{ path = "wheels/here-1.0-py3-none-any.whl", hashes = {{ sha256 = "{OTHER}" }} }}]'
    archive = f'archive = {{ url = "https://x.invalid/there-1.0-py3-none-any.whl", hashes = {{ sha256 = "{ARM}" }} }}'
    more = f'[[packages]]\nname = "here"\nversion = "1.0"\n{path}\n[[packages]]\nname = "there"\n{archive}\n'
    (recipe / "pylock.toml").write_text(f"{LOCK}\n{more}")
    found = {file.name: file for file in pylock_files(AMD64, read(recipe)).files}
    assert found["here"].url == (recipe / "wheels" / "here-1.0-py3-none-any.whl").as_uri()
    assert (found["there"].url, found["there"].version) == ("https://x.invalid/there-1.0-py3-none-any.whl", "1.0")
