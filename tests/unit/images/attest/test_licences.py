"""The licences that Debian's copyright files name (DEP-5), however carelessly they are written."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.attest.licences import UNKNOWN, dep5

HEAD = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"


def files(licence: str, field: str = "License") -> str:
    return f"\nFiles: *\nCopyright: 2026 somebody\n{field}: {licence}\n"


@pytest.mark.parametrize(
    ("licence", "expression"),
    [
        ("Expat", "MIT"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("Expat and BSD-3-clause", "BSD-3-Clause AND MIT"),
        ("GPL-2+ or Artistic", "Artistic-1.0-Perl AND GPL-2.0-or-later"),
        ("public-domain", "LicenseRef-public-domain"),
        ("Expat\n The text.\n .\n License: as it says.", "MIT"),
    ],
)
def test_a_licence_is_given_its_spdx_name(licence: str, expression: str) -> None:
    assert dep5(HEAD + files(licence)) == expression


def test_every_paragraph_counts() -> None:
    text = HEAD + "License: Zlib\n" + files("Expat") + files("ISC") + "\nLicense: Apache-2.0\n The text.\n"
    assert dep5(text) == "Apache-2.0 AND ISC AND MIT AND Zlib"


def test_a_field_is_known_in_any_case() -> None:
    assert dep5(HEAD + files("Expat", field="license")) == "MIT"


@pytest.mark.parametrize(
    "text", ["", "\n", "This package was made by somebody.\n\nLicense: GPL\n", "License: GPL\n", "Format:\n\0"]
)
def test_a_text_without_the_form_says_nothing(text: str) -> None:
    assert dep5(text) == UNKNOWN


def test_faults_of_form_are_no_one_elses_business(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert dep5("Format: http://dep.debian.net/deps/dep5\n\nFiles: *\nLicense: Expat\n\nX: y\n") == "MIT"
    assert caplog.records == []


@given(st.text(alphabet=st.sampled_from("Format: License\n .#+-\tGPL2Xé\0")))
def test_no_text_is_too_strange(text: str) -> None:
    assert dep5(text)
    assert dep5(HEAD + text)
