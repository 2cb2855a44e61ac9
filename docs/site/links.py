"""The links of a built site: each leads to a place that is there, and nothing is loaded from another host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""Elements whose address a browser loads by itself."""
_NAMES_ONLY = {"canonical", "license", "prev", "next", "author", "search", "index", "genindex", "top"}
"""Relations of `link` that a browser does not load."""


@dataclass
class _Page(HTMLParser):
    ids: set[str] = field(default_factory=set)
    links: list[tuple[str, bool]] = field(default_factory=list)
    """Addresses, and whether a browser loads them by itself."""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append((given["href"], False))
        elif tag in LOADED and LOADED[tag] in given:
            loaded = tag != "link" or given.get("rel", "") not in _NAMES_ONLY
            self.links.append((given[LOADED[tag]], loaded))


def faults(site: Path) -> list[str]:
    """Return what is wrong with the links of a site's pages, a line each."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    return [fault for path in pages for fault in _faults(site, path, pages)]


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _faults(site: Path, path: Path, pages: dict[Path, _Page]) -> Iterator[str]:
    name = path.relative_to(site)
    for address, loaded in pages[path].links:
        parts = urlsplit(address)
        if parts.scheme == "data":
            continue
        if parts.scheme or parts.netloc:
            if loaded:
                yield f"{name}: loads {address} from another host"
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if not target.is_relative_to(site.resolve()) or not target.is_file():
            yield f"{name}: {address} leads to no file"
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
            yield f"{name}: {address} leads to no place in that page"
