"""Run as a process of its own, never imported: solve conda specs with py-rattler and write pixi.lock.

Input on stdin: one JSON object, made in `env.resolve.conda.solve`. Output: one JSON object, ``{}`` or
``{"kind", "reason"}``.
py-rattler 0.28 sometimes crashes while the interpreter that has solved shuts down; so this one leaves at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rattler import Channel, Gateway, PackageName, RepoDataRecord, SparseRepoData, Version, solve
from rattler.exceptions import FetchRepoDataError, GatewayError, SolverError
from rattler.lock import LockChannel, LockFile, LockPlatform
from rattler.match_spec import MatchSpec
from rattler.package import BuildString
from rattler.platform import Subdir
from rattler.solver import solve_with_sparse_repodata
from rattler.virtual_package import GenericVirtualPackage

from env.index.mirrors import configuration

Environment = dict[str, Any]


def virtual(text: str) -> GenericVirtualPackage:
    """Parse ``__name=version[=build]`` as lock files write virtual packages."""
    name, version, build = [*text.split("="), "0"][:3]
    return GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))


def locked(request: dict[str, Any], subdir: str) -> list[RepoDataRecord]:
    """Return the records that the lock before this one has for a subdir, without those that may change."""
    if request["old"] is None:
        return []
    found: dict[str, RepoDataRecord] = {}
    old = LockFile.from_path(Path(request["old"]))
    for _, environment in old.environments():
        records = environment.conda_repodata_records().get(subdir) or []
        found |= {record.name.normalized: record for record in records}
    freed = request["freed"]
    return [record for name, record in found.items() if freed is None or (freed and name not in freed)]


async def solved(
    request: dict[str, Any], subdir: str, specs: Sequence[str], pinned: Sequence[RepoDataRecord]
) -> list[RepoDataRecord]:
    """Solve specs for a subdir, against the records in a folder or against the channels themselves."""
    newest = request["exclude_newer"]
    settings: dict[str, Any] = {
        "locked_packages": locked(request, subdir),
        "pinned_packages": pinned,
        "virtual_packages": [virtual(text) for text in request["platforms"][subdir]],
        "exclude_newer": datetime.fromisoformat(newest) if newest else None,
    }
    wanted = [MatchSpec(spec) for spec in specs]
    if request["records"] is None:
        gateway = Gateway.from_config(configuration())
        return await solve(request["channels"], wanted, gateway, [Subdir(subdir), Subdir("noarch")], **settings)
    index = [
        SparseRepoData(Channel(channel), one, Path(request["records"]) / one / "repodata.json")
        for channel in request["channels"]
        for one in (subdir, "noarch")
    ]
    return await solve_with_sparse_repodata(wanted, index, **settings)


async def write_lock(request: dict[str, Any]) -> None:
    """Solve every group for every platform, then each of its environments out of the group's solution."""
    platforms = {
        subdir: LockPlatform(subdir, virtual_packages=packages) for subdir, packages in request["platforms"].items()
    }
    lock = LockFile(list(platforms.values()))
    groups: dict[str, list[Environment]] = {}
    for environment in request["environments"]:
        lock.set_channels(environment["name"], [LockChannel(channel) for channel in request["channels"]])
        groups.setdefault(environment["group"], []).append(environment)
    for members in groups.values():
        for subdir, platform in platforms.items():
            union = sorted({spec for member in members for spec in member["specs"][subdir]})
            together = await solved(request, subdir, union, [])
            for member in members:
                for record in await solved(request, subdir, member["specs"][subdir], together):
                    lock.add_conda_package(member["name"], platform, record)
    lock.to_path(Path(request["output"]))


def main() -> None:
    """Answer the request on stdin."""
    answer: dict[str, str] = {}
    try:
        asyncio.run(write_lock(json.load(sys.stdin)))
    except SolverError as error:
        answer = {"kind": "no-solution", "reason": str(error)}
    except (GatewayError, FetchRepoDataError) as error:
        answer = {"kind": "unreachable", "reason": str(error)}
    print(json.dumps(answer), flush=True)  # noqa: T201 - the answer, for the parent to read
    os._exit(0)


if __name__ == "__main__":
    main()
