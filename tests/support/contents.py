"""A contents manager that fails or waits on demand; what it does otherwise is real."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager


class Faults:
    """What is wrong with some contents managers: saving fails with `save`, an errno; reading waits for `gate`."""

    def __init__(self) -> None:
        self.save: int | None = None
        self.before_save: Callable[[Path], object] | None = None  # another program that writes in that moment
        self.after_save: Callable[[Path], object] | None = None  # another program that waits for our saves
        self.tear = False  # saving empties the file and fails, as it does without atomic writes
        self.gate = threading.Event()
        self.gate.set()


class FaultyContents(AsyncLargeFileManager):
    """A real contents manager with faults."""

    def __init__(self, faults: Faults, **traits: Any) -> None:
        super().__init__(**traits)
        self.faults = faults

    async def _save_notebook(self, os_path: str, nb: Any, capture_validation_error: Any = None) -> None:
        if (code := self.faults.save) is not None:
            raise OSError(code, os.strerror(code), os_path)
        if self.faults.before_save is not None:
            self.faults.before_save(Path(os_path))
        if self.faults.tear:
            Path(os_path).write_text("")  # noqa: ASYNC240 - a test's
            raise OSError(errno.EIO, os.strerror(errno.EIO), os_path)
        await super()._save_notebook(os_path, nb, capture_validation_error)
        if self.faults.after_save is not None:
            self.faults.after_save(Path(os_path))

    async def get(self, path: str, *args: Any, **options: Any) -> dict[str, Any]:
        """Read, once the gate is open."""
        if not self.faults.gate.is_set():
            await asyncio.to_thread(self.faults.gate.wait)
        model: dict[str, Any] = await super().get(path, *args, **options)
        return model
