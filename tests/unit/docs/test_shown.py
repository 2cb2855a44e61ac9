"""The outputs on pages are compared as doctest does it, and a size that has changed is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.documents import blocks
from tests.support.shown import difference


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("done\n", "nox > Running session lock\n\x1b[32mdone\x1b[0m\n"),
        ("a ... c\n", "a b b c\n"),
        ("first\n...\nlast\n", "first\n1\n2\nlast\n"),
        ("first\n...\nlast\n", "first\nlast\n"),
        ("platform  size\namd64     346.4 MB\n", "platform size\namd64 351.0 MB\n"),
        ("index sha256:...  dist/images\n", "index sha256:0a1b  dist/images\n"),
        ("(1 file) [x]\n", "(1 file) [x]\n"),
    ],
)
def test_what_is_printed_is_what_a_page_shows(shown: str, told: str) -> None:
    assert difference(shown, told) == ""


@pytest.mark.parametrize(
    ("shown", "told", "what"),
    [
        ("done\n", "done\nand more\n", "and more"),
        ("done\n", "", "the page shows"),
        ("a ... c\n", "a b d\n", "a b d"),
        ("346.4 MB\n", "546.4 MB\n", "the page says 346.4 MB, and it is 546.4 MB now"),
        ("346.4 MB\n", "346.4 GB\n", "346.4 GB"),
    ],
)
def test_what_is_printed_otherwise_is_told(shown: str, told: str, what: str) -> None:
    assert what in difference(shown, told)


def test_an_output_belongs_to_the_commands_before_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nls\n```\n\nwhich prints\n\n<!-- output -->\n```text\na file\n```\n\n```text\nother\n```\n")
    assert [one.output for one in blocks(page)] == ["a file\n", None, None]
