"""The conda solution: pixi.toml to pixi.lock with py-rattler, pixi's own engine."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from env.errors import ChannelUnreachableError, NoSolutionError, SpecError, ToolFailedError
from env.formats.manifest import Manifest, virtual_packages
from env.index.records import unpack_records
from env.index.uv import Preferences
from env.names import RECORDS_VARIABLE
from env.spec import ROOT

WAYS_OUT = (
    "set a mirror in pixi's config.toml ([mirrors]), or solve against a folder of records "
    f"(--records DIR or {RECORDS_VARIABLE})"
)


@dataclass(frozen=True)
class Request:
    """What is to be solved, from what."""

    manifest: Manifest
    old: Path | None
    """The pixi.lock whose versions are kept; None for a solution from nothing."""
    preferences: Preferences
    records: Path | None
    """A folder of records to solve against; None asks the channel itself."""


def solve(request: Request, work: Path) -> Path:
    """Solve for every environment and platform; give the new pixi.lock, a file below the empty folder `work`.

    Raises:
        NoSolutionError: the specs contradict each other or the channel lacks a package.
        ChannelUnreachableError: the channel did not answer.
        RecordsError: the folder of records is not one.
        SpecError: the date to exclude newer packages is none.
        ToolFailedError: the solver failed in another way.

    """
    manifest = request.manifest
    unpacked: Path | None = None
    if request.records is not None:
        unpacked = work / "records"
        unpack_records(request.records, [*(one.conda for one in manifest.platforms), "noarch"], unpacked)
    output = work / "pixi.lock"
    upgrade = request.preferences.upgrade
    question = {
        "channels": manifest.channels,
        "platforms": {platform.conda: virtual_packages(platform) for platform in manifest.platforms},
        "environments": [
            {"name": one.name, "group": one.solve_group, "specs": one.specs} for one in manifest.environments
        ],
        "old": None if request.old is None or not request.old.is_file() else str(request.old),
        "freed": upgrade,
        "exclude_newer": _end_of(request.preferences.exclude_newer),
        "records": None if unpacked is None else str(unpacked),
        "output": str(output),
    }
    run = subprocess.run(
        [sys.executable, "-m", "env.resolve._solve"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    _judge(run, manifest)
    return output


def _judge(run: subprocess.CompletedProcess[str], manifest: Manifest) -> None:
    try:
        answer = json.loads(run.stdout)
    except ValueError:
        last = run.stderr.strip().rpartition("\n")[2] or f"exit code {run.returncode}"
        raise ToolFailedError("py-rattler", last) from None
    if not answer:
        return
    reason = " ".join(answer["reason"].split())
    if answer["kind"] == "unreachable":
        raise ChannelUnreachableError(", ".join(manifest.channels), WAYS_OUT)
    raise NoSolutionError(reason)


def _end_of(date: str | None) -> str | None:
    """Return the instant, in UTC, that a date or time means as a limit: a date includes its whole day, as in uv."""
    if date is None:
        return None
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise SpecError("--exclude-newer", f"{date!r} is no date: write e.g. 2026-08-01") from None
    if len(date) == len("2026-08-01"):
        moment = datetime.combine(moment.date(), time.max)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
