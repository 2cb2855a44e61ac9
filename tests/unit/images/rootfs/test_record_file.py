"""RECORD lists what is there, and nothing else, after rules have dropped files."""

from __future__ import annotations

from pathlib import Path

from images.names import recipe_names
from images.recipe.recipe import Drop, load_recipe
from images.rootfs.entries import Entry, Kind, merge
from images.rootfs.parts import divided, is_dropped, matches
from images.rootfs.record_file import recorded

SITE = "opt/env/lib/python3.13/site-packages"
REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "dropped-files.md"


def file(path: str, content: bytes = b"", origin: str = "thing") -> Entry:
    return Entry(path, Kind.FILE, 0o644, content=content, origin=origin)


def test_a_record_loses_the_lines_of_dropped_files_and_keeps_the_others_as_they_were() -> None:
    record = (
        b'thing/__init__.py,sha256=abc,12\r\n"thing/with, comma.py",sha256=def,3\nthing/tests/test_it.py,sha256=ghi,4\n'
        b"../../../share/doc/thing.txt,sha256=jkl,5\n../../../bin/thing,sha256=mno,6\nthing-1.dist-info/RECORD,,\n"
    )
    paths = ("thing/__init__.py", "thing/with, comma.py", "thing/tests/test_it.py")
    entries = [file(f"{SITE}/{path}") for path in paths]
    entries += [file("opt/env/share/doc/thing.txt"), file("opt/env/bin/thing")]
    entries += [file(f"{SITE}/thing-1.dist-info/RECORD", record)]
    entries += [file(f"{SITE}/other-1.dist-info/RECORD", b"thing/tests/test_it.py,,\n", origin="other")]
    whole = {entry.path: entry for entry in entries}
    drops = [Drop(glob="opt/env/**/tests/**", why="not needed"), Drop(glob="opt/env/share/doc/**", why="not needed")]
    staying, dropped = divided(entries, drops)
    after = recorded(merge(staying), dropped)
    assert after[f"{SITE}/thing-1.dist-info/RECORD"].content == (
        b'thing/__init__.py,sha256=abc,12\r\n"thing/with, comma.py",sha256=def,3\n../../../bin/thing,sha256=mno,6\n'
        b"thing-1.dist-info/RECORD,,\n"
    )
    assert after[f"{SITE}/other-1.dist-info/RECORD"] is whole[f"{SITE}/other-1.dist-info/RECORD"]
    assert set(after) == {entry.path for entry in staying}
    assert {entry.path for entry in dropped} == {f"{SITE}/thing/tests/test_it.py", "opt/env/share/doc/thing.txt"}


def test_a_file_of_two_packages_that_is_dropped_is_in_neither_record_and_no_clash() -> None:
    entries = [file(f"{SITE}/setup_helper.py", name.encode(), name) for name in ("one", "two")]
    entries += [
        file(f"{SITE}/{name}-1.dist-info/RECORD", f"setup_helper.py,,\n{name}.py,,\n".encode(), name)
        for name in ("one", "two")
    ]
    staying, dropped = divided(entries, [Drop(glob=f"{SITE}/setup_helper.py", why="not needed")])
    after = recorded(merge(staying), dropped)
    for name in ("one", "two"):
        assert after[f"{SITE}/{name}-1.dist-info/RECORD"].content == f"{name}.py,,\n".encode()


def test_every_rule_of_the_projects_recipes_is_in_the_reference_with_its_reason() -> None:
    rows = [line for line in REFERENCE.read_text().splitlines() if line.startswith("| `")]
    listed = {tuple(cell.strip() for cell in row.strip("|").split(" | ")) for row in rows}
    expected = {
        (f"`{part.name}`", f"`{drop.glob}`" + (f", not `{drop.keep}`" if drop.keep else ""), drop.why)
        for recipe in recipe_names()
        for part in load_recipe(recipe).parts
        for drop in part.part.drop
    }
    assert listed == expected


def test_the_rules_leave_what_runs_alone() -> None:
    needed = (
        f"{SITE}/pyarrow/lib.cpython-313-x86_64-linux-gnu.so",
        f"{SITE}/pyarrow/libarrow_python.so.2600",
        f"{SITE}/numpy/testing/__init__.py",
        f"{SITE}/fontTools/misc/bezierTools.cpython-313-x86_64-linux-gnu.so",
        f"{SITE}/jupyterlab/labapp.py",
        "opt/env/share/jupyter/lab/static/index.html",
        "opt/env/share/jupyterhub/static/components/requirejs/package.json",
        "usr/bin/git",
        "usr/lib/git-core/git-remote-https",
        "usr/share/doc/git/copyright",
    )
    rules = [drop for part in load_recipe("jupyter").parts for drop in part.part.drop]
    assert [path for path in needed if is_dropped(path, rules)] == []
    assert any(matches("usr/lib/git-core/git-daemon", rule.glob) for rule in rules)
