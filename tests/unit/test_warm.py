"""A program that is forked behaves as one that was started."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.warm import Warm

PROGRAM = """
import json, os, sys, threading
print(json.dumps({"argv": sys.argv[1:], "name": __name__, "here": os.getcwd(), "own": dict(os.environ),
                  "mask": os.umask(0), "group": os.getpgid(0) == os.getpid(), "loaded": "fractions" in sys.modules}))
print("beside", file=sys.stderr)
if "wait" in sys.argv:
    sys.stdout.flush()
    threading.Event().wait()
sys.exit(7)
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    process = Warm("fractions")
    yield process
    process.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def test_it_has_its_arguments_variables_folder_mask_and_outputs(warm: Warm, folder: Path) -> None:
    done = warm.run("program", ["one", "two words"], env={"ONLY": "this"}, cwd=folder, umask=0o077)
    assert (done.returncode, done.stderr) == (7, "beside\n")
    assert json.loads(done.stdout) == {
        "argv": ["one", "two words"],
        "name": "__main__",
        "here": str(folder),
        "own": {"ONLY": "this"},
        "mask": 0o077,
        "group": True,
        "loaded": True,
    }
    assert set(os.environ) > {"PATH"}


def test_it_ends_by_a_signal_and_says_which(warm: Warm, folder: Path) -> None:
    with (folder / "out").open("wb") as out:
        program = warm.start("program", ["wait"], env={}, cwd=folder, stdout=out, stderr=out)
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0)
    assert program.poll() is None
    program.terminate()
    assert program.wait(30) == -signal.SIGTERM
    program.kill()
    assert program.poll() == -signal.SIGTERM


def test_it_does_not_outlive_who_asked_for_it(warm: Warm, folder: Path) -> None:
    with (folder / "out").open("wb") as out:
        program = warm.start("program", ["wait"], env={}, cwd=folder, stdout=out, stderr=out)
    ended = os.pidfd_open(program.pid)
    program._lines.close()
    program._connection.close()
    assert select.select([ended], [], [], 30)[0]
    os.close(ended)
