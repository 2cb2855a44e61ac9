"""Notebooks that can't be read, beside those that can: each way in which a file is poisoned, or no file at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

_CELL = {"cell_type": "code", "id": "a", "source": ["1"], "metadata": {}, "outputs": [], "execution_count": None}


def _notebook(**more: object) -> str:
    return json.dumps({"cells": [{**_CELL, **more}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def _unreadable(file: Path) -> None:
    file.write_text(_notebook())
    file.chmod(0)  # root reads it all the same


POISONED: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda file: file.write_text("{no json"),
    "empty": lambda file: file.write_bytes(b""),
    "zeros": lambda file: file.write_bytes(bytes(5000)),
    "nested deeply": lambda file: file.write_text('{"cells": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "NaN": lambda file: file.write_text(_notebook(metadata={"a": float("nan"), "b": 1 << 80})),
    "half a surrogate pair": lambda file: file.write_text(_notebook(source=["\ud800"])),
    "no UTF-8": lambda file: file.write_bytes(b'{"cells": ["\xff\xfe"]}'),
    "cells that are no list": lambda file: file.write_text('{"cells": 5, "metadata": 7, "nbformat": 4}'),
    "a future format": lambda file: file.write_text(
        '{"cells": [], "metadata": {}, "nbformat": 9, "nbformat_minor": 0}'
    ),
}
UNREADABLE: dict[str, Callable[[Path], object]] = {
    "a folder": lambda file: file.mkdir(),
    "a link to itself": lambda file: file.symlink_to(file.name),
    "a link to nothing": lambda file: file.symlink_to("nothing.ipynb"),
    "a pipe": os.mkfifo,
    "no permission": _unreadable,
    "gone": lambda _: None,
}


def replace(file: Path, how: Callable[[Path], object]) -> None:
    """Put such a neighbour where the file is, whatever it is now."""
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)
    else:
        file.unlink(missing_ok=True)
    how(file)


def spoil(journal: Path, at: float) -> None:
    """Overwrite a journal from a place in it, 0 for all of it and 1 for nothing, with bytes that mean nothing."""
    size = journal.stat().st_size
    with journal.open("r+b") as file:
        file.seek(int(size * at))
        file.write(os.urandom(max(0, size - int(size * at))))
