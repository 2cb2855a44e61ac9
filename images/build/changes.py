"""What changes between two plans of an image, in words for a pull request: versions, sizes, digests, and what it costs.

Plans are what ``build --plan --json`` prints.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rich.filesize import decimal

from images.errors import UnreadableInputError

_DIGITS = 12


class _Name(NamedTuple):
    """A package's; Debian and the environment may both have one of it, such as openssl."""

    name: str
    kind: str


@dataclass(frozen=True)
class _Package:
    version: str
    size: int
    sha256: str


@dataclass(frozen=True)
class _Plan:
    packages: Mapping[_Name, _Package]
    layers: Mapping[frozenset[str], int]
    """Bytes of a layer's packages, by their sha256."""


def read_plan(path: Path) -> dict[str, _Plan]:
    """Read a plan: its platforms by name.

    Raises:
        UnreadableInputError: it is none.

    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {str(one["platform"]): _of_platform(one["layers"]) for one in data["platforms"]}
    except OSError as error:
        raise UnreadableInputError(path, f"can't be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnreadableInputError(path, "is no plan: it is what `build --plan --json` prints") from None


def _of_platform(layers: list[dict[str, Any]]) -> _Plan:
    packages, sizes = {}, {}
    for layer in layers:
        for one in layer["packages"]:
            name = _Name(str(one["name"]), str(layer["kind"]))
            packages[name] = _Package(str(one["version"]), int(one["size"]), str(one["sha256"]))
        digests = frozenset(str(one["sha256"]) for one in layer["packages"])
        sizes[digests] = sum(int(one["size"]) for one in layer["packages"])
    return _Plan(packages, sizes)


def changes(before: Mapping[str, _Plan], after: Mapping[str, _Plan]) -> Iterator[str]:
    """Yield what changed in Markdown, a section a platform."""
    for platform in dict.fromkeys([*before, *after]):
        if platform not in before or platform not in after:
            yield f"### {platform}\n\n{'New' if platform in after else 'No longer built'}.\n"
            continue
        old, new = before[platform], after[platform]
        rows = list(_rows(old.packages, new.packages))
        yield f"### {platform}\n"
        if not rows:
            yield "Nothing changed.\n"
            continue
        pulled = sum(size for digests, size in new.layers.items() if digests not in old.layers)
        kept = sum(digests in old.layers for digests in new.layers)
        total = sum(one.size for one in new.packages.values()) - sum(one.size for one in old.packages.values())
        what = "package changes" if len(rows) == 1 else "packages change"
        yield (
            f"{len(rows)} {what}; the image's packages grow by {_signed(total)}. An update pulls "
            f"{decimal(pulled)}, and {kept} of {len(new.layers)} layers stay.\n"
        )
        yield "| package | before | after | size | sha256 |\n| --- | --- | --- | --- | --- |"
        yield from rows
        yield ""


def _rows(old: Mapping[_Name, _Package], new: Mapping[_Name, _Package]) -> Iterator[str]:
    known = sorted(old.keys() | new.keys())
    counts = Counter(one.name for one in known)
    for one in known:
        was, now = old.get(one), new.get(one)
        if was == now:
            continue
        name = one.name if counts[one.name] == 1 else f"{one.name} ({one.kind})"
        grown = (now.size if now else 0) - (was.size if was else 0)
        size = f"{decimal(now.size)} ({_signed(grown)})" if now else _signed(grown)
        yield (
            f"| {name} | {was.version if was else ''} | {now.version if now else ''} | {size} "
            f"| {now.sha256[:_DIGITS] if now else ''} |"
        )


def _signed(size: int) -> str:
    return f"{'-' if size < 0 else '+'}{decimal(abs(size))}"
