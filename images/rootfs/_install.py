"""Run as a process of its own, never imported: install conda packages with py-rattler for whichever platform.

Input on stdin: one JSON object, made in `images.rootfs.conda.install`. Output: one JSON object, ``{}`` or
``{"reason"}``.
Scripts of packages never run. A process of its own, because py-rattler's threads outlive an interrupt.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from rattler import RepoDataRecord, install
from rattler.exceptions import ExtractError, InstallerError, LinkError, TransactionError, ValidatePackageRecordsError
from rattler.platform import Subdir


async def run(order: dict[str, Any]) -> None:
    """Install the archives into the prefix, as if it were at its final place."""
    records = [await RepoDataRecord.from_package_archive(archive) for archive in order["archives"]]
    await install(
        records,
        order["prefix"],
        platform=Subdir(order["subdir"]),
        cache_dir=Path(order["cache"]),
        execute_link_scripts=False,
        show_progress=False,
        alternative_target_prefix=order["final"],
    )


def main() -> None:
    """Answer the order on stdin."""
    answer: dict[str, str] = {}
    try:
        asyncio.run(run(json.load(sys.stdin)))
    except (ExtractError, InstallerError, LinkError, TransactionError, ValidatePackageRecordsError, OSError) as error:
        answer = {"reason": str(error)}
    print(json.dumps(answer), flush=True)  # noqa: T201 - the answer, for the parent to read
    os._exit(0)


if __name__ == "__main__":
    main()
