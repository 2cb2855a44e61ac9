"""Tests press Ctrl+C in programs, also where the tests themselves are a shell's background job."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path


def test_a_program_that_is_started_hears_ctrl_c() -> None:
    asked = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    run = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"


def test_so_does_one_of_tests_in_the_background() -> None:
    name = f"{__file__}::{test_a_program_that_is_started_hears_ctrl_c.__name__}"
    run = subprocess.run(
        [
            "sh",
            "-c",
            'trap "" INT; exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            name,
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
