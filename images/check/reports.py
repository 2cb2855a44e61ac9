"""Verdicts for other programs: JSON, TAP and JUnit's XML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree as ET

from images.check.run import Verdict


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Return a list of objects, one a check."""
    return json.dumps([{**vars(one), "platform": one.where} for one in verdicts], indent=2)


def to_tap(verdicts: Sequence[Verdict]) -> str:
    """Return the Test Anything Protocol, version 14."""
    lines = ["TAP version 14", f"1..{len(verdicts)}"]
    for number, one in enumerate(verdicts, 1):
        skip = f" # SKIP {_one_line(one.skipped)}" if one.skipped is not None else ""
        lines.append(f"{'ok' if one.unmet is None else 'not ok'} {number} - {one.where} {one.id}{skip}")
        if one.unmet is not None:
            # JSON is YAML, and a JSON string needs no thought about quoting.
            lines += ["  ---", f"  message: {json.dumps(one.unmet)}", "  ..."]
    return "\n".join(lines)


def to_junit(verdicts: Sequence[Verdict]) -> str:
    """Return the XML that CI systems read: one test suite a platform."""
    suites = ET.Element("testsuites")
    for where in dict.fromkeys(one.where for one in verdicts):
        own = [one for one in verdicts if one.where == where]
        suite = ET.SubElement(suites, "testsuite", name=where, tests=str(len(own)))
        suite.set("failures", str(sum(one.unmet is not None for one in own)))
        suite.set("skipped", str(sum(one.skipped is not None for one in own)))
        suite.set("time", f"{sum(one.seconds for one in own):.3f}")
        for one in own:
            case = ET.SubElement(suite, "testcase", classname=where, name=one.id, time=f"{one.seconds:.3f}")
            if one.unmet is not None:
                ET.SubElement(case, "failure", message=_printable(one.unmet))
            if one.skipped is not None:
                ET.SubElement(case, "skipped", message=_printable(one.skipped))
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode")


FORMATS: Mapping[str, Callable[[Sequence[Verdict]], str]] = {"json": to_json, "tap": to_tap, "junit": to_junit}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _printable(text: str) -> str:
    # XML 1.0 has no way to write most control characters.
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
