"""Recipes: pure data in TOML, checked against a schema, with no way to run a command.

`images/NAME/image.toml` is an image; it is a list of parts. `images/parts/NAME/part.toml` is a part: what it installs,
what it runs and what it promises; its `rootfs/` folder is copied as it is. Adding a part touches no Python.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator

from images.checks import Check, Table
from images.errors import RecipeError, UnknownImageError

HERE = Path(__file__).parent
PARTS = HERE / "parts"
T = TypeVar("T", bound=BaseModel)

AbsolutePath = Annotated[str, Field(pattern=r"^/.*[^/]$")]
Mode = Annotated[str, Field(pattern=r"^[0-7]{4}$")]


class User(Table):
    """Who the image runs as."""

    name: str
    uid: Annotated[int, Field(gt=0, description="Numeric, and never root.")]
    gid: int
    home: AbsolutePath


class Directory(Table):
    """A directory to make."""

    path: AbsolutePath
    mode: Mode = "0755"
    owner: Literal["root", "user"] = "root"
    group: Literal["root", "user"] | None = None
    """Its group where that is not the owner's: an arbitrary uid, as OpenShift gives one, is in group root."""


class Link(Table):
    """A symbolic link to make."""

    path: AbsolutePath
    target: str


class Join(Table):
    """A file joined from others of the image, in sorted order: what a maintainer script would have made."""

    path: AbsolutePath
    glob: str
    """Which files, by a pattern over paths without the leading slash."""


class Drop(Table):
    """Files that no one needs at run time."""

    glob: str
    keep: str | None = None
    """Files that stay although `glob` matches them."""
    why: Annotated[str, Field(min_length=8)]


class Service(Table):
    """A program that supervisord keeps running."""

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    restart: Literal["always", "on-failure", "never"] = "always"
    stop_seconds: Annotated[int, Field(gt=0)] = 8
    priority: int = 100


class Config(Table):
    """What the image's configuration says (OCI image-spec, config.md)."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    ports: tuple[Annotated[int, Field(gt=0, lt=65536)], ...] = ()
    volumes: dict[str, str] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    healthcheck: tuple[str, ...] = ()
    """A command that ends with 0 when the image does its work: Docker's HEALTHCHECK, which OCI has no word for."""
    working_dir: AbsolutePath | None = None


class Install(Table):
    """Which locks the part installs from, and whether the project's own wheel is among it."""

    locks: tuple[Literal["debian", "environment", "overlay"], ...] = ()
    project: bool = False


class Part(Table):
    """One part of an image."""

    title: str
    install: Install = Install()
    user: User | None = None
    directory: tuple[Directory, ...] = ()
    link: tuple[Link, ...] = ()
    join: tuple[Join, ...] = ()
    drop: tuple[Drop, ...] = ()
    service: dict[str, Service] = Field(default_factory=dict)
    config: Config = Config()
    check: tuple[Check, ...] = ()


class Image(Table):
    """The head of a recipe."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$")]
    title: str
    description: str
    platforms: Annotated[tuple[str, ...], Field(min_length=1)]
    environments: Annotated[tuple[Literal["conda", "wheels", "cuda"], ...], Field(min_length=1)]
    parts: Annotated[tuple[str, ...], Field(min_length=1)]
    created: datetime
    """The time that files and the image carry, unless SOURCE_DATE_EPOCH says otherwise."""
    own_layer_size: Annotated[int, Field(gt=0)] = 8 << 20
    """Bytes from which a package gets a layer of its own, so that a small change elsewhere leaves it alone."""
    check: tuple[Check, ...] = ()
    not_for: dict[str, str] = Field(default_factory=dict)
    """Why the image is not made for a platform, by its name."""

    @field_validator("created")
    @classmethod
    def _has_timezone(cls, created: datetime) -> datetime:
        if created.tzinfo is None:
            raise ValueError("needs a timezone, e.g. 2026-11-01T00:00:00Z")
        return created


@dataclass(frozen=True)
class NamedPart:
    """A part with where it stands."""

    name: str
    part: Part
    rootfs: Path


@dataclass(frozen=True)
class Recipe:
    """An image and its parts, in order."""

    image: Image
    parts: tuple[NamedPart, ...]
    path: Path
    """Its ``image.toml``."""

    @property
    def installs(self) -> frozenset[str]:
        """The locks that its parts install from: ``debian``, ``environment``, ``overlay``."""
        return frozenset(lock for part in self.parts for lock in part.part.install.locks)

    @property
    def user(self) -> User:
        """The user of the last part that names one."""
        return next(part.part.user for part in reversed(self.parts) if part.part.user is not None)


def recipe_names() -> list[str]:
    """List this project's recipes."""
    return sorted(path.parent.name for path in HERE.glob("*/image.toml"))


def load_recipe(name: str) -> Recipe:
    """Read one of this project's recipes; the errors are those of `read_recipe`.

    Raises:
        UnknownImageError: there is no such recipe.

    """
    if name not in recipe_names():
        raise UnknownImageError(name, recipe_names())
    return read_recipe(HERE / name)


def read_recipe(folder: Path) -> Recipe:
    """Read the recipe in a folder, wherever it is; its parts are in `folder/parts` or are this project's.

    Raises:
        RecipeError: a file is not there, is not TOML or does not fit the schema; the message names file, line and key.

    """
    path = folder / "image.toml"
    image = _parse(path, Image)
    parts = tuple(_load_part(part, path) for part in image.parts)
    if not any(part.part.user for part in parts):
        raise RecipeError(path, "none of its parts names a [user], and an image must not run as root")
    return Recipe(image, parts, path)


def _load_part(name: str, image: Path) -> NamedPart:
    places = (image.parent / "parts", PARTS)
    for folder in (place / name for place in places):
        if (folder / "part.toml").is_file():
            return NamedPart(name, _parse(folder / "part.toml", Part), folder / "rootfs")
    known = sorted({path.parent.name for place in places for path in place.glob("*/part.toml")})
    raise RecipeError(f"{image}:{_line(image, name)}", f"unknown part {name!r}: there are {', '.join(known)}")


def _parse(path: Path, model: type[T]) -> T:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise RecipeError(path, "is not there") from None
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(path, f"not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(step) for step in first["loc"])
        last = next((str(step) for step in reversed(first["loc"]) if isinstance(step, str)), "")
        if first["type"] == "extra_forbidden":
            raise RecipeError(f"{path}:{_line(path, last)}", f"unknown key {key!r}: remove it or correct it") from None
        raise RecipeError(f"{path}:{_line(path, last)}", f"{key}: {first['msg']}") from None


def _line(path: Path, word: str) -> int:
    """Give the first line that holds a word, or 1: TOML parsers do not keep positions."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if word and word in line), 1)
