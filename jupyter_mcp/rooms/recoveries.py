"""When journals are recovered: at start, beside the server; and again when their notebook is opened.

A notebook's rooms wait until its own journal is finished, and nothing else does. What stands in the way of one (a full
disk, a folder that is not there) is tried again; only what can't be read is set aside.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from logging import Logger
from pathlib import Path
from typing import Any

from jupyter_mcp import metrics
from jupyter_mcp.errors import FATAL, why

from .journal_frames import Header, replay
from .owner_only import NotOursError, open_private
from .recovery import SET_ASIDE, HeldError, StoreFactory, recover

HELD = ""  # what a recovery ends with whose journal a living room has
WAIT = 120.0  # seconds that an opening waits for its notebook's recovery
_HEAD = 64 << 10  # bytes of a journal in which its first header is


@dataclass
class _Pending:
    header: Header
    job: concurrent.futures.Future[str | None]


class Recoveries:
    """The journals that no living room holds.

    `present_path` gives the path that a file id has now, None if it has none; called on the loop's thread. `contents`
    and `store_of` are called on the thread that recovers: a contents manager's signature database stays with the
    thread that opened it.
    """

    def __init__(
        self,
        folder: Path,
        root: str | None,
        log: Logger,
        *,
        contents: Callable[[], Any],
        store_of: StoreFactory,
        present_path: Callable[[str], str | None],
    ) -> None:
        self._folder = folder
        self._root = os.path.realpath(root) if root else None
        # Until 2026-11 a folder for each root, by its spelling, and no paths of files.
        self._former = folder / hashlib.sha256((root or "").encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._log = log
        self._contents_of = contents
        self._contents: Any = None
        self._store_of = store_of
        self._present_path = present_path
        self._pending: dict[Path, _Pending] = {}
        self._worker = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="jupyter_mcp recovery")
        metrics.RECOVERING.watch(self._unfinished)

    def _unfinished(self) -> float:
        jobs = [each.job for each in self._pending.values()]
        return sum(not job.done() or job.cancelled() or bool(job.result()) for job in jobs)

    def begin(self, seconds: float) -> None:
        """Begin to recover every journal of this server's notebooks; wait for that many seconds at most."""
        for file in [*sorted(self._folder.glob("*.journal")), *sorted(self._former.glob("*.journal"))]:
            self.add(file)
        for file in self._folder.glob("*.new"):
            self._sweep(file)
        concurrent.futures.wait([each.job for each in self._pending.values()], seconds)

    def add(self, file: Path) -> None:
        """Recover one more journal, when it is its turn."""
        header = self._head(file)
        if header is not None:
            self._pending[file] = _Pending(header, self._submit(file, header))

    def _head(self, file: Path) -> Header | None:
        try:
            fd = open_private(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._log.error("The journal %s is not used: %s", file.name, why(error))
            return None
        try:
            found = replay(os.pread(fd, _HEAD, 0))
        except (ValueError, TypeError, AttributeError):
            found = None
        finally:
            os.close(fd)
        # Without one it will be set aside; its name has the file's id.
        return found.header if found is not None else Header(f"json:notebook:{file.name.split('.', 1)[0]}", "")

    def _sweep(self, file: Path) -> None:
        """Delete what a crash left of a journal that was being written."""
        from .journal import claim  # noqa: PLC0415 - only here

        try:
            held = claim(file)
            if held is not None:
                file.unlink(missing_ok=True)
                os.close(held)
        except OSError as error:
            self._log.debug("%s can't be deleted: %s", file.name, error)

    def _submit(self, file: Path, header: Header) -> concurrent.futures.Future[str | None]:
        known = self._present_path(header.file_id)
        legacy = file.parent == self._former

        def path_of(now: Header) -> str | None:
            return known or self._below_root(now, legacy=legacy)

        return self._worker.submit(self._recover, file, path_of)

    def _below_root(self, header: Header, *, legacy: bool) -> str | None:
        if not header.file:
            return header.path if legacy or header.root == self.root_key else None
        if self._root is None:
            return None
        # The folder may have been reached by a link then; what it leads to is one file.
        path = os.path.relpath(os.path.realpath(header.file), self._root)
        return None if path.startswith("..") else path.replace(os.sep, "/")

    @property
    def root_key(self) -> str:
        """What tells this server's notebooks from others' where they are no files of this machine."""
        return self._former.name

    def _recover(self, file: Path, path_of: Callable[[Header], str | None]) -> str | None:
        try:
            if self._contents is None:
                self._contents = self._contents_of()
            ours = asyncio.run(recover(file, self._contents, self._store_of, path_of, self._log))
        except NotOursError as error:
            self._log.error("The journal %s is not used: %s", file.name, why(error))
        except HeldError:
            self._log.info("The journal %s is left for now: its notebook is open in another server", file.name)
            return HELD
        except FATAL:
            raise
        except BaseException as error:  # noqa: BLE001 - boundary: one bad notebook must not keep the others from theirs
            self._log.exception("Could not recover %s; it will be tried again when its notebook is opened", file.name)
            return why(error)
        else:
            if not ours:
                self._log.info("The journal %s is left: its notebook is not below this root", file.name)
        return None

    def _of(self, file_id: str, path: str) -> list[Path]:
        where = os.path.realpath(f"{self._root}/{path}") if self._root else ""
        return [
            file
            for file, pending in self._pending.items()
            if pending.header.file_id == file_id or (where and pending.header.file == where)
        ]

    async def finished(self, file_id: str, path: str, *, room: bool = True) -> str | None:
        """Wait for the recovery of a notebook, tried once more if it failed; return what stands in its way.

        What another server's room held is tried again where no `room` of the notebook's is here: that server may
        have ended since, as one does that this one took the place of.
        """
        for file in self._of(file_id, path):
            pending = self._pending[file]
            if pending.job.done() and (pending.job.result() or (pending.job.result() == HELD and not room)):
                pending.job = self._submit(file, pending.header)
            try:
                reason = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(pending.job)), WAIT)
            except TimeoutError:
                return "it is still being recovered; try again later"
            if reason:
                return reason
            if reason != HELD:
                self._pending.pop(file, None)
        return None

    def set_aside(self, file_id: str) -> list[str]:
        """Return the names of the notebook's journals that could not be read."""
        return sorted(file.name for file in self._folder.glob(f"{file_id}.*{SET_ASIDE}"))

    def stop(self) -> None:
        """Begin no more; what is being recovered comes to its end."""
        self._worker.shutdown(wait=False, cancel_futures=True)
