"""The links of a built site: what leads nowhere, and what a browser would load from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.site.links import faults


def site(folder: Path, body: str) -> list[str]:
    (folder / "a").mkdir()
    (folder / "index.html").write_text("<h1 id='top'>Top</h1><a href='a/'>a</a>")
    (folder / "a" / "index.html").write_text(body)
    (folder / "a" / "picture.png").write_bytes(b"")
    return faults(folder)


@pytest.mark.parametrize(
    "body",
    [
        "<a href='../index.html#top'>x</a>",
        "<a href='#here'>x</a><p id='here'>",
        "<img src='picture.png?v=1'>",
        "<a href='https://example.org/gone'>x</a>",
        "<a href='mailto:a@example.org'>x</a>",
        "<link rel='canonical' href='https://example.org/'>",
        "<img src='data:image/png;base64,'>",
    ],
)
def test_a_link_that_holds_is_no_fault(tmp_path: Path, body: str) -> None:
    assert site(tmp_path, body) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<a href='gone.html'>x</a>", "gone.html leads to no file"),
        ("<a href='../index.html#gone'>x</a>", "leads to no place in that page"),
        ("<a href='#gone'>x</a>", "leads to no place in that page"),
        ("<a href='../../outside.html'>x</a>", "leads to no file"),
        ("<img src='gone.png'>", "gone.png leads to no file"),
        ("<script src='https://example.org/x.js'></script>", "from another host"),
        ("<link rel='stylesheet' href='//example.org/x.css'>", "from another host"),
        ("<img src='https://example.org/badge.svg'>", "from another host"),
    ],
)
def test_a_link_that_does_not_hold_is_told_with_its_page(tmp_path: Path, body: str, fault: str) -> None:
    (found,) = site(tmp_path, body)
    assert found.startswith("a/index.html: ")
    assert fault in found
