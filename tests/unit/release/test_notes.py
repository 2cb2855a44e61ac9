"""The notes of a release are the changelog's words about that version, and no others'."""

from __future__ import annotations

import pytest

from env.spec import ROOT
from release.errors import NoNotesError
from release.notes import notes_of

CHANGELOG = """# Changelog

The format.

## Unreleased

### Added
- Not out yet.

## [1.2.0] - 2026-12-01

### Added
- A thing ([how](docs/how-to/thing.md#here), [site](https://example.org/x), [above](#added), [old]).

```text
## 1.1.0 is no heading in a block
```

### Fixed
- A fault
  in two lines.

## 1.1.0 - 2026-11-01

- Older.

## 1.0.0

[1.2.0]: https://example.org/compare
[old]: https://example.org/old
"""


def test_a_section_ends_where_the_next_begins() -> None:
    notes = notes_of(CHANGELOG, "1.2.0")
    assert notes.heading == "1.2.0"
    assert notes.text.startswith("### Added\n- A thing")
    assert "in two lines.\n" in notes.text
    assert "## 1.1.0 is no heading in a block" in notes.text
    assert "Older" not in notes.text
    assert "Not out yet" not in notes.text
    assert notes_of(CHANGELOG, "1.1.0").text == "- Older.\n"


def test_links_that_lead_into_the_repository_become_the_files_name() -> None:
    text = notes_of(CHANGELOG, "1.2.0").text
    assert "how (`docs/how-to/thing.md`)" in text
    assert "[site](https://example.org/x)" in text
    assert ", above," in text
    assert text.endswith("\n\n[old]: https://example.org/old\n")
    assert "compare" not in text


@pytest.mark.parametrize("version", ["1.2", "2.0.0", "1.2.00", ".*", "Unreleased.1"])
def test_a_version_without_a_section_is_refused(version: str) -> None:
    with pytest.raises(NoNotesError, match="has no section"):
        notes_of(CHANGELOG, version)


@pytest.mark.parametrize("text", ["", "\n\n", "### Added\n", "### Added\n\n### Fixed\n\n"])
def test_a_section_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(NoNotesError, match=r"says nothing below its heading 3\.0\.0"):
        notes_of(f"# Changelog\n\n## 3.0.0 - 2026-12-01\n{text}## 2.0.0\n- Older.\n", "3.0.0")


def test_a_draft_takes_what_is_unreleased_only_where_the_version_has_no_section() -> None:
    assert notes_of(CHANGELOG, "2.0.0", draft=True).heading == "Unreleased"
    assert notes_of(CHANGELOG, "1.1.0", draft=True).heading == "1.1.0"
    with pytest.raises(NoNotesError):
        notes_of("# Changelog\n", "2.0.0", draft=True)


def test_windows_line_ends_and_a_missing_last_one_do_no_harm() -> None:
    assert "Older." in notes_of(CHANGELOG.replace("\n", "\r\n"), "1.1.0").text
    assert notes_of("## 1.0.0\n- Only.", "1.0.0").text == "- Only.\n"


def test_this_changelog_can_be_cut() -> None:
    text = notes_of((ROOT / "CHANGELOG.md").read_text(), "999.0.0", draft=True).text
    assert "\n## " not in text
    assert "](docs/" not in text
