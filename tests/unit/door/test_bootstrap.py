"""The first start of ./noxw, which makes what nox runs in: whole, or not at all."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from door import bootstrap


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted: nothing was left half-made; run it again"),
        (OSError(errno.ENOSPC, "No space left on device"), 71, "No space left on device"),
        (subprocess.CalledProcessError(1, ["python", "-m", "ensurepip"]), 71, "ensurepip"),
    ],
    ids=["Ctrl+C", "full disk", "no pip"],
)
def test_what_goes_wrong_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    fault: BaseException, code: int, said: str,
) -> None:  # fmt: skip
    def create(folder: Path, **_: object) -> None:
        (folder / "half").touch()
        raise fault

    monkeypatch.setattr("door.bootstrap.venv.create", create)
    (tmp_path / "lock.txt").write_text("nox==1\n")
    assert bootstrap.main(tmp_path / "made" / "3.11", tmp_path / "lock.txt") == code
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("noxw: ")
    assert said in line
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["lock"]


def test_a_checkout_that_can_not_be_written_to_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert bootstrap.main(tmp_path / "file" / "3.11", tmp_path / "lock.txt") == 71
    assert capsys.readouterr().err.count("\n") == 1
    (tmp_path / "lock.txt").touch()
    ended = subprocess.run(
        [sys.executable, bootstrap.__file__, str(tmp_path / "file" / "3.11"), str(tmp_path / "lock.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 71
    assert "Traceback" not in ended.stderr
