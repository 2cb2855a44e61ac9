"""One class a cause, and about ten exit codes."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path

import env.errors
import images.errors
import release.errors
from door import bootstrap
from door.errors import DoorError, EnvironmentMakingError, NoPythonError
from env.errors import EnvError, Exit, UnknownPlatformError

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference" / "command-line.md"
CLASSES: set[type[EnvError | DoorError]] = {
    kind
    for module in (env.errors, images.errors, release.errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, EnvError) and kind not in (EnvError, images.errors.ImageError, release.errors.ReleaseError)
} | {EnvironmentMakingError, NoPythonError}


def test_every_exit_code_is_in_the_reference() -> None:
    rows = {int(code): row for code, row in re.findall(r"^\| (\d+) \|(.*)", REFERENCE.read_text(), re.MULTILINE)}
    for kind in CLASSES:
        cause = (inspect.getdoc(kind) or "").splitlines()[0].rstrip(".")
        assert cause in rows[kind.exit_code]


def test_there_are_about_ten_exit_codes_and_each_is_used() -> None:
    assert {kind.exit_code for kind in CLASSES} == set(Exit)
    assert len(Exit) == 10
    assert not {0, 130} & set(Exit)


def test_an_error_crosses_process_boundaries() -> None:
    error = UnknownPlatformError("vax", ["linux/amd64"])
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy)) == (type(error), str(error))


def test_the_codes_of_noxw_itself_are_no_programs() -> None:
    assert set(re.findall(r"^ *exit (\d+)", (ROOT / "noxw").read_text(), re.MULTILINE)) == {
        str(NoPythonError.exit_code)
    }
    assert EnvironmentMakingError.exit_code == bootstrap.NO_ENVIRONMENT


def test_the_reference_names_no_code_that_nothing_ends_with() -> None:
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", REFERENCE.read_text(), re.MULTILINE)]
    assert listed == sorted(Exit)
