"""Every way that a release can fail: one class a cause, with a message that says what to do next; codes as in env."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from env.errors import EnvError, Exit

_SHOWN = 3
"""How many names a message has; the rest is counted."""


class ReleaseError(EnvError):
    """Something the person who ran the command can put right. Its text is one line that says how."""


def some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


class VersionsDifferError(ReleaseError):
    """The version is not the same everywhere."""

    exit_code = Exit.DATA

    def __init__(self, version: str, others: Mapping[str, str]) -> None:
        told = some([f"{place} has {other}" for place, other in others.items()])
        super().__init__(
            f"pyproject.toml has the version {version}, and {told}: write the one that is meant with "
            f"`./noxw -s release -- --set-version {version}`, and build the labextension again if it is among them"
        )


class VersionFormError(ReleaseError):
    """A version that not all who read it take."""

    exit_code = Exit.USAGE

    def __init__(self, version: str) -> None:
        super().__init__(f"{version!r} is no version of the form X.Y.Z, which Python's and npm's packages both take")


class NoNotesError(ReleaseError):
    """The changelog does not say what is new in the version."""

    exit_code = Exit.MISSING

    def __init__(self, version: str, empty: str = "") -> None:
        what = f"says nothing below its heading {empty}" if empty else f"has no section for {version}"
        super().__init__(
            f"CHANGELOG.md {what}: a release has notes, so write them under `## {version} - YYYY-MM-DD` "
            f"(`./noxw -s release -- --set-version {version}` makes that heading of what is under Unreleased)"
        )


class CondaRecipeError(ReleaseError):
    """The conda recipe says something else than pyproject.toml."""

    exit_code = Exit.DATA

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__(f"recipe/recipe.yaml is not what pyproject.toml says: {some(differences)}: edit recipe.yaml")


class UncommittedError(ReleaseError):
    """Files that are in no commit, so that nobody else could make the same release."""

    exit_code = Exit.DATA

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"in no commit as they are here: {some(names)}: commit them, or build what is here with --draft"
        )


class NoCommitError(ReleaseError):
    """A folder that is no git checkout, so that no commit says what is released and when it was made."""

    exit_code = Exit.MISSING

    def __init__(self, root: object) -> None:
        super().__init__(f"{root} is no git checkout: clone the repository, or build what is here with --draft")


class ImageBuildError(ReleaseError):
    """An image of a release could not be built; the lines before say why."""

    exit_code = Exit.HOST

    def __init__(self, name: str, code: int, step: str = "build") -> None:
        super().__init__(f"image {name}: `python -m images {step}` ended with exit code {code}: see the lines above")


class CheckBusyError(ReleaseError):
    """Somebody else is making a release twice in the same folder."""

    exit_code = Exit.BUSY

    def __init__(self, work: object) -> None:
        super().__init__(f"another --check is using {work}: run it again when that has ended")


class SecondTimeError(ReleaseError):
    """A release could be made here, and not from a copy elsewhere; the lines before say why."""

    exit_code = Exit.FAULTS

    def __init__(self, code: int) -> None:
        super().__init__(f"the second time ended with exit code {code}, the first did not: see the lines above")


class NotReproducibleError(ReleaseError):
    """Two builds of one commit that differ; each file that does has been printed."""

    exit_code = Exit.FAULTS

    def __init__(self, count: int, one: object, other: object) -> None:
        super().__init__(f"{count} differences between two builds of one commit; both were kept: {one} and {other}")
