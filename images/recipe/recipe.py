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

from env.spec import ROOT
from images.errors import RecipeError, UnknownImageError
from images.names import RECIPES, recipe_names
from images.recipe.checks import Check, Table

MAX_LAYERS = 127
"""What overlayfs mounts of common runtimes accept."""
PARTS = ROOT / "images" / "parts"
T = TypeVar("T", bound=BaseModel)

AbsolutePath = Annotated[str, Field(pattern=r"^/.*[^/]$")]
Mode = Annotated[str, Field(pattern=r"^[01][0-7]{3}$")]
"""Without setuid and setgid, which no file of an image has."""


EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""The name of one of several environments: also that of a folder and of a kernel."""
Word = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class User(Table):
    """Who the image runs as."""

    name: str
    """Its name in ``/etc/passwd``."""
    uid: Annotated[int, Field(gt=0)]
    """Its number, never root's."""
    gid: int
    """The number of its group."""
    home: AbsolutePath
    """Its home folder."""


class Directory(Table):
    """A directory to make."""

    path: AbsolutePath
    """Where."""
    mode: Mode = "0755"
    """Its mode, four octal digits, without setuid and setgid."""
    owner: Literal["root", "user"] = "root"
    """Whose it is: root's, or the image's user's."""
    group: Literal["root", "user"] | None = None
    """Its group where that is not the owner's: an arbitrary uid, as OpenShift gives one, is in group root."""


class Link(Table):
    """A symbolic link to make."""

    path: AbsolutePath
    """Where."""
    target: str
    """Where it leads, absolute or from its own folder."""


class Join(Table):
    """A file joined from others of the image, in sorted order: what a maintainer script would have made."""

    path: AbsolutePath
    """Where the joined file goes."""
    glob: str
    """Which files, by a pattern over paths without the leading slash."""


class Drop(Table):
    """Files that no one needs at run time."""

    glob: str
    """Which files, by a pattern over paths without the leading slash: ``*`` stays in a folder, ``**`` does not."""
    keep: str | None = None
    """Files that stay although ``glob`` matches them."""
    why: Annotated[str, Field(min_length=8)]
    """Why no one needs them."""


class Service(Table):
    """A program that supervisord keeps running."""

    command: Annotated[tuple[Word, ...], Field(min_length=1)]
    """The program and its arguments, each on one line; no shell reads them."""
    restart: Literal["always", "on-failure", "never"] = "always"
    """When it is started again after it has ended."""
    stop_seconds: Annotated[int, Field(gt=0)] = 8
    """Seconds that it gets to end after SIGTERM."""
    priority: int = 100
    """The lower, the earlier it is started and the later it is stopped."""


class Config(Table):
    """What the image's configuration says (OCI image-spec, config.md)."""

    entrypoint: tuple[str, ...] = ()
    """What starts the command; of several parts, the last that says one counts."""
    command: tuple[str, ...] = ()
    """What is started unless whoever runs the image says something else; the last part's counts."""
    ports: tuple[Annotated[int, Field(gt=0, lt=65536)], ...] = ()
    """TCP ports that are listened on."""
    volumes: dict[str, str] = Field(default_factory=dict)
    """Where data outlives the container, by name; ``~`` is the user's home."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables of the environment."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the image."""
    healthcheck: tuple[str, ...] = ()
    """A command that ends with 0 when the image does its work: Docker's HEALTHCHECK, which OCI has no word for."""
    working_dir: AbsolutePath | None = None
    """Where what is started begins."""


class Install(Table):
    """Which locks the part installs from, and whether the project's own wheel is among it."""

    locks: tuple[Literal["debian", "environment", "overlay"], ...] = ()
    """``debian``: the base; ``environment``: conda, wheels or cuda, as is built; ``overlay``: what goes over it."""
    project: bool = False
    """Whether the wheel of this project, jupyter-mcp-rooms, is installed."""
    checkout: bool = False
    """Whether this project's programs, recipes and locks are there, with the Debian packages that images begin with:
    what an image needs that builds images."""


class Part(Table):
    """One part of an image."""

    title: str
    """What it is, in a line."""
    install: Install = Install()
    """What it installs."""
    user: User | None = None
    """Who the image runs as; the last part that says it counts, and one must."""
    directory: tuple[Directory, ...] = ()
    """Directories to make."""
    link: tuple[Link, ...] = ()
    """Symbolic links to make."""
    join: tuple[Join, ...] = ()
    """Files to join from others."""
    drop: tuple[Drop, ...] = ()
    """What is left out of the packages."""
    service: dict[str, Service] = Field(default_factory=dict)
    """What it runs, by name."""
    config: Config = Config()
    """What it adds to the image's configuration."""
    check: tuple[Check, ...] = ()
    """What it promises."""


class Debian(Table):
    """Debian packages of one's own, over those of the base."""

    packages: tuple[str, ...]
    """Their names; what they need is locked with them by ``./noxw -s lock -- --recipe DIR``."""


class Image(Table):
    """The head of a recipe."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$")]
    """Its name, also in registries."""
    title: str
    """What it is, in a line."""
    description: str
    """What it is, in a sentence."""
    platforms: Annotated[tuple[str, ...], Field(min_length=1)]
    """What it is made for: ``linux/amd64``, ``linux/arm64``."""
    environments: Annotated[tuple[Literal["conda", "wheels", "cuda"], ...], Field(min_length=1)]
    """Where its packages may come from; without ``--env`` the first counts whose sources answer."""
    parts: Annotated[tuple[str, ...], Field(min_length=1)]
    """Its parts, in order: folders of ``parts/`` beside it, or of this project."""
    created: datetime
    """The time that files and the image carry, unless SOURCE_DATE_EPOCH says otherwise."""
    own_layer_size: Annotated[int, Field(gt=0)] | None = None
    """Bytes from which a package gets a layer of its own, so that a small change elsewhere leaves it alone; without it
    as few as the number of layers allows that runtimes mount."""
    max_layers: Annotated[int, Field(gt=0, le=MAX_LAYERS)] = MAX_LAYERS
    """How many layers it may have at most: fewer where another image is built on it, since runtimes mount 127 of
    both."""
    check: tuple[Check, ...] = ()
    """What the whole promises and no part can."""
    debian: Debian | None = None
    """Debian packages that it has besides the base's; without it those of an ``apt.txt`` beside it."""
    lock: str = ""
    """The file beside it that says what the environment holds, where there are several, e.g. ``pylock.prod.toml``; or
    ``ours``, for this project's own packages whatever else is in the folder."""
    environment: str | Annotated[tuple[EnvironmentName, ...], Field(min_length=1)] = ""
    """Which of the environments in that lock: of pixi.lock, or a category of conda-lock.yml. Of several, the first is
    at ``/opt/env``, and each other one at ``/opt/envs/NAME``."""
    extras: tuple[str, ...] = ()
    """Extras of the project in that lock that go in, of uv.lock or pylock.toml."""
    groups: tuple[str, ...] = ()
    """Its dependency groups that go in."""
    allow_unmet: tuple[str, ...] = ()
    """Packages that may lack what they require, since whoever made the lock knows that they do without."""
    skip_post_link: tuple[str, ...] = ()
    """conda packages whose post-link script the image does without: package scripts never run here."""
    skip_debian: bool = False
    """Whether the image does without the Debian packages that an ``apt.txt`` beside it asks for."""
    skip_activation: tuple[str, ...] = ()
    """Activation scripts of the project's own, by their name, that the image does without."""
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
    def environments(self) -> tuple[str, ...]:
        """The environments of its lock that are in it, the first of which is at ``/opt/env``; "" is the lock's own."""
        said = self.image.environment
        return (said,) if isinstance(said, str) else said

    @property
    def installs_project(self) -> bool:
        """Whether one of its parts installs the project's own wheel."""
        return any(part.part.install.project for part in self.parts)

    @property
    def installs_checkout(self) -> bool:
        """Whether one of its parts installs this project's programs."""
        return any(part.part.install.checkout for part in self.parts)

    @property
    def drops(self) -> tuple[Drop, ...]:
        """The rules of its parts about files that no one needs."""
        return tuple(drop for part in self.parts for drop in part.part.drop)

    @property
    def user(self) -> User:
        """The user of the last part that names one."""
        return next(part.part.user for part in reversed(self.parts) if part.part.user is not None)


def load_recipe(name: str) -> Recipe:
    """Read one of this project's recipes; the errors are those of `read_recipe`.

    Raises:
        UnknownImageError: there is no such recipe.

    """
    if name not in recipe_names():
        raise UnknownImageError(name, recipe_names())
    return read_recipe(RECIPES / name)


def read_recipe(folder: Path) -> Recipe:
    """Read the recipe in a folder, wherever it is; its parts are in `folder/parts` or are this project's.

    Raises:
        RecipeError: a file is not there, is not TOML or does not fit the schema; the message names file, line and key.

    """
    path = folder / "image.toml"
    image = _parse(path, Image)
    parts = tuple(load_part(part, path) for part in image.parts)
    if not any(part.part.user for part in parts):
        raise RecipeError(path, "none of its parts names a [user], and an image must not run as root")
    return Recipe(image, parts, path)


def load_part(name: str, image: Path) -> NamedPart:
    """Read a part by its name, for the image in a file; the errors are those of `read_recipe`."""
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
    """Return the first line that holds a word, or 1: TOML parsers do not keep positions."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if word and word in line), 1)
