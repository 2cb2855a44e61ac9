"""The outside suites, run by the Node that package-lock.json pins."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import SuiteError

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
RUN_WITHIN = 300.0  # seconds
_STAMP = re.compile(r"-\d{4}-\d{2}-\d{2}T[\d-]+Z$")
_NODE_NAMES = {"x86_64": "x64", "aarch64": "arm64"}

Check = tuple[str, str]
"""A scenario and a check in it; `#2` and so on follow where a scenario makes a check more than once."""


@dataclass(frozen=True)
class Suite:
    """A published set of scenarios: `package` is its name in package.json."""

    name: str
    package: str
    options: tuple[str, ...]


SUITES = (
    Suite("2026-07-28", "conformance-stateless", ("--requirements", "2026-07-28")),
    Suite("2025-11-25", "conformance-stateless", ("--requirements", "2025-11-25")),
    Suite("0.1.16", "conformance-stateful", ("--suite", "all")),
)


def node() -> Path:
    """Return the Node binary of node_modules. Raises SuiteError if it is not installed."""
    found = MODULES / f"node-linux-{_NODE_NAMES.get(platform.machine(), platform.machine())}" / "bin" / "node"
    if not found.is_file():
        raise SuiteError(f"No Node for {platform.machine()} in node_modules; run `npm ci` in {HERE.name}/ first.")
    return found


def run(suite: Suite, url: str, results: Path) -> dict[Check, str]:
    """Run a suite against a server; gives each check's status as the suite reports it. Raises SuiteError."""
    script = MODULES / suite.package / "dist" / "index.js"
    command = [str(node()), str(script), "server", "--url", url, *suite.options, "--output-dir", str(results)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_WITHIN)
    except subprocess.TimeoutExpired as error:
        raise SuiteError(f"{suite.name} did not end within {RUN_WITHIN:g} s.") from error
    found = _read(results)
    if not found or "=== SUMMARY ===" not in done.stdout:
        raise SuiteError(f"{suite.name} did not run to its end: {(done.stdout + done.stderr)[-1500:]}")
    return found


def _read(results: Path) -> dict[Check, str]:
    found: dict[Check, str] = {}
    for file in sorted(results.glob("*/checks.json")):
        scenario = _STAMP.sub("", file.parent.name).removeprefix("server-")
        times: dict[str, int] = {}
        for check in json.loads(file.read_text()):
            times[check["id"]] = number = times.get(check["id"], 0) + 1
            name = check["id"] if number == 1 else f"{check['id']}#{number}"
            found[scenario, name] = check["status"]
    return found
