"""A folder is replaced in one step, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from images.oci import replace_folder as module
from images.oci.replace_folder import replacing

REPOSITORY = Path(__file__).parents[4]


def fill(folder: Path, text: str) -> None:
    with replacing(folder) as stage:
        for number in range(20):
            (stage / f"file-{number}").write_text(text)


def whole(folder: Path) -> str:
    texts = {path.read_text() for path in folder.iterdir()}
    assert len(texts) == 1
    assert len(list(folder.iterdir())) == 20
    return texts.pop()


def test_a_folder_takes_the_place_of_another_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for text in ("first", "second"):
        fill(tmp_path / "out", text)
        assert whole(tmp_path / "out") == text
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_filesystem_that_can_not_exchange_folders_gets_the_new_one_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_exchanged", lambda _one, _other: False)
    for text in ("first", "second"):
        fill(tmp_path / "out", text)
        assert whole(tmp_path / "out") == text
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_whoever_looks_finds_one_of_them_at_any_time(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    fill(folder, "0")
    ended = threading.Event()
    missing: list[OSError] = []

    def look() -> None:
        while not ended.is_set():
            try:
                os.close(os.open(folder, os.O_RDONLY))
            except OSError as error:
                missing.append(error)

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(100):
        fill(folder, str(number))
    ended.set()
    watcher.join()
    assert missing == []


def test_what_was_begun_and_killed_is_swept_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    fill(folder, "old")
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom images.oci.replace_folder import replacing\n"
        "with replacing(Path(sys.argv[1])) as stage:\n"
        "    (stage / 'half').write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, folder], cwd=REPOSITORY, check=False)
    assert run.returncode == -signal.SIGKILL
    assert whole(folder) == "old"
    assert len(list(tmp_path.iterdir())) == 2
    with replacing(folder) as stage:
        fill(folder, "new")
        assert stage.is_dir()
        (stage / "file").write_text("newest")
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    fill(folder, "old")
    with pytest.raises(IsADirectoryError), replacing(folder) as stage:
        stage.write_text("a folder is no file")
    assert whole(folder) == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
