"""Layers of packages: what an update changes is pulled, and little else."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from env.formats.lock import Lock, LockedFile, find_lock, lock_name
from env.platforms import AMD64, PLATFORMS
from env.spec import Tree
from env.store.store import Store
from images.build.buckets import Room, bucket_of, grouped, room_for, size_to_be_alone, sized
from images.build.clashes import require_apart
from images.build.layers import LayerPlan
from images.build.stack import plan_layers
from images.errors import PackageContentError, PathClashError, TooFewLayersError
from images.recipe.recipe import MAX_LAYERS, Drop, load_recipe
from tests.support.wheels import wheel


def package(name: str, size: int, version: str = "1") -> LockedFile:
    digest = hashlib.sha256(f"{name}{version}".encode()).hexdigest()
    return LockedFile(name, version, f"{name}-{version}-py3-none-any.whl", digest, size)


def lock(files: Iterable[LockedFile]) -> Lock:
    return Lock("wheels", AMD64, "", tuple(files))


def many(count: int, size: int) -> list[LockedFile]:
    return [package(f"p{number}", size + number) for number in range(count)]


def layers(files: Iterable[LockedFile]) -> dict[str, tuple[LockedFile, ...]]:
    held = lock(files)
    return dict(grouped("environment", held.files, size_to_be_alone([{"environment": held}])))


def test_a_new_version_changes_its_own_layer_alone() -> None:
    files = [*many(40, 1_000_000), *many(300, 1_000)[40:]]
    before = layers(files)
    for number in (0, 7, 41, 250):
        after = layers([*files[:number], package(files[number].name, files[number].size, "2"), *files[number + 1 :]])
        assert after.keys() == before.keys()
        assert [name for name in after if after[name] != before[name]] == [
            next(name for name, some in before.items() if files[number] in some)
        ]


def test_a_package_that_comes_or_goes_leaves_the_others_where_they_are() -> None:
    files = many(200, 1_000)
    before, after = layers(files), layers([*files, package("fresh", 900)])
    assert len([name for name in after if before.get(name) != after[name]]) == 1


def test_large_packages_are_alone_and_of_few_packages_all_are() -> None:
    files = [package("large", 50_000_000), *many(300, 20_000)]
    assert [one.name for one in layers(files)["large"]] == ["large"]
    assert all(len(some) == 1 for some in layers(many(30, 200_000)).values())


def test_a_package_that_grows_a_little_moves_no_other() -> None:
    files = [*many(60, 3_000_000), *many(300, 1_000)[60:]]
    grown = [package(one.name, one.size + 5_000, "2") for one in files]
    assert [*layers(grown)] == [*layers(files)]


@pytest.mark.parametrize("count", [1, 100, 1_000])
def test_layers_are_never_more_than_runtimes_mount(count: int) -> None:
    for size in (100, 100_000, 100_000_000):
        locks = {name: lock(many(count, size)) for name in ("environment", "pypi", "overlay")}
        border = size_to_be_alone([locks])
        assert sum(len(list(grouped(name, one.files, border))) for name, one in locks.items()) + 6 <= MAX_LAYERS


@pytest.mark.parametrize("limit", [127, 107, 60, 30, 10])
def test_an_image_has_no_more_layers_than_it_may(limit: int) -> None:
    recipe = load_recipe("jupyter")
    recipe = replace(recipe, image=recipe.image.model_copy(update={"max_layers": limit}))
    for count, size in ((1, 100), (40, 100_000), (1_000, 1_000_000)):
        some = lock(many(count, size))
        locks = {"environment": some, "pypi": replace(some, source="pypi"), "overlay": replace(some, source="overlay")}
        plans = plan_layers(recipe, AMD64, {"debian": lock([package("libc6", 1)]), **locks}, package("own", 1))
        assert len(plans) <= limit
        assert sum(len(plan.packages) for plan in plans) >= count + 2, "none is left out"


def test_with_too_few_layers_the_number_that_is_needed_is_told() -> None:
    recipe = load_recipe("jupyter")
    recipe = replace(recipe, image=recipe.image.model_copy(update={"max_layers": 4}))
    locks = {name: lock(many(9, 100)) for name in ("environment", "overlay")}
    with pytest.raises(TooFewLayersError, match="max-layers = 4 is too few for what goes in: let it have 6 or more"):
        plan_layers(recipe, AMD64, locks)


def test_with_twenty_layers_fewer_packages_keep_their_buckets() -> None:
    assert room_for(["environment", "overlay"], 120) == Room(76, 1)
    assert room_for(["environment", "overlay"], 100) == Room(64, 1)
    assert room_for(["environment", "overlay"], 30) == Room(12, 2)
    assert room_for(["environment", "overlay"], 1) is None


def test_the_bucket_is_that_of_the_name_for_ever() -> None:
    # Another number would make every image of everybody be pulled anew.
    assert [bucket_of(name, "environment") for name in ("certifi", "idna", "six")] == [19, 19, 10]
    assert bucket_of("certifi", "overlay") < 8


def test_our_own_image_pulls_little_besides_a_package() -> None:
    recipe = load_recipe("jupyter")
    for platform in PLATFORMS:
        names = {"environment": "wheels", "overlay": "overlay", "debian": "debian"}
        locks = {name: find_lock(Tree(), lock_name(source, platform)) for name, source in names.items()}  # type: ignore[arg-type]
        plans = [plan for plan in plan_layers(recipe, platform, locks) if plan.kind == "wheels"]
        pulled = sum(len(plan.files) * sum(file.size for file in plan.files) for plan in plans)
        assert pulled < 1.5 * sum(file.size for plan in plans for file in plan.files)
        assert len(plans) + 6 <= MAX_LAYERS


def test_a_size_that_a_lock_does_not_say_is_that_of_the_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    known = store.add(b"x" * 5_000)
    unsaid = [LockedFile("a", "1", "a-1-py3-none-any.whl", known, 0), package("b", 0)]
    assert [file.size for file in sized({"environment": lock(unsaid)}, store)["environment"].files] == [5_000, 0]


def stored(store: Store, path: Path, *more: tuple[str, str]) -> LockedFile:
    """Keep a wheel with more files in it."""
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in more:
            archive.writestr(name, text)
    name, version = path.name.split("-")[:2]
    return LockedFile(name, version, path.name, store.add(path.read_bytes()), path.stat().st_size)


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (("shared/x.py", "1"), ("shared/x.py", "2"), "site-packages/shared/x.py"),
        (("shared/__init__.py", ""), ("shared/__init__.py", ""), ""),
        (("a-1.data/purelib/x.py", "1"), ("x.py", "2"), "site-packages/x.py"),
        (("a-1.data/scripts/run", "1"), ("b-1.data/scripts/run", "2"), "opt/env/bin/run"),
        (("__pycache__/x.pyc", "1"), ("__pycache__/x.pyc", "2"), ""),
    ],
)
def test_wheels_in_different_layers_must_not_bring_different_files_to_one_path(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], clash: str
) -> None:
    store = Store(tmp_path / "store")
    files = [stored(store, wheel(tmp_path / "w", name, "1"), one) for name, one in (("a", first), ("b", second))]
    plans = [LayerPlan(file.name, "wheels", AMD64, (file,)) for file in files]
    if not clash:
        require_apart(plans, store)
        return
    with pytest.raises(PathClashError, match=rf"/{clash} comes from both a and b"):
        require_apart(plans, store)


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("shared", "shared/x.py", "opt/env/lib/python3.13/site-packages/shared"),
        ("shared/x.py", "b-1.data/purelib/shared", "opt/env/lib/python3.13/site-packages/shared"),
        ("x.py", "b-1.data/data/lib/python3.13/site-packages/x.py", "opt/env/lib/python3.13/site-packages/x.py"),
        ("a-1.data/scripts/run", "b-1.data/data/bin/run", "opt/env/bin/run"),
        ("x/y.py", "x/z.py", ""),
    ],
)
def test_places_in_the_image_are_compared_and_a_file_is_no_folder(
    tmp_path: Path, first: str, second: str, clash: str
) -> None:
    store = Store(tmp_path / "store")
    files = [stored(store, wheel(tmp_path / "w", one, "1"), (path, one)) for one, path in (("a", first), ("b", second))]
    plans = [LayerPlan(file.name, "wheels", AMD64, (file,)) for file in files]
    if not clash:
        require_apart(plans, store)
        return
    with pytest.raises(PathClashError, match=f"/{clash} comes from both (a and b|b and a)"):
        require_apart(plans, store)
    require_apart(plans, store, [Drop(glob=clash, why="not needed")])


@pytest.mark.parametrize(
    "member",
    [
        ("a-1.data/scripts/python3", "#!/bin/sh"),
        ("a-1.data/data/bin/python3.13", "x"),
        ("a-1.data/data/pyvenv.cfg", "home = /tmp"),
        ("a-1.dist-info/entry_points.txt", "[console_scripts]\nother = a:b\n python = a:main\n"),
    ],
)
def test_no_wheel_takes_the_place_of_the_environments_python(tmp_path: Path, member: tuple[str, str]) -> None:
    store = Store(tmp_path / "store")
    file = stored(store, wheel(tmp_path / "w", "a", "1"), member)
    with pytest.raises(PathClashError, match="comes from both the environment and a"):
        require_apart([LayerPlan("a", "wheels", AMD64, (file,))], store)


@pytest.mark.parametrize(
    ("member", "glob"),
    [
        ("{}.py", "opt/env/lib/python3.13/site-packages/shared.py"),
        ("a-1.data/purelib/{}.py", "opt/env/lib/python3.13/site-packages/*.py"),
        ("a-1.data/data/share/doc/{}.py", "opt/env/share/doc/**"),
        ("a-1.data/scripts/{}.py", "opt/env/bin/shared.py"),
    ],
)
def test_what_a_rule_drops_may_come_from_two_wheels(tmp_path: Path, member: str, glob: str) -> None:
    store, name = Store(tmp_path / "store"), member.format("shared")
    files = [stored(store, wheel(tmp_path / "w", one, "1"), (name.replace("a-1", f"{one}-1"), one)) for one in "ab"]
    plans = [LayerPlan(file.name, "wheels", AMD64, (file,)) for file in files]
    require_apart(plans, store, [Drop(glob=glob, why="not needed")])
    with pytest.raises(PathClashError):
        require_apart(plans, store, [Drop(glob="opt/env/other/**", why="not needed")])


def test_an_entry_point_of_another_kind_is_no_program(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    text = "[console_scripts]\nother = a:b\n[babel.extractors]\npython = a:extract\n"
    file = stored(store, wheel(tmp_path / "w", "a", "1"), ("a-1.dist-info/entry_points.txt", text))
    require_apart([LayerPlan("a", "wheels", AMD64, (file,))], store)


def test_what_is_no_wheel_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = LockedFile("a", "1", "a-1-py3-none-any.whl", store.add(b"no zip"), 6)
    with pytest.raises(PackageContentError, match="is not a usable wheel"):
        require_apart([LayerPlan("a", "wheels", AMD64, (file,))], store)
