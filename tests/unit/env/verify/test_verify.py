"""What `verify` says of locks that were tampered with: always the package and the platform."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from env.errors import VerifyError
from env.formats.lock_fault import Fault
from env.formats.manifest import read_manifest
from env.formats.pixi_lock import read_pixi_lock
from env.spec import ROOT, Tree
from env.verify.conda import check_conda
from env.verify.joint import Clash, clashes_in
from env.verify.verify import find_faults, verify

TREE = ("pixi.toml", "pixi.lock", "conda-lock.yml", "pyproject.toml", "env/*.toml", "env/locks/*")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for pattern in TREE:
        for path in ROOT.glob(pattern):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return tmp_path


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")


def told(tree: Path, package: str, platform: str) -> list[Fault]:
    faults = [fault for fault in find_faults(Tree(tree)) if (fault.package, fault.platform) == (package, platform)]
    assert faults, [str(fault) for fault in find_faults(Tree(tree))]
    return faults


def entry_of(text: str, url_part: str) -> str:
    """Return a package's whole entry in the second half of a pixi.lock."""
    found = re.search(rf"^- conda: \S*/{re.escape(url_part)}\S*\n(?:  .*\n)+", text, re.MULTILINE)
    assert found is not None
    return found[0]


def line_of(text: str, url_part: str, after: str = "") -> str:
    """Return the line of an environment's list that names a package, the first one after some text."""
    found = re.compile(rf"^ +- conda: \S*/{re.escape(url_part)}\S*\n", re.MULTILINE).search(text, text.index(after))
    assert found is not None
    return found[0]


def test_the_committed_locks_hold() -> None:
    out = StringIO()
    verify(Console(file=out, width=200), Tree(), joint=False)
    assert out.getvalue().count("all locks hold") == 2


def test_a_deleted_record_is_named(tree: Path) -> None:
    edit(tree / "pixi.lock", lambda text: text.replace(entry_of(text, "linux-aarch64/numpy-"), ""))
    assert "no record of numpy-2" in told(tree, "numpy", "linux-aarch64")[0].text


def test_a_package_that_one_platform_lacks_is_named(tree: Path) -> None:
    def change(text: str) -> str:
        return text.replace(line_of(text, "linux-aarch64/numpy-", "default:"), "", 1)

    edit(tree / "pixi.lock", change)
    assert any("asks for `numpy`" in fault.text for fault in told(tree, "numpy", "linux-aarch64"))
    assert any("needs `numpy" in fault.text for fault in told(tree, "scipy", "linux-aarch64"))
    assert not any(fault.platform == "linux-64" for fault in find_faults(Tree(tree)))


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_an_edited_hash_is_named(tree: Path, kind: str) -> None:
    def change(text: str) -> str:
        entry = entry_of(text, "linux-64/numpy-")
        digest = re.search(rf"{kind}: (\w+)", entry)
        assert digest is not None
        return text.replace(entry, entry.replace(digest[1], digest[1][::-1]))

    edit(tree / "pixi.lock", change)
    assert kind in told(tree, "numpy", "linux-64")[0].text


def test_a_missing_hash_is_named(tree: Path) -> None:
    def change(text: str) -> str:
        entry = entry_of(text, "linux-64/numpy-")
        return text.replace(entry, re.sub(r"  sha256: \w+\n", "", entry))

    edit(tree / "pixi.lock", change)
    assert any("no sha256" in fault.text for fault in told(tree, "numpy", "linux-64"))


def test_a_hash_edited_in_conda_lock_yml_is_named(tree: Path) -> None:
    digest = re.search(r"sha256: (\w+)", entry_of((tree / "pixi.lock").read_text(), "linux-aarch64/numpy-"))
    assert digest is not None
    edit(tree / "conda-lock.yml", lambda text: text.replace(digest[1], digest[1][::-1]))
    fault = told(tree, "numpy", "linux-aarch64")[0]
    assert (fault.file, fault.text) == ("conda-lock.yml", "has another sha256 than in pixi.lock")


@pytest.mark.parametrize("platform", ["linux-64", "linux-aarch64"])
def test_a_spec_that_was_added_is_named(tree: Path, platform: str) -> None:
    edit(tree / "pixi.toml", lambda text: text.replace("[dependencies]\n", '[dependencies]\nemacs = ">=30"\n'))
    assert "asks for `emacs >=30`" in told(tree, "emacs", platform)[0].text


def test_a_spec_that_was_removed_leaves_its_package_behind(tree: Path) -> None:
    edit(tree / "pixi.toml", lambda text: text.replace('polars = "*"\n', ""))
    assert "nothing in environment default asks for it" in told(tree, "polars", "linux-64")[0].text


def test_a_platform_that_is_missing_is_named(tree: Path) -> None:
    edit(tree / "pixi.toml", lambda text: text.replace('["linux-64", "linux-aarch64"]', '["linux-64"]'))
    assert "does not name this platform" in told(tree, "every package", "linux-aarch64")[0].text


def test_a_package_provided_twice_is_named(tree: Path) -> None:
    def change(text: str) -> str:
        line = line_of(text, "linux-64/numpy-", "default:")
        other = line.replace("hf6604e3_0", "hf6604e3_1")
        entry = entry_of(text, "linux-64/numpy-")
        doubled = entry + entry.replace("hf6604e3_0", "hf6604e3_1")
        return text.replace(line, line + other, 1).replace(entry, doubled)

    edit(tree / "pixi.lock", change)
    assert any("provided 2 times" in fault.text for fault in told(tree, "numpy", "linux-64"))


def test_a_constraint_that_is_broken_is_named(tree: Path) -> None:
    def change(text: str) -> str:
        entry = entry_of(text, "linux-64/_openmp_mutex-")
        return text.replace(entry, entry.replace("openmp_impl <0.0a0", "numpy <1.0a0"))

    edit(tree / "pixi.lock", change)
    assert any("bears only `numpy <1.0a0`" in fault.text for fault in told(tree, "_openmp_mutex", "linux-64"))


def test_an_overlay_over_other_versions_is_stale(tree: Path) -> None:
    edit(
        tree / "pyproject.toml", lambda text: text.replace('services = ["supervisor"]', 'services = ["supervisor>=4"]')
    )
    for platform in ("linux/amd64", "linux/arm64"):
        assert any("lock -- conda" in fault.text for fault in told(tree, "every package", platform))


def test_an_overlay_that_would_replace_a_package_is_named(tree: Path) -> None:
    path = tree / "env/locks/conda-overlay-linux-arm64.lock"
    edit(path, lambda text: text.replace('name = "aiofile"', 'name = "numpy"'))
    assert any("would replace numpy" in fault.text for fault in told(tree, "numpy", "linux/arm64"))


def test_a_requirement_that_nothing_meets_is_named(tree: Path) -> None:
    path = tree / "env/locks/conda-overlay-linux-amd64.lock"
    edit(path, lambda text: text.replace('"caio~=0.12.0"', '"caio~=99.0"'))
    assert "requires `caio~=99.0`, and there is 0.12" in told(tree, "aiofile", "linux/amd64")[0].text


def test_a_wheels_edited_hash_is_named(tree: Path) -> None:
    path = tree / "env/locks/wheels-linux-amd64.lock"
    edit(path, lambda text: re.sub(r'(name = "anyio"[^\[]*sha256 = ")\w{4}', r"\g<1>0000", text))
    assert any("sha256" in fault.text for fault in told(tree, "anyio", "linux/amd64"))


def test_a_wheel_of_the_other_platform_is_named(tree: Path) -> None:
    path = tree / "env/locks/wheels-linux-amd64.lock"
    edit(path, lambda text: re.sub(r'"numpy-\S+', lambda name: name[0].replace("x86_64", "aarch64"), text))
    assert any("another platform" in fault.text for fault in told(tree, "numpy", "linux/amd64"))


def test_a_tool_that_was_added_or_has_no_hash_is_named(tree: Path) -> None:
    edit(tree / "pyproject.toml", lambda text: text.replace('noxw = ["nox', 'noxw = ["cowsay>=6", "nox'))
    assert "asked for as `cowsay>=6`, and there is none" in told(tree, "cowsay", "")[0].text
    edit(tree / "env/locks/noxw.txt", lambda text: re.sub(r"(uv==[\d.]+) (?:\\\n\s+--hash=\S+ ?)+", r"\1\n", text))
    assert "has no sha256" in told(tree, "uv", "")[0].text


def test_a_debian_package_that_is_asked_for_and_missing_is_named(tree: Path) -> None:
    edit(tree / "env/debian.toml", lambda text: text.replace('  "tini",\n', '  "tini",\n  "zsh",\n'))
    assert any("asked for" in fault.text for fault in told(tree, "zsh", "linux/arm64"))


def test_faults_are_printed_and_have_an_exit_code(tree: Path) -> None:
    edit(tree / "pixi.toml", lambda text: text.replace("[dependencies]\n", '[dependencies]\nemacs = "*"\n'))
    out = StringIO()
    with pytest.raises(VerifyError) as error:
        verify(Console(file=out, width=300), Tree(tree), joint=False)
    assert error.value.exit_code == 1
    assert "pixi.lock: emacs on linux-64" in out.getvalue()


LISTED = [
    (subdir, package.name, package.url)
    for subdir, packages in read_pixi_lock(ROOT / "pixi.lock").packages["default"].items()
    for package in packages
]


@given(st.sampled_from(LISTED))
@settings(max_examples=12, deadline=None)
def test_whichever_package_one_platform_loses_is_named(lost: tuple[str, str, str]) -> None:
    subdir, name, url = lost
    text = (ROOT / "pixi.lock").read_text(encoding="utf-8")
    start = text.index(f"      {subdir}:\n", text.index("  default:\n"))
    line = f"      - conda: {url}\n"
    at = text.index(line, start)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pixi.lock"
        path.write_text(text[:at] + text[at + len(line) :], encoding="utf-8")
        faults = list(check_conda(read_pixi_lock(path), read_manifest(Tree()), ROOT / "conda-lock.yml"))
    told = [str(fault) for fault in faults if fault.platform == subdir]
    assert any(name in fault for fault in told), [str(fault) for fault in faults]
    assert {fault.platform for fault in faults} <= {subdir, ""}


def test_uvs_explanation_of_march_2026_names_the_two_requirements() -> None:
    explanation = (
        "error: No solution found when resolving dependencies cause: Because opentelemetry-api>=1.38.0,<=1.41.1 "
        "depends on importlib-metadata>=6.0,<8.8.0 and importlib-metadata==8.8.0, we can conclude that "
        "opentelemetry-api>=1.38.0,<=1.41.1 cannot be used."
    )
    given = {"importlib-metadata": "8.8.0", "numpy": "2.5.1"}
    assert set(clashes_in(explanation, given)) == {
        Clash("opentelemetry-api>=1.38.0,<=1.41.1 requires importlib-metadata>=6.0,<8.8.0", "importlib-metadata 8.8.0")
    }


def test_an_edited_hash_of_what_may_be_added_is_named(tree: Path) -> None:
    path = tree / "env/locks/with-jupyter.toml"
    newest = re.findall(r'^file = "jupyterlab-[^"]+"\nsha256 = "(.{64})"', path.read_text(), re.MULTILINE)[-1]
    edit(path, lambda text: text.replace(newest, "0" * 64))
    assert "has a sha256 that lab.txt does not have" in str(told(tree, "jupyterlab", "")[0])
    edit(path, lambda text: text.replace('requires = [\n    "pycares<6,>=5.0.0",\n]', 'requires = ["pycares"]'))
    assert "edited by hand" in str(told(tree, "the file", "")[0])
