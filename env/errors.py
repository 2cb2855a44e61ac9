"""Every way that env can fail: one class a cause, with a message that says what to do next, and a code for its sort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """What a script can act on, after sysexits.h; the message says which cause it was. 130 is Ctrl-C."""

    FAULTS = 1
    USAGE = 2
    DATA = 65
    MISSING = 66
    UNAVAILABLE = 69
    HOST = 71
    IO = 74
    BUSY = 75
    CONTENT = 76
    PERMISSION = 77


class EnvError(Exception):
    """Something the person who ran the command can put right. Its text is one line that says how."""

    exit_code: ClassVar[int] = Exit.FAULTS

    def __init__(self, *texts: str) -> None:
        # What somebody else's file holds, or another program says, may have lines of its own.
        super().__init__(*(" ".join(text.split()) if len(text.splitlines()) > 1 else text for text in texts))

    def __reduce__(self) -> tuple[Callable[[type[EnvError], str], EnvError], tuple[type[EnvError], str]]:
        """Pickle by class and text: worker processes raise these, and the constructors take other arguments."""
        return _restored, (type(self), str(self))


def _lock(target: str) -> str:
    return f"./noxw -s lock -- {target}" if target else "./noxw -s lock"


def _remake(target: str, command: str) -> str:
    """Return what makes a lock again: what its owner runs, or a session of this project's."""
    return command or _lock(target)


def _restored(kind: type[EnvError], text: str) -> EnvError:
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


class UnknownPlatformError(EnvError):
    """A platform that no recipe or lock knows."""

    exit_code = Exit.USAGE

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"unknown platform {name!r}: use {', '.join(known)} (comma-separated for several)")


class StoreCorruptError(EnvError):
    """A file in the store no longer has the content its name says."""

    exit_code = Exit.CONTENT

    def __init__(self, sha256: str, path: object, actual: str) -> None:
        super().__init__(
            f"corrupted file in the store: {path} should have sha256 {sha256[:16]}… and has {actual[:16]}…; "
            "delete it and run again, and it is fetched anew"
        )


class StoreMissError(EnvError):
    """A locked file is not in the store."""

    exit_code = Exit.MISSING

    def __init__(self, sha256: str, name: str) -> None:
        super().__init__(f"{name} (sha256 {sha256[:16]}…) is not in the store: run `./noxw -s fetch`")


class LockFormatError(EnvError):
    """A lock file that can't be read as one."""

    exit_code = Exit.DATA

    def __init__(self, path: object, reason: str, target: str = "", command: str = "") -> None:
        super().__init__(f"{path}: {reason}; make it again with `{_remake(target, command)}`")


class LockMissingError(EnvError):
    """No lock for that environment and platform."""

    exit_code = Exit.MISSING

    def __init__(self, path: object, target: str = "", command: str = "") -> None:
        super().__init__(f"no lock at {path}: make it with `{_remake(target, command)}`")


class NoNetworkError(EnvError):
    """A registry or archive did not answer."""

    exit_code = Exit.UNAVAILABLE

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} can't be reached: check the network, set a mirror (UV_DEFAULT_INDEX, DEBIAN_MIRROR, "
            "DEBIAN_SECURITY_MIRROR), or bring a filled store with JUPYTER_MCP_STORE"
        )


class PackageGoneError(EnvError):
    """A locked file is no longer offered; Debian's archive drops superseded versions."""

    exit_code = Exit.MISSING

    def __init__(self, name: str, version: str, target: str = "", command: str = "") -> None:
        # What somebody else's lock names is for its owner to lock again, and never for this project's own session.
        successor = command or f"{_lock(target)} --upgrade"
        super().__init__(f"{name} {version} is no longer offered: lock its successor with `{successor}`")


class ToolFailedError(EnvError):
    """A program that we run (uv, apt-get) ended with an error of its own."""

    exit_code = Exit.HOST

    def __init__(self, tool: str, reason: str) -> None:
        super().__init__(f"{tool} failed: {reason}")


class StaleLockError(EnvError):
    """A lock that answers another spec than today's."""

    exit_code = Exit.MISSING

    def __init__(self, name: object, target: str = "", command: str = "", reason: str = "its spec has changed") -> None:
        super().__init__(f"{name} is stale: {reason}: run `{_remake(target, command)}`")


class StoreFullError(EnvError):
    """No space is left where the store is."""

    exit_code = Exit.IO

    def __init__(self, root: object) -> None:
        super().__init__(
            f"no space left for the store at {root}: free some, or set JUPYTER_MCP_STORE, and run it again"
        )


class ToolMissingError(EnvError):
    """A program that we run is not installed."""

    exit_code = Exit.HOST

    def __init__(self, tool: str, way_out: str) -> None:
        super().__init__(f"{tool} is not installed: {way_out}")


class OverlayReplacesError(EnvError):
    """The overlay would replace a package of the environment below it."""

    exit_code = Exit.DATA

    def __init__(self, name: str, below: str, above: str, platform: object) -> None:
        super().__init__(
            f"the overlay would replace {name} {below} by {above} on {platform}: "
            f"run `./noxw -s lock -- wheels --upgrade {name}`, or loosen the overlay group in pyproject.toml"
        )


class NoArchiveError(EnvError):
    """The host's apt configuration names no Debian archive."""

    exit_code = Exit.UNAVAILABLE

    def __init__(self, archive: str, variable: str) -> None:
        super().__init__(
            f"this host's apt configuration names no {archive} archive: set {variable} to the address of one "
            '(docs/how-to/environments.md, "Use a mirror")'
        )


class DownloadCorruptError(EnvError):
    """What a server sent is, repeatedly, not what the lock asks for."""

    exit_code = Exit.CONTENT

    def __init__(self, name: str, sha256: str, actual: str = "") -> None:
        sent = f"and the server sends {actual[:16]}…" if actual else "and the server sends another file"
        super().__init__(
            f"{name}: hash mismatch: the lock has sha256 {sha256[:16]}… {sent}: nothing of it is used; try another "
            "mirror, and if that sends the same, ask who made the lock"
        )


class DownloadRefusedError(EnvError):
    """A server keeps answering with an error."""

    exit_code = Exit.UNAVAILABLE

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name}: the server answers {status}; check credentials or the mirror, or try again later")


class SpecError(EnvError):
    """pyproject.toml or debian.toml does not say what to lock."""

    exit_code = Exit.DATA

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class ChannelUnreachableError(EnvError):
    """A conda channel did not answer."""

    exit_code = Exit.UNAVAILABLE

    def __init__(self, channel: str, way_out: str) -> None:
        super().__init__(f"the conda channel {channel} can't be reached: {way_out}")


class NoSolutionError(EnvError):
    """No set of packages answers pixi.toml."""

    exit_code = Exit.DATA

    def __init__(self, reason: str) -> None:
        super().__init__(f"pixi.toml has no solution: {reason}")


class VerifyError(EnvError):
    """Locks that do not hold what they promise; each fault has been printed with its package and platform."""

    exit_code = Exit.FAULTS

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} faults in the locks: undo the edit, or make them again with `./noxw -s lock`")


class RecordsError(EnvError):
    """A folder that holds no conda records."""

    exit_code = Exit.DATA

    def __init__(self, folder: object, reason: str) -> None:
        super().__init__(f"no conda records at {folder} ({reason}): name a folder with SUBDIR/repodata.json[.zst]")


class StoreBusyError(EnvError):
    """A store that a build or a fetch is using, so that nothing may be removed from it."""

    exit_code = Exit.BUSY

    def __init__(self, root: object) -> None:
        super().__init__(f"a build or a fetch is using the store at {root}: run it again when that has ended")


class StoreDamagedError(EnvError):
    """Files in the store whose content is not what their names say; each has been printed."""

    exit_code = Exit.FAULTS

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} damaged files in the store: `./noxw -s store -- check --repair` deletes them, and the next "
            "fetch or build brings them anew"
        )


class StorePlaceError(EnvError):
    """A folder that a store can't be copied to."""

    exit_code = Exit.IO

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} {reason}: name an empty folder, or a store to add to")


class UnlistedHashError(EnvError):
    """A locked file of a package whose requirement lists the hashes of others."""

    exit_code = Exit.DATA

    def __init__(self, path: object, name: str, file: str, sha256: str) -> None:
        super().__init__(
            f"{path} lists hashes for {name}, and not that of {file} (sha256 {sha256[:16]}…): take that requirement "
            "anew from where it was made, or leave its hashes out, and lock again"
        )


class NoWheelError(EnvError):
    """A package that has no wheel for a platform: nothing is compiled here."""

    exit_code = Exit.DATA

    def __init__(
        self, path: object, package: str, platform: object, python: str, has: str = "", *, sources: bool = False
    ) -> None:
        lacks = f"{path}: {package} has no wheel for {platform} and CPython {python}"
        if sources:
            super().__init__(
                f"{lacks}, only its sources, and they are not built: ask for a version that has a wheel, or build one "
                "and give it an index (UV_FIND_LINKS)"
            )
            return
        why = f", only for {has}: lock it for these too" if has else ""
        super().__init__(
            f"{lacks}{why or ':'}{',' if why else ''} ask for another version of it, or lock and build with "
            "--platform for the others alone"
        )


class HashMismatchError(EnvError):
    """A file that is offered with another hash than the lock's."""

    exit_code = Exit.CONTENT

    def __init__(self, file: str, sha256: str, offered: str, command: str) -> None:
        super().__init__(
            f"{file}: hash mismatch: the lock has sha256 {sha256[:16]}… and the index offers a file of that name with "
            f"{offered[:16]}…: one of the two was changed; find out which, and if it is the lock, run `{command}`"
        )


class UnknownPackageError(EnvError):
    """A Debian package that the archive does not have."""

    exit_code = Exit.DATA

    def __init__(self, place: object, name: str, suite: str, near: Sequence[str]) -> None:
        meant = f": did you mean {', '.join(near)}?" if near else ": look for its name with `apt-cache search`"
        super().__init__(f"{place}: Debian {suite} has no package {name!r}{meant}")


class NotTakenError(EnvError):
    """Something that a project's lock names and that can't be installed here."""

    exit_code = Exit.DATA

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class UnlockedError(EnvError):
    """A project without the one lock that says what to install."""

    exit_code = Exit.MISSING

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class UnmetError(EnvError):
    """Packages that require others, which do not go in with them."""

    exit_code = Exit.DATA

    def __init__(self, path: object, platform: object, unmet: Sequence[str], command: str) -> None:
        more = f" and {len(unmet) - 3} more" if len(unmet) > 3 else ""  # noqa: PLR2004 - that many are named
        super().__init__(
            f"{path}: on {platform}, {'; '.join(unmet[:3])}{more}: make the lock again with `{command}`, or say with "
            "allow-unmet in image.toml (--allow-unmet NAME) which packages may lack what they require"
        )


class ScriptsNotRunError(EnvError):
    """Scripts of packages or of a project that would have to run, which they do not here."""

    exit_code = Exit.DATA

    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(f"{what}: {way_out}")


class AdditionsError(EnvError):
    """What is to be added to a project's environment does not fit the packages that it has."""

    exit_code = Exit.DATA

    def __init__(
        self, path: object, platform: object, faults: Sequence[str], command: str, what: str = "JupyterLab and MCP"
    ) -> None:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""  # noqa: PLR2004 - that many are named
        super().__init__(
            f"{path}: {what} can't be added on {platform}, since nothing is replaced: "
            f"{'; '.join(faults[:5])}{more}: let the project have such a version and run `{command}`, or "
            "build without --with"
        )
