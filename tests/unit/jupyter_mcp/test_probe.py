"""Names of other packages that are private: each that lacks is told, and switches off only what needs it."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import logging
import pkgutil
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import jupyter_mcp
from jupyter_mcp import probe
from jupyter_mcp.errors import RoomUnavailableError
from jupyter_mcp.probe import TABLE, Part, Private, functions, holders
from jupyter_mcp.rtc_adapter import Rooms
from jupyter_mcp.transport.json_first import deferring

PACKAGE = Path(probe.__file__).parent
NAMES = {one.name for one in TABLE}
ids = [str(one) for one in TABLE]


@pytest.fixture(autouse=True)
def looked_anew() -> Iterator[None]:
    probe.missing.cache_clear()
    yield
    probe.missing.cache_clear()


def renamed(code: types.CodeType, name: str) -> types.CodeType:
    """Return the code as it is when upstream has given the name another one."""

    def other(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{one}_renamed" if one == name else one for one in names)

    consts = tuple(
        renamed(one, name) if isinstance(one, types.CodeType) else "renamed" if one == name else one
        for one in code.co_consts
    )
    return code.replace(co_names=other(code.co_names), co_varnames=other(code.co_varnames), co_consts=consts)


def without(one: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rename a name in what is installed: where it is defined, and in each method that uses it."""
    module, _, kind = one.where.partition(":")
    owner: Any = importlib.import_module(module)
    owner = getattr(owner, kind) if kind else owner
    for holder in inspect.getmro(owner) if inspect.isclass(owner) else (owner,):
        if one.name in vars(holder):
            monkeypatch.delattr(holder, one.name)
    for holder in holders(owner) if inspect.isclass(owner) else ():
        for function in functions(holder):
            monkeypatch.setattr(function, "__code__", renamed(function.__code__, one.name))


def test_what_is_installed_has_every_name() -> None:
    assert [one.lacks() for one in TABLE if not one.is_there()] == []
    assert probe.warning(probe.missing()) == ""


@pytest.mark.parametrize("one", TABLE, ids=ids)
def test_a_name_that_lacks_is_told_and_only_what_needs_it_is_off(one: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    without(one, monkeypatch)
    told = probe.warning(probe.missing())
    assert "\n" not in told
    assert f"has no {one}" in told
    assert one.distribution in told
    assert one.part.value in told
    others = {other.part for other in TABLE if other.name == one.name}
    assert {part for part in Part if not probe.works(part)} <= others
    assert not probe.works(one.part)
    assert str(one) in probe.why_off(one.part)


def test_a_module_that_lacks_is_a_name_that_lacks() -> None:
    assert not Private("jupyter-server-ydoc", "jupyter_server_ydoc.gone:Room", "_file", Part.ROOMS).is_there()
    assert not Private("jupyter-server-ydoc", "jupyter_server_ydoc.rooms:Gone", "_file", Part.ROOMS).is_there()


def test_what_needs_a_room_says_why_there_is_none(tmp_path: Path) -> None:
    settings = {"jupyter_server_ydoc": object(), "contents_manager": object()}
    rooms = Rooms(settings, tmp_path, logging.getLogger(), fsync=False, idle=1)
    rooms.switch_off("no such room")

    async def run() -> None:
        calls: tuple[Callable[[str], Any], ...] = (rooms.join, rooms.close)
        for call in calls:
            with pytest.raises(RoomUnavailableError, match="no such room"):
                await call("a.ipynb")
        await rooms.dismiss()
        await rooms.sweep()
        await rooms.stop()

    asyncio.run(run())
    assert not rooms.available
    assert not rooms.is_open("a.ipynb")
    assert (rooms.open_rooms(), rooms.people(), rooms.save_others()) == ([], [], [])


def test_without_what_shortens_a_stream_the_application_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(*_: Any) -> None:
        pass

    monkeypatch.setattr(probe, "TABLE", (Private("mcp", "mcp.server.streamable_http", "_gone", Part.JSON),))
    assert deferring(app) is app


def test_a_version_out_of_bounds_is_told_with_them() -> None:
    requirements = ["traitlets<5,>=4", "tornado>=6", "not-installed>=1", "fastmcp<1; extra == 'other'"]
    (told,) = probe.out_of_bounds(requirements)
    assert told.startswith("traitlets 5.")
    assert told.endswith("(<5,>=4)")
    assert probe.out_of_bounds() == []


def test_an_import_that_fails_is_told_with_what_is_out_of_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jupyter_mcp.app", None)
    monkeypatch.setattr(probe, "_requirements", lambda: ["traitlets<5"])
    with pytest.raises(ImportError, match=r"can't run with what is installed: .*in place of traitlets 5") as raised:
        jupyter_mcp._jupyter_server_extension_points()
    assert "\n" not in str(raised.value)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def own_names(tree: ast.ClassDef) -> set[str]:
    """Return what a class defines: its functions and variables, and what its methods set of themselves."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node):
            names.add(node.attr)
    return names


def is_own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def inherited(tree: ast.AST) -> set[ast.AST]:
    """Return the uses of `self` whose name the class itself does not define."""
    classes = [(one, own_names(one)) for one in ast.walk(tree) if isinstance(one, ast.ClassDef)]
    return {
        node
        for owner, own in classes
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute) and is_own(node) and node.attr not in own
    }


def names_in(node: ast.AST) -> list[str]:
    """Return the names of other objects and modules that a piece of code names, or passes as keywords."""
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.keyword):
        return [node.arg or ""]
    if isinstance(node, ast.ImportFrom | ast.Import):
        return [part for one in node.names for part in f"{getattr(node, 'module', None) or ''}.{one.name}".split(".")]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr"):
        return [str(node.args[1].value)] if isinstance(node.args[1], ast.Constant) else []
    return []


def private_uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each underscored name that is used of another object or class, imported, or passed as a keyword."""
    foreign = inherited(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_own(node) and node not in foreign:
            continue
        yield from ((getattr(node, "lineno", 0), name) for name in names_in(node) if is_private(name))


@pytest.mark.parametrize(
    "use",
    [
        "room._file",
        "room._file = 1",
        "getattr(room, '_file', None)",
        "prepare(_file=1)",
        "from other import _file",
        "from other._file import name",
        "import other._file",
        "class A(B):\n    def __init__(self):\n        self._mine = self._file",
    ],
)
def test_each_way_to_use_a_private_name_is_seen(use: str) -> None:
    assert [name for _, name in private_uses(ast.parse(use))] == ["_file"]


def test_no_private_use_is_forgotten() -> None:
    forgotten = [
        f"{path.relative_to(PACKAGE)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in private_uses(ast.parse(path.read_text()))
        if name not in NAMES
    ]
    assert forgotten == [], "put it into the table of probe.py, and into docs/explanation/upstream.md"


def our_classes() -> set[type]:
    names = [module.name for module in pkgutil.walk_packages([str(PACKAGE)], "jupyter_mcp.")]
    members = [member for name in names for member in vars(importlib.import_module(name)).values()]
    return {member for member in members if inspect.isclass(member) and member.__module__.startswith("jupyter_mcp")}


def test_no_name_of_ours_hides_a_private_one_of_a_base() -> None:
    hidden = {
        f"{kind.__qualname__}.{name} hides that of {base.__qualname__}"
        for kind in our_classes()
        for base in kind.__mro__
        if not base.__module__.startswith("jupyter_mcp")
        for name, ours in vars(kind).items()
        if is_private(name) and name in vars(base) and name not in NAMES
        # What a metaclass puts into each class is not ours.
        if isinstance(ours, types.FunctionType) and ours.__module__.startswith("jupyter_mcp")
    }
    assert sorted(hidden) == []


def test_no_entry_is_of_a_name_that_is_used_no_more() -> None:
    text = "".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "probe.py")
    assert [name for name in NAMES if name not in text] == []


def test_the_page_has_every_private_name() -> None:
    page = (PACKAGE.parent / "docs" / "explanation" / "upstream.md").read_text()
    assert [str(one) for one in TABLE if is_private(one.name) and f"`{one.name}`" not in page] == []
