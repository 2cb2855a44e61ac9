"""Use one server hard for half an hour: ``python -m tests.soak``; the report goes to artifacts/soak."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
from pathlib import Path

from .telling import write
from .world import DISK_FULL_EVERY, Settings, soak

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./noxw -s soak --",
        description="Let agents and browsers work on one server while kernels die, disks fill and empty, and the "
        "server is killed and started again. Exit 1 if an acknowledged edit is lost, a call has no answer, or memory, "
        "descriptors, tasks or threads grow.",
    )
    parser.add_argument("--minutes", type=float, default=30, help="(default: %(default)s)")
    parser.add_argument("--agents", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("--browsers", type=int, default=5, help="pages in Chromium (default: %(default)s)")
    parser.add_argument(
        "--life", type=float, default=120, help="seconds until the server is killed, 0: never (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="repeats the same choices (default: another each time)")
    parser.add_argument("--output", type=Path, default=ROOT / "artifacts" / "soak", help="folder of the report")
    parser.add_argument(
        "--full-every", type=float, default=DISK_FULL_EVERY, help="seconds between full disks (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="copy what is on the disks at each kill into the output")
    given = parser.parse_args()
    seed, keep = given.seed or secrets.randbits(32), given.output if given.keep else None
    settings = Settings(given.minutes, given.agents, given.browsers, given.life, seed, keep, given.full_every)
    logging.getLogger().addHandler(logging.NullHandler())  # clients tell of each server that is killed under them
    report = asyncio.run(soak(settings))
    sys.stdout.write(f"{write(report, given.output)}\n{given.output / 'report.json'}\n")
    return 1 if report.faults() else 0


sys.exit(main())
