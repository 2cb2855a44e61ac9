"""Run README's commands on a machine where nothing is installed: ``python -m tests.fresh [--uid 1000] [COMMAND]``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from env.store.store import default_root

from .machine import HOMES, debian, machine

SOURCE = Path(__file__).resolve().parents[2]
COMMANDS = ("./noxw -s build-image", "./noxw -s tests")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fresh", description=__doc__)
    parser.add_argument("--release", default="bookworm", help="of Debian (default: bookworm)")
    parser.add_argument("--uid", type=int, choices=HOMES, default=0, help="who runs them (default: 0, root)")
    parser.add_argument("--place", type=Path, default=default_root().parent / "fresh", help="the machines' folder")
    parser.add_argument("--keep", action="store_true", help="go on with what the last run made: it is new no more")
    parser.add_argument("command", nargs="*", default=COMMANDS, help="in the checkout (default: README's)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("only root can make a machine")
    options.place.mkdir(parents=True, exist_ok=True)
    made = machine(debian(options.release, options.place), options.uid, SOURCE, keep=options.keep)
    failed = 0
    for command in options.command:
        code, seconds = made.run(*shlex.split(command))
        told = f"fresh {options.release}, uid {options.uid}: {command}: exit {code} after {seconds:.0f} s"
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
        failed += code != 0
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
