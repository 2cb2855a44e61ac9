"""Which files a command of ours opens, and how often."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from env.spec import ROOT

# Audit events tell of every file that Python opens, whoever opens it; py-rattler opens its own below Python.
_PROGRAM = """
import json, os, runpy, sys
from rattler.lock import LockFile
opened = []
parse = LockFile.from_path
def counted(path):
    opened.append(["parse", os.path.realpath(path)])
    return parse(path)
LockFile.from_path = counted
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.append(["open", os.path.realpath(arguments[0])])
sys.addaudithook(hook)
del sys.argv[0]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as end:
    code = end.code
with open(os.environ["READS"], "w") as file:
    json.dump(opened, file)
sys.exit(code)
"""


def reads(folder: Path, *command: str | Path) -> Counter[tuple[str, str]]:
    """Run ``python -m COMMAND``, and count how often it opens, or has py-rattler parse, each file of the checkout.

    Python's own sources are left out. `folder` is an empty one.
    """
    told = folder / "reads.json"
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, command)],
        cwd=ROOT,
        env=os.environ | {"READS": str(told)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = [(kind, Path(path)) for kind, path in json.loads(told.read_text())]
    return Counter(
        (kind, path.relative_to(ROOT).as_posix())
        for kind, path in found
        if path.is_relative_to(ROOT) and path.suffix in (".toml", ".lock", ".yml", ".txt") and ".venv" not in str(path)
    )
