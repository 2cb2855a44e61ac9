"""What an image promises, as data: the checks of recipes, carried by the image in a label.

A check is a table with an ``id``, a ``scope`` and one verb. Scope ``build`` looks at the image at rest, scope
``deploy`` at the image at work. Values may hold variables, ``${NAME}``: `Variables` lists them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from images.errors import RecipeError
from images.limits import CHECKS, LABEL_BYTES, WITHIN_S, plain

LABEL = "org.overthinkos.tests"
_LONGEST = 200
SECTIONS = ("layer", "image", "deploy")


class Table(BaseModel):
    """A table of a recipe: unknown keys are errors, and keys are written with hyphens."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        # They are the text of the published schemas and of docs/reference/recipes.md.
        use_attribute_docstrings=True,
    )


def _versions(text: str) -> str:
    try:
        SpecifierSet(text if len(text) <= _LONGEST else "")
    except InvalidSpecifier:
        raise ValueError(f"{text!r} is no range of versions") from None
    if len(text) > _LONGEST:
        raise ValueError("a range of versions is not so long")
    return text


class Contains(Table):
    """A text that must be somewhere in another."""

    contains: str
    """The text; case counts."""


class _Check(Table):
    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")]
    """Its name in reports."""
    scope: Literal["build", "deploy"]
    """``build``: the image at rest; ``deploy``: the image at work."""
    within: Annotated[float, Field(ge=0, le=WITHIN_S)] = 0
    """Seconds during which it is tried again until it holds."""


class FileCheck(_Check):
    """A path of the image is there."""

    file: str
    """The path."""
    type: Literal["file", "directory", "link"] = "file"
    """What it is."""
    contains: str | None = None
    """A text in the file."""


class CommandCheck(_Check):
    """A command that runs inside the image ends as it should."""

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """The program and its arguments, with no shell; at work it runs beside the services."""
    exit_code: int = 0
    """How it ends."""
    stdout: Contains | None = None
    """What it prints to standard output."""


class HttpCheck(_Check):
    """A request gets the right answer."""

    http: str
    """The address that is asked, without a token."""
    method: Literal["GET", "HEAD", "POST"] = "GET"
    """How it is asked."""
    status: int | tuple[int, ...] = 200
    """The status of the answer, or those that are right."""
    body: Contains | None = None
    """What the answer holds."""

    @property
    def statuses(self) -> tuple[int, ...]:
        """The answers that are right."""
        return (self.status,) if isinstance(self.status, int) else self.status


class UserCheck(_Check):
    """The image's user has that name and id; in scope ``deploy``, every process of the image has that id."""

    user: str
    """Its name."""
    uid: Annotated[int, Field(gt=0)]
    """Its number."""


class ProcessCheck(_Check):
    """A program is running."""

    process: str
    """The program's file name."""


class ServiceCheck(_Check):
    """supervisord says that a service is running."""

    service: str
    """Its name among the services."""


class AddrCheck(_Check):
    """A TCP port, ``HOST:PORT``, takes connections."""

    addr: Annotated[str, Field(pattern=r"^.+:[^:]+$")]
    """The host and the port."""
    reachable: bool = True
    """Whether it takes them, or must not."""


class PackageCheck(_Check):
    """A package is installed: a Python or conda one of the environment, or one of Debian's."""

    package: str
    """Its name."""
    version: Annotated[str, AfterValidator(_versions)] | None = None
    """Which versions will do, ``>=4.4,<5`` (Python's version specifiers), for those of the environment."""


class McpCheck(_Check):
    """An MCP server answers."""

    mcp: str
    """The server's address; it is asked with the token that the image was started with."""
    do: Literal["ping", "list-tools", "list-resources", "call", "read"]
    """What is asked."""
    tool: str | None = None
    """What ``call`` calls."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What it is called with."""
    uri: str | None = None
    """What ``read`` reads."""
    count: int | None = None
    """How many tools or resources there are."""
    result: Contains | None = None
    """A text in the result, written as JSON; of lists, in the names or addresses."""
    error: Contains | None = None
    """A text in the error that is promised in place of a result."""

    @model_validator(mode="after")
    def _has_its_object(self) -> McpCheck:
        if self.do == "call" and not self.tool:
            raise ValueError("call needs a tool")
        if self.do == "read" and not self.uri:
            raise ValueError("read needs a uri")
        return self


VERBS: Mapping[str, type[_Check]] = {
    "file": FileCheck,
    "command": CommandCheck,
    "http": HttpCheck,
    "user": UserCheck,
    "process": ProcessCheck,
    "service": ServiceCheck,
    "addr": AddrCheck,
    "package": PackageCheck,
    "mcp": McpCheck,
}


def _verb(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", ())
    return next((verb for verb in VERBS if verb in keys), None)


Check = Annotated[
    Annotated[FileCheck, Tag("file")]
    | Annotated[CommandCheck, Tag("command")]
    | Annotated[HttpCheck, Tag("http")]
    | Annotated[UserCheck, Tag("user")]
    | Annotated[ProcessCheck, Tag("process")]
    | Annotated[ServiceCheck, Tag("service")]
    | Annotated[AddrCheck, Tag("addr")]
    | Annotated[PackageCheck, Tag("package")]
    | Annotated[McpCheck, Tag("mcp")],
    Discriminator(
        _verb,
        custom_error_type="unknown_verb",
        custom_error_message=f"a check has one of the verbs {', '.join(VERBS)}",
    ),
]
CHECK: TypeAdapter[Check] = TypeAdapter(Check)
"""Reads and writes one check."""
_CHECKS: TypeAdapter[dict[str, tuple[Check, ...]]] = TypeAdapter(dict[str, tuple[Check, ...]])


def to_label(parts: Iterable[Check], image: Iterable[Check]) -> str:
    """Return the label's JSON: the parts' and the image's checks at rest, then all that need it at work."""
    layer, own = tuple(parts), tuple(image)
    sections: dict[str, tuple[Check, ...]] = {
        "layer": tuple(check for check in layer if check.scope == "build"),
        "image": tuple(check for check in own if check.scope == "build"),
        "deploy": tuple(check for check in (*layer, *own) if check.scope == "deploy"),
    }
    plain = _CHECKS.dump_python(sections, mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def from_label(text: str, origin: object) -> dict[str, tuple[Check, ...]]:
    """Read a label back, by section.

    Raises:
        RecipeError: it is not such a label; `origin` names the image in the message.

    """
    if len(text) > LABEL_BYTES:
        raise RecipeError(origin, f"label {LABEL}: it is larger than any that makes sense")
    try:
        found = _CHECKS.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise RecipeError(origin, f"label {LABEL}: {plain(where, 100)}: {plain(first['msg'])}") from None
    if sum(map(len, found.values())) > CHECKS:
        raise RecipeError(origin, f"label {LABEL}: it has more than {CHECKS} checks")
    return found


_VARIABLE = re.compile(r"\$\{([^${}]+)\}")


VARIABLES: Mapping[str, str] = {
    "HOME": "the home folder of the image's user",
    "CONTAINER_IP": "the address at which the running image is reached",
    "HOST_PORT:N": "the port through which the image's port N is reached, however it is published",
    "VOLUME_PATH:NAME": "where the volume whose path ends in NAME is mounted",
    "ENV_NAME": "the variable NAME of the image's configuration",
    "RUN": "a text that differs from run to run, for names of things that a check makes",
}


class Variables:
    """The values of `VARIABLES` for one image, as ``${NAME}`` in the texts of checks."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def fill(self, value: Any) -> Any:
        """Replace the variables in a text, or in every text of lists and tables.

        Raises:
            KeyError: a variable has no value here.

        """
        match value:
            case str():
                return _VARIABLE.sub(lambda match: self._values[match[1]], value)
            case list() | tuple():
                return type(value)(self.fill(one) for one in value)
            case dict():
                return {key: self.fill(one) for key, one in value.items()}
            case _:
                return value
