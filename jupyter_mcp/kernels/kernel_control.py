"""Kernels as such: which there are, and to interrupt, restart, shut down or exchange that of a notebook."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from jupyter_server.utils import ensure_async

from jupyter_mcp.advice import either
from jupyter_mcp.errors import KernelUnavailableError

from .execution import Execution
from .fate import Fate
from .kernel import process_of
from .runs import Run, State, Step, fault_of
from .sessions import preferred

MOST_KERNELS = 100  # in a list
_LOOK_EVERY = 0.1  # seconds between looks at what an interrupt does
_LOOK = 2.0  # seconds beyond the grace in which it is known of a run

Session = dict[str, Any]


class KernelControl:
    """Works on the kernels of notebooks through Jupyter's session manager; a notebook keeps one."""

    def __init__(self, settings: dict[str, Any], execution: Execution, *, within: float | None) -> None:
        self._sessions = settings["session_manager"]
        self._managers = settings["kernel_manager"]
        self._specs = settings["kernel_spec_manager"]
        self._root: str | None = getattr(settings.get("contents_manager"), "root_dir", None)
        self._execution = execution
        self._within = within  # seconds after which a call answers while what it began goes on
        self._tasks: set[asyncio.Task[Any]] = set()

    async def specs(self) -> dict[str, dict[str, Any]]:
        """Return the kernels that can be chosen, by name: what Jupyter knows of each."""
        found = await ensure_async(self._specs.get_all_specs())
        return {name: one.get("spec", {}) for name, one in sorted(found.items())}

    async def listed(self) -> dict[str, Any]:
        """Return the kernels that can be chosen, and those that run."""
        specs = [
            {"name": name, **{key: spec[key] for key in ("display_name", "language") if key in spec}}
            for name, spec in (await self.specs()).items()
        ]
        sessions = await self._all()
        ids = list(dict.fromkeys([*(one["kernel"]["id"] for one in sessions), *self._managers.list_kernel_ids()]))
        kernels = [self._told(kernel_id, sessions) for kernel_id in ids[:MOST_KERNELS] if kernel_id in self._managers]
        told: dict[str, Any] = {"specs": specs, "default": self._managers.default_kernel_name, "kernels": kernels}
        return {**told, "not_shown": len(ids) - MOST_KERNELS} if len(ids) > MOST_KERNELS else told

    def _told(self, kernel_id: str, sessions: list[Session]) -> dict[str, Any]:
        manager = self._managers.get_kernel(kernel_id)
        ours = [one for one in sessions if one["kernel"]["id"] == kernel_id]
        notebooks = list(dict.fromkeys(one["path"] for one in ours if one["type"] == "notebook"))
        told: dict[str, Any] = {
            "notebook": notebooks[0] if notebooks else None,
            "name": manager.kernel_name,
            "state": self._execution.kernels.state_of(kernel_id) or "unknown",
            "pages": max([one["kernel"].get("connections") or 0 for one in ours], default=0),
        }
        if len(notebooks) > 1:
            told["also"] = notebooks[1:]
        if (cwd := self.cwd_of(manager)) is not None:
            told["cwd"] = cwd
        runs = [self._run(run) for run in self._execution.runs.on_kernel(kernel_id)]
        return {**told, "runs": runs} if runs else told

    def _run(self, run: Run) -> dict[str, Any]:
        return {"run": run.id, "by": run.by, "state": str(run.state), "seconds": round(run.seconds, 1)}

    def cwd_of(self, manager: Any) -> str | None:
        """Return the folder that a local kernel works in, as clients know folders; None if it can't be known."""
        pid = getattr(getattr(manager, "provisioner", None), "pid", None)
        try:
            folder = str(Path(f"/proc/{int(pid)}/cwd").readlink()) if pid else None
        except (OSError, ValueError):
            return None
        return None if folder is None else self._known_as(folder)

    def _known_as(self, folder: str) -> str:
        """Return a folder below the server's root by its path from there ("." for the root), another as it is."""
        root = os.path.realpath(self._root) if self._root else None
        if root is not None and (folder == root or folder.startswith(f"{root.rstrip('/')}/")):
            return os.path.relpath(folder, root)
        return folder

    async def _all(self) -> list[Session]:
        return [one for one in await ensure_async(self._sessions.list_sessions()) if one["kernel"]]

    async def _session(self, path: str) -> Session:
        """Return the session of a notebook whose kernel runs. Raises KernelUnavailableError."""
        found = preferred(await self._all(), path, set())
        if found is None or found["kernel"]["id"] not in self._managers:
            raise KernelUnavailableError(f"No kernel runs for {path!r}; the next run of a cell starts one.")
        return found

    async def language_of(self, path: str) -> str:
        """Return the language of the notebook's running kernel, empty if unknown. Raises KernelUnavailableError."""
        manager = self._managers.get_kernel((await self._session(path))["kernel"]["id"])
        spec = getattr(manager, "kernel_spec", None) or (await self.specs()).get(manager.kernel_name)
        found = spec.get("language") if isinstance(spec, dict) else getattr(spec, "language", None)
        return str(found or "")

    async def interrupt(self, path: str, by: str) -> str:
        """Interrupt what the notebook's kernel runs, anybody's; return whether it obeyed."""
        kernel_id = (await self._session(path))["kernel"]["id"]
        run = next((one for one in self._execution.runs.on_kernel(kernel_id) if one.current is not None), None)
        if run is not None and run.waits_for is None:
            step = run.current
            run.stop(f"was interrupted by {by}")
            await _first([run.over, run.ignored], self._execution.grace + _LOOK)
            return f"{run.id}: {how_it_stopped(run, step)}" if run.over.is_set() else self._ignored()
        manager = self._managers.get_kernel(kernel_id)
        state_of = self._execution.kernels.state_of
        if state_of(kernel_id) != "busy":
            return "The kernel ran nothing; there was nothing to interrupt."
        process = process_of(manager)
        gone: Fate | None = None
        try:
            await asyncio.wait_for(ensure_async(manager.interrupt_kernel()), self._execution.grace)
            async with asyncio.timeout(self._execution.grace):
                while state_of(kernel_id) == "busy" and gone is None:
                    await asyncio.sleep(_LOOK_EVERY)  # Jupyter notes its state, and tells nobody
                    gone = await self._gone(kernel_id, manager, process)
        except TimeoutError:
            gone = await self._gone(kernel_id, manager, process)
            if gone is None:
                return self._ignored()
        except Exception as error:  # boundary: any kernel provisioner may raise anything
            raise KernelUnavailableError(
                f"The kernel can't be interrupted ({type(error).__name__}). "
                + either("restart_kernel ends what it runs.", "Ask a person to restart it.")
            ) from error
        gone = gone or await self._gone(kernel_id, manager, process)
        if gone is not None:
            return f"The kernel {gone.value} meanwhile, and what it ran has ended; its variables are gone."
        return "The kernel obeyed: what it ran, which was somebody else's, has ended."

    async def _gone(self, kernel_id: str, manager: Any, process: Any) -> Fate | None:
        """Return what became of a kernel's process, None while it runs."""
        if kernel_id not in self._managers:
            return Fate.SHUT_DOWN
        if process_of(manager) != process:
            return Fate.RESTARTED
        return None if await ensure_async(manager.is_alive()) else Fate.DIED

    def _ignored(self) -> str:
        return (
            f"The kernel was interrupted, but has not obeyed within {self._execution.grace:g} s: what it runs goes on. "
            + either("restart_kernel ends it", "A restart of the kernel, for which a person can be asked, ends it")
            + ", with all variables."
        )

    async def restart(self, path: str, by: str) -> str:
        """Restart the notebook's kernel: what it runs ends, what waits for it is not run, variables go."""
        session = await self._session(path)
        kernel_id = session["kernel"]["id"]

        async def work() -> None:
            async with self._execution.changing(kernel_id):
                self._require(kernel_id)
                self._stop_waiting(kernel_id, f"was waiting when {by} restarted the kernel")
                await ensure_async(self._managers.restart_kernel(kernel_id))
                await self._execution.kernels.connect(kernel_id)

        if not await self._bounded(work(), "did not start again"):
            return f"The restart goes on{either('; list_kernels shows when the kernel is there', '')}."
        self._require(kernel_id)
        manager = self._managers.get_kernel(kernel_id)
        return f"The notebook has a new kernel, {_named(manager, self.cwd_of(manager))}. Earlier variables are gone."

    async def restart_if_there(self, path: str, by: str) -> None:
        """Restart the notebook's kernel if it has one. Raises KernelUnavailableError if it does not start again."""
        found = preferred(await self._all(), path, set())
        if found is not None and found["kernel"]["id"] in self._managers:
            await self.restart(path, by)

    def _require(self, kernel_id: str) -> None:
        if kernel_id not in self._managers:
            raise KernelUnavailableError("The kernel was shut down meanwhile; the next run of a cell starts another.")

    async def shut_down(self, path: str, by: str) -> str:
        """Shut down the notebook's kernel, and end its sessions."""
        session = await self._session(path)
        kernel_id = session["kernel"]["id"]

        async def work() -> None:
            async with self._execution.changing(kernel_id):
                self._stop_waiting(kernel_id, f"was waiting when {by} shut down the kernel")
                for one in [one for one in await self._all() if one["kernel"]["id"] == kernel_id]:
                    if kernel_id in self._managers:
                        await ensure_async(self._sessions.delete_session(one["id"]))
                if kernel_id in self._managers:
                    await ensure_async(self._managers.shutdown_kernel(kernel_id))

        if not await self._bounded(work(), "did not shut down"):
            return f"The kernel is being shut down{either('; list_kernels shows when it is gone', '')}."
        return "The kernel is shut down, and its variables are gone. The next run of a cell starts another."

    async def exchange(self, path: str, name: str, by: str) -> str:
        """Replace the kernel that runs by one of that name, if it is another; return what became of it."""
        session = preferred(await self._all(), path, set())
        if session is None:
            return f"The next run of a cell starts it: {name}."
        old = session["kernel"]["id"]
        if session["kernel"].get("name", name) == name:
            return f"The notebook's kernel is {name} already; it and its variables stay."

        async def work() -> None:
            async with self._execution.changing(old):
                about = {key: session[key] for key in ("path", "name", "type")}
                new = await self._sessions.start_kernel_for_session(session["id"], kernel_name=name, **about)
                try:
                    await ensure_async(self._sessions.update_session(session["id"], kernel_id=new))
                except Exception:  # the session ended meanwhile
                    await ensure_async(self._managers.shutdown_kernel(new))
                    raise
                self._stop_waiting(old, f"was waiting when {by} chose another kernel")
                self._execution.kernels.replaced(old, new)
                if old in self._managers and all(one["kernel"]["id"] != old for one in await self._all()):
                    await ensure_async(self._managers.shutdown_kernel(old))

        failed = f"{name!r}, which the notebook's metadata names now, did not start, and the one that ran stays"
        if not await self._bounded(work(), failed):
            return f"{name} is starting{either('; list_kernels shows when it is there', '')}."
        return f"The notebook has a new kernel, {name}. Earlier variables are gone."

    def _stop_waiting(self, kernel_id: str, why: str) -> None:
        """Stop the runs that have not begun: their cells build on variables that go."""
        for run in self._execution.runs.on_kernel(kernel_id):
            if run.current is None:
                run.stop(why)

    async def _bounded(self, work: Coroutine[Any, Any, None], failed: str) -> bool:
        """Return whether the work is done within the bound of a call; it goes on in any case.

        Raises KernelUnavailableError.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        done, _ = await asyncio.wait([task], timeout=self._within)
        if not done:
            return False
        error = task.exception()
        if error is None or isinstance(error, KernelUnavailableError):
            return _result(error)
        raise KernelUnavailableError(
            f"The kernel {failed} ({type(error).__name__}){either('; list_kernels shows what runs', '')}. Try again, "
            "or ask the server's owner."
        ) from error

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to the caller, unless that has its answer already


def _result(error: KernelUnavailableError | None) -> bool:
    if error is not None:
        raise error
    return True


def how_it_stopped(run: Run, step: Step | None) -> str:
    """Return how a run ended that was asked to stop, and whose step `step` ran then (None: none did)."""
    if step is None:
        began = any(one.began is not None for one in run.steps)
        return "It was between two cells; the rest is not run." if began else "It had not begun; nothing was run."
    if step.state is State.INTERRUPTED:
        return "The kernel obeyed: the cell was interrupted."
    if step.fault is not None:
        return f"The cell ended otherwise: {fault_of(step.fault)}"
    return f"The cell came to its end before it was interrupted: {step.state}."


def _named(manager: Any, cwd: str | None) -> str:
    where = "" if cwd is None else f", in the folder {cwd!r}"
    return f"{manager.kernel_name}{where}"


async def _first(events: list[asyncio.Event], seconds: float) -> None:
    """Wait for the first of the events."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
