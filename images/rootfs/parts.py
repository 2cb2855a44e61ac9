"""What a part brings besides packages: its rootfs folder, directories, links, joined files and services."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from images.recipe.recipe import Drop, Join, NamedPart, Recipe, Service, User
from images.rootfs.entries import PRIVILEGED, Entry, Kind, directory, walk

SERVICES = "etc/supervisor/conf.d"
SUPERVISOR_RESTART = {"always": "true", "on-failure": "unexpected", "never": "false"}


def directories(recipe: Recipe) -> dict[str, Entry]:
    """Return the directories that the recipe's parts make, by path."""
    made = (_directories(part, recipe.user) for part in recipe.parts)
    return {entry.path: entry for entries in made for entry in entries}


def _directories(part: NamedPart, user: User) -> Iterator[Entry]:
    for made in part.part.directory:
        uid = user.uid if made.owner == "user" else 0
        gid = user.gid if (made.group or made.owner) == "user" else 0
        yield directory(made.path.lstrip("/"), int(made.mode, 8), uid, gid)


def own_entries(part: NamedPart, user: User) -> Iterator[Entry]:
    """Yield the entries of one part, joined files excepted, since they need the packages."""
    yield from _directories(part, user)
    if part.rootfs.is_dir():
        # Bytecode beside a part's modules is what running them here left.
        found = (entry for entry in walk(part.rootfs, part.name) if entry.kind is not Kind.DIRECTORY)
        yield from (entry for entry in found if "__pycache__" not in entry.path.split("/"))
    for link in part.part.link:
        yield Entry(link.path.lstrip("/"), Kind.SYMLINK, 0o777, target=link.target, origin=part.name)
    for name, service in sorted(part.part.service.items()):
        yield Entry(f"{SERVICES}/{name}.conf", Kind.FILE, 0o644, content=program(name, service), origin=part.name)


def program(name: str, service: Service) -> bytes:
    """Return a service's section for supervisord; its output goes to the container's, unbuffered and unrotated."""
    settings = {
        "command": _command(service.command),
        "autorestart": SUPERVISOR_RESTART[service.restart],
        # supervisord waits a second longer after each failed start; always means that it never gives up.
        "startretries": 1_000_000 if service.restart == "always" else 3,
        "priority": service.priority,
        "stopwaitsecs": service.stop_seconds,
        "stopasgroup": "true",
        "killasgroup": "true",
        "stdout_logfile": "/dev/fd/1",
        "stdout_logfile_maxbytes": 0,
        "redirect_stderr": "true",
    }
    lines = [f"[program:{name}]", *(f"{key}={value}" for key, value in settings.items())]
    return ("\n".join(lines) + "\n").encode()


def _command(words: Sequence[str]) -> str:
    # supervisord's file takes what follows a space and ; or # for a comment, also within quotes, fills in %(name)s, and
    # splits what is left as a shell does (its manual, "Configuration File"). Such a character is always quoted by now.
    text = re.sub(r"(\s)([;#])", r"""\1'"\2"'""", shlex.join(words))
    return text.replace("%", "%%")


def unprivileged(tree: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the tree without setuid and setgid bits: what runs in the image needs no rights that its user lacks."""
    return {
        path: replace(entry, mode=entry.mode & ~PRIVILEGED) if entry.mode & PRIVILEGED else entry
        for path, entry in tree.items()
    }


def joined(joins: Iterable[Join], tree: Mapping[str, Entry]) -> Iterator[Entry]:
    """Yield the files that are joined from others, each ending in a newline."""
    for join in joins:
        texts = [
            content_of(tree[path]).rstrip(b"\n") + b"\n"
            for path in sorted(tree)
            if tree[path].kind is Kind.FILE and matches(path, join.glob)
        ]
        yield Entry(join.path.lstrip("/"), Kind.FILE, 0o644, content=b"".join(texts), origin="join")


def content_of(entry: Entry) -> bytes:
    """Return the bytes of a file entry."""
    return entry.content.read_bytes() if isinstance(entry.content, Path) else entry.content


def divided(entries: Iterable[Entry], drops: Sequence[Drop]) -> tuple[list[Entry], list[Entry]]:
    """Return the entries that stay, and those that the rules drop."""
    parted: tuple[list[Entry], list[Entry]] = ([], [])
    for entry in entries:
        parted[is_dropped(entry.path, drops)].append(entry)
    return parted


def is_dropped(path: str, drops: Iterable[Drop]) -> bool:
    """Return whether a rule drops what is at a path without the leading slash."""
    return any(matches(path, rule.glob) and not (rule.keep and matches(path, rule.keep)) for rule in drops)


def matches(path: str, pattern: str) -> bool:
    """Say whether a path fits a pattern: ``*`` stays within a folder, ``**`` does not, ``{a,b}`` is either.

    A comma outside of braces, and a brace without a partner, is that character.
    """
    return _regex(pattern).fullmatch(path) is not None


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    written = re.split(r"(\*\*/|\*\*|[*?{},])", pattern)
    braces = _pairs(written)
    pieces, depth = [], 0
    for number, piece in enumerate(written):
        match piece:
            case "**/":
                pieces.append("(?:.*/)?")
            case "**":
                pieces.append(".*")
            case "*":
                pieces.append("[^/]*")
            case "?":
                pieces.append("[^/]")
            case "{" if number in braces:
                depth += 1
                pieces.append("(?:")
            case "," if depth:
                pieces.append("|")
            case "}" if number in braces:
                depth -= 1
                pieces.append(")")
            case _:
                pieces.append(re.escape(piece))
    return re.compile("".join(pieces), re.DOTALL)


def _pairs(written: Sequence[str]) -> set[int]:
    """Return where braces stand that have a partner; any other, and a comma outside of them, is a character."""
    found: set[int] = set()
    opened: list[int] = []
    for number, piece in enumerate(written):
        if piece == "{":
            opened.append(number)
        elif piece == "}" and opened:
            found |= {opened.pop(), number}
    return found
