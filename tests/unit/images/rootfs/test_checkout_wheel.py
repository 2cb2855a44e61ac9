"""What an image has of this checkout to build images with: its programs, and a store that its user may add to."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from env.formats.lock import LockedFile
from env.platforms import PLATFORMS
from env.spec import ROOT, Tree, group_requirements
from env.store.store import Store
from images.build.build import Build
from images.recipe.recipe import load_recipe
from images.rootfs.carried import STORE, carried_entries
from images.rootfs.checkout_wheel import CHECKOUT, checkout_wheel
from images.rootfs.entries import Kind

EPOCH = 1_790_000_000


def test_the_same_files_make_the_same_wheel_without_what_running_them_left(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (made, again) = (checkout_wheel(store, EPOCH), checkout_wheel(Store(tmp_path / "other"), EPOCH))
    assert made == again
    assert checkout_wheel(store, EPOCH + 86_400).sha256 != made.sha256
    with zipfile.ZipFile(store.path(made.sha256)) as archive:
        names = [name.partition(f"/{CHECKOUT}/")[2] for name in archive.namelist()]
    for name in ("env/spec.py", "env/locks/tools.txt", "images/parts/base/part.toml", "pyproject.toml", "pixi.lock"):
        assert name in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", ".venv"))]


def test_the_programs_run_with_the_tools_that_are_locked_for_this_checkout() -> None:
    tree, recipe = Tree(), load_recipe("builder")
    build = Build(recipe, PLATFORMS, "wheels")
    asked = (recipe.path.parent / "requirements.in").read_text().splitlines()
    assert sorted(line for line in asked if not line.startswith(("#", "-c "))) == group_requirements(tree, "tools")
    tools = set(re.findall(r"^(\S+==\S+)", (ROOT / "env" / "locks" / "tools.txt").read_text(), re.MULTILINE))
    for platform in PLATFORMS:
        files = build.locks(platform)["environment"].files
        # Else the command in .github/workflows/update.yml makes them so.
        assert {f"{file.name}=={file.version}" for file in files} <= tools


def test_a_store_in_an_image_has_its_files_where_the_program_looks_and_takes_more(tmp_path: Path) -> None:
    store = Store(tmp_path)
    sha256 = store.add(b"content")
    user = load_recipe("builder").user
    entries = {one.path: one for one in carried_entries([LockedFile("a", "1", "a.deb", sha256, 7)], store, user)}
    inside = Store(Path(STORE)).path(sha256)
    assert entries[inside.as_posix()].content == store.path(sha256)
    folders = [one for one in entries.values() if one.kind is Kind.DIRECTORY]
    # Whoever runs it, as jovyan or as somebody in group root, may add files at any digest.
    assert len(folders) == 258
    assert {(one.mode, one.uid, one.gid) for one in folders} == {(0o775, user.uid, 0)}
    assert not [*carried_entries([], store, user)]
