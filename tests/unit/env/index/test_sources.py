"""Where locked files are looked for: an index is asked only about what is not here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from env.errors import NoNetworkError
from env.formats.lock import Lock, LockedFile
from env.index import sources
from env.index.sources import locate
from env.platforms import AMD64

LOCK = Lock("pylock", AMD64, "", (), "3.13.5", "uv lock")


def wheel(name: str, url: str) -> LockedFile:
    return LockedFile(name, "1.0", f"{name}-1.0-py3-none-any.whl", "a" * 64, 1, url=url)


def test_a_wheel_beside_the_lock_is_taken_without_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def compiled(lines: Sequence[str], _output: Path, _options: Sequence[str]) -> None:
        asked.extend(lines)
        raise NoNetworkError("the index")

    monkeypatch.setattr(sources, "compile_requirements", compiled)
    place = tmp_path / "with space" / "here-1.0-py3-none-any.whl"
    place.parent.mkdir()
    place.write_bytes(b"x")
    (found,) = locate(LOCK, [wheel("here", place.as_uri())])
    assert (found.url, asked) == (place.as_uri(), [])
    with pytest.raises(NoNetworkError):
        locate(LOCK, [wheel("here", place.as_uri()), wheel("gone", (tmp_path / "gone.whl").as_uri())])
    assert asked == ["gone==1.0"]
