"""A command of Jupyter's starts without the parsers that hardly anything needs, and has them when something does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import jupyter_mcp


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command, here = (
        [sys.executable, "-P", *arguments],
        os.environ | {"PYTHONPATH": str(Path(jupyter_mcp.__file__).parents[1])},
    )
    return subprocess.run(command, env=here, capture_output=True, text=True, timeout=60, check=False)


def test_formats_are_checked_as_before_and_their_parsers_built_at_the_first_check() -> None:
    done = python(
        "-c",
        """
import sys
from jupyter_mcp.quick_start import put_off
put_off()
import jsonschema
assert "lark" not in sys.modules
draft = jsonschema.Draft202012Validator.FORMAT_CHECKER
draft.check("https://example.org/ä", "iri")
assert "lark" in sys.modules
try:
    draft.check("no iri", "iri")
except jsonschema.exceptions.FormatError:
    print("refused")
""",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("refused\n", "", 0)


@pytest.mark.parametrize(
    "use",
    [
        "import rfc3987_syntax; rfc3987_syntax.make_syntax_validator",
        "from rfc3987_syntax import make_syntax_validator",
        "import rfc3987_syntax.syntax_helpers",
        "import importlib.util; assert importlib.util.find_spec('rfc3987_syntax').origin",
        "import jsonschema, copy, inspect, rfc3987_syntax; inspect.getmodule(rfc3987_syntax); rfc3987_syntax.__file__",
    ],
)
def test_whoever_uses_the_library_in_another_way_gets_it(use: str) -> None:
    done = python("-c", f"from jupyter_mcp.quick_start import put_off; put_off()\n{use}")
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_command_runs_as_its_script_does() -> None:
    assert python("-m", "jupyter_mcp.quick_start", "jupyter-lab", "--version").stdout.strip()


@pytest.mark.parametrize(("words", "said"), [((), "a command is missing"), (("jupyter-la",), "'jupyter-la' is no")])
def test_a_command_that_is_none_is_told(words: tuple[str, ...], said: str) -> None:
    done = python("-m", "jupyter_mcp.quick_start", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
