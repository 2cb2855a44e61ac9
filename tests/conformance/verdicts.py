"""What a run means: failures that nobody expected, expected ones that passed, differences between the mounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import ExpectationError
from .suites import Check

FAILED = "FAILURE"
Results = Mapping[str, Mapping[Check, str]]
"""Of one mount: suite name to the status of each check."""


@dataclass(frozen=True)
class Expected:
    """A check that may fail, and why."""

    suite: str
    check: Check
    reason: str


def read_expected(text: str) -> list[Expected]:
    """Read lines of `SUITE SCENARIO CHECK  # reason`. Raises ExpectationError for a line without its reason."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words, _, reason = line.partition("  # ")
        try:
            suite, scenario, check = words.split()
        except ValueError as error:
            raise ExpectationError(f"Line {number}: write SUITE SCENARIO CHECK  # reason.") from error
        if not reason.strip():
            raise ExpectationError(f"Line {number}: say after `  # ` why it is expected to fail.")
        found.append(Expected(suite, (scenario, check), reason.strip()))
    return found


def judge(bridge: Results, uvicorn: Results, expected: list[Expected]) -> list[str]:
    """Return the faults of a run, one line each; none means that it passed."""
    allowed = {(one.suite, one.check) for one in expected}
    faults = []
    failed = set()
    for suite, checks in bridge.items():
        other = uvicorn.get(suite, {})
        for check in sorted(set(checks) | set(other)):
            ours, theirs = checks.get(check, "not run"), other.get(check, "not run")
            where = f"{suite} {check[0]} {check[1]}"
            if ours != theirs:
                faults.append(f"different: {where}: {ours} through the bridge, {theirs} on uvicorn")
            if FAILED in (ours, theirs):
                failed.add((suite, check))
                if (suite, check) not in allowed:
                    faults.append(f"unexpected failure: {where}")
    passed = [one for one in expected if one.suite in bridge and (one.suite, one.check) not in failed]
    return faults + [f"unexpected pass: {one.suite} {' '.join(one.check)}; take its line out" for one in passed]
