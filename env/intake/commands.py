"""What the owner of a project runs to make its lock again: never a command about this project's own locks."""

from __future__ import annotations

import shlex
from pathlib import Path


def quoted(path: Path) -> str:
    """Return a path as a shell takes it."""
    return shlex.quote(str(path))


def pixi_lock(manifest: Path) -> str:
    """Return what makes pixi.lock, from its manifest."""
    return f"pixi lock --manifest-path {quoted(manifest)}"


def uv_lock(folder: Path) -> str:
    """Return what makes uv.lock."""
    return f"uv lock --project {quoted(folder)}"


def poetry_export(folder: Path) -> str:
    """Return what makes a requirements.txt with hashes of a poetry.lock."""
    return f"poetry export -C {quoted(folder)} -f requirements.txt -o requirements.txt"


def lock_recipe(folder: Path) -> str:
    """Return what makes the pylock.toml of a folder's requirements.txt."""
    return f"./noxw -s lock -- --recipe {quoted(folder)}"


def lock_debian(folder: Path) -> str:
    """Return what locks the Debian packages that a folder asks for."""
    return f"./noxw -s lock -- --recipe {quoted(folder)} --debian"


def compile_hashed(source: Path) -> str:
    """Return what makes a file of requirements with hashes."""
    output = quoted(source.with_suffix(".txt"))
    return f"uv pip compile {quoted(source)} --universal --generate-hashes --output-file {output}"


def conda_lock(environment: Path) -> str:
    """Return what makes conda-lock.yml, from environment.yml."""
    return f"conda-lock -f {quoted(environment)} --lockfile {quoted(environment.with_name('conda-lock.yml'))}"


def pylock_again(folder: Path, name: str, maker: str) -> str:
    """Return what makes a pylock.toml again, by the tool that made it (its ``created-by``)."""
    if maker == "pdm":
        return f"pdm lock -p {quoted(folder)}"
    source = next((folder / one for one in ("requirements.in", "pyproject.toml") if (folder / one).is_file()), None)
    if maker == "uv" or source is None or (folder / "uv.lock").is_file():
        return export_pylock(folder, name)
    # `pip lock` locks for the Python and the machine that it runs on alone.
    return f"uv pip compile {quoted(source)} --universal --format pylock.toml -o {quoted(folder / name)}"


def export_pylock(folder: Path, name: str) -> str:
    """Return what makes a pylock.toml of a project's uv.lock."""
    return f"uv export --project {quoted(folder)} --format pylock.toml --output-file {quoted(folder / name)}"
