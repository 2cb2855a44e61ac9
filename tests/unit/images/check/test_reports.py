"""Verdicts are told in each form that other programs read."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

from images.check.reports import to_json, to_junit, to_tap
from images.check.run import Verdict

VERDICTS = [
    Verdict("linux/amd64", "holds", None, 0.5),
    Verdict("linux/amd64", "broken", 'found "<\x00>"\nnot it', 1.5),
    Verdict("linux/arm64", "hidden", None, 0.0, "it looks inside"),
]


def test_json_has_every_field() -> None:
    assert json.loads(to_json(VERDICTS))[1]["unmet"] == 'found "<\x00>"\nnot it'


def test_tap_tells_what_was_found_and_what_was_skipped() -> None:
    assert to_tap(VERDICTS).splitlines() == [
        "TAP version 14",
        "1..3",
        "ok 1 - linux/amd64 holds",
        "not ok 2 - linux/amd64 broken",
        "  ---",
        '  message: "found \\"<\\u0000>\\"\\nnot it"',
        "  ...",
        "ok 3 - linux/arm64 hidden # SKIP it looks inside",
    ]


def test_junit_is_xml_with_a_suite_a_platform() -> None:
    first, second = ET.fromstring(to_junit(VERDICTS))  # noqa: S314 - our own
    assert (first.get("name"), first.get("tests"), first.get("failures")) == ("linux/amd64", "2", "1")
    assert (second.get("name"), second.get("skipped")) == ("linux/arm64", "1")
