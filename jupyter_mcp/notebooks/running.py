"""Running a live notebook's cells: what is asked for is checked, then goes on by itself as a run of the notebook."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fastmcp.exceptions import ToolError
from pycrdt import Map

from jupyter_mcp.errors import BadCellError, KernelUnavailableError, NotDurableError, RunStoppedError
from jupyter_mcp.kernels.code_output import CodeSink
from jupyter_mcp.kernels.execution import START, Execution, MovedError
from jupyter_mcp.kernels.kernel import Kernel
from jupyter_mcp.kernels.messages import Output, clean
from jupyter_mcp.kernels.output_limit import Allowance
from jupyter_mcp.kernels.outputs import OutputSink
from jupyter_mcp.kernels.runs import OVER, Run, Runs, State, Step
from jupyter_mcp.rooms.actor import ACTOR
from jupyter_mcp.rooms.live import Live

from .cells import Cells, kernel_named_by, require_durable, require_room, require_writable, was_run

MOST_CELLS = 10_000  # of one run


class Running:
    """Starts runs. What starts one makes no await, so addresses hold; the run outlives whoever asked for it."""

    def __init__(
        self,
        cells: Cells,
        execution: Execution,
        *,
        max_output_bytes: int,
        max_output_messages: int,
        execution_timeout: float | None,
    ) -> None:
        self._cells = cells
        self._execution = execution
        self._max_output_bytes = max_output_bytes
        self._max_output_messages = max_output_messages
        self._execution_timeout = execution_timeout

    @property
    def runs(self) -> Runs:
        """The runs that wait, that go on and that ended lately."""
        return self._execution.runs

    @property
    def grace(self) -> float:
        """Seconds in which an interrupted cell ends, if it obeys."""
        return self._execution.grace

    def cell(self, live: Live, at: int, *, by: str, expected: str | None = None, seconds: float | None = None) -> Run:
        """Start a run of one code cell: of the source that it has when its turn comes.

        `seconds` is the most it waits for the kernel, and as many again for the run, which is then interrupted.
        """
        live.check(at, expected)
        require_writable(live)
        require_room(live)
        _may_start()
        step = Step(self._code_cell(live, at), expected=expected)
        return self._start(live, Run(live.room_id, live.path, by, [step]), seconds)

    def cells(
        self,
        live: Live,
        *,
        by: str,
        ids: Sequence[str] | None = None,
        start: int | None = None,
        stop: int | None = None,
        stop_on_error: bool = True,
    ) -> Run:
        """Return a run of these cells, in order, or of the code cells from index `start` up to before `stop`.

        It is checked, and begins with `begin`: what can't be run must not cost the kernel that is restarted before.
        """
        require_writable(live)
        require_room(live)
        _may_start()
        if ids is not None and (start is not None or stop is not None):
            raise BadCellError("Give `cells`, or `start` and `stop`, or none of them for all code cells.")
        if ids is not None:
            chosen = [live.locate(None, cell_id) for cell_id in ids]
            steps = [Step(self._code_cell(live, at)) for at in chosen]
        else:
            cells = live.document.ycells
            chosen = [at for at in range(*slice(start, stop).indices(len(cells))) if cells[at]["cell_type"] == "code"]
            steps = [Step(self._cells.id_of(live, at)) for at in chosen]
        if not steps:
            raise BadCellError("There is no code cell among those; nothing was run. get_notebook shows the cells.")
        if len(steps) > MOST_CELLS:
            raise BadCellError(f"A run has at most {MOST_CELLS} cells, not {len(steps)}; run them in parts.")
        return Run(live.room_id, live.path, by, steps, stop_on_error=stop_on_error)

    def begin(self, live: Live, run: Run) -> Run:
        """Start a run of cells."""
        return self._start(live, run, self._execution_timeout)

    def code(self, live: Live, source: str, *, by: str) -> Run:
        """Start a run of code that is in no cell; the kernel neither counts nor remembers it."""
        _may_start()
        return self._start(live, Run(live.room_id, live.path, by, [Step("", clean(source))]), None)

    def _code_cell(self, live: Live, at: int) -> str:
        """Return the id of a code cell. Raises BadCellError."""
        cell: Map[Any] = live.document.ycells[at]
        if cell["cell_type"] != "code":
            raise BadCellError(f"Cell {at} is {cell['cell_type']}; only code cells can be run.")
        return self._cells.id_of(live, at)

    def _start(self, live: Live, run: Run, seconds: float | None) -> Run:
        self.runs.start(run, self._go(live, run, self._execution_timeout if seconds is None else seconds))
        if (actor := ACTOR.get()) is not None:
            actor.starts(run)
        return run

    async def _go(self, live: Live, run: Run, seconds: float | None) -> None:
        with live.hold():
            try:
                while True:
                    run.wait_for(START)
                    named = kernel_named_by(live.document.ydoc.get("meta", type=Map).to_py())
                    kernel_id = await self._execution.kernels.id_of(live.path, live.room_id, named)
                    with suppress(MovedError):  # asked again
                        async with self._execution.turn(kernel_id, run, seconds) as kernel:
                            await self._steps(live, kernel, run, seconds)
                        return
            except ToolError as error:
                self.runs.end(next(step for step in run.steps if step.state not in OVER), State.ERROR, error)
            finally:
                if (actor := ACTOR.get()) is not None:
                    actor.run_ended(live, _outcome(run))

    async def _steps(self, live: Live, kernel: Kernel, run: Run, seconds: float | None) -> None:
        for step in run.steps:
            await self._execution.free(kernel, run)
            await self._step(live, kernel, run, step, seconds)
            run.path = live.path
            if _ends(run, step):
                return

    async def _step(self, live: Live, kernel: Kernel, run: Run, step: Step, seconds: float | None) -> None:
        allowance = Allowance(self._max_output_bytes, self._max_output_messages)
        sink: OutputSink = OutputSink(live, step.cell_id, allowance) if step.cell_id else CodeSink(live, allowance)
        await sink.settled()
        try:
            source = self._source(live, step)
        except ToolError as error:
            self.runs.end(step, State.ERROR, error)
            return
        self._execution.kernels.runs(live.room_id, kernel, lambda: was_run(live))
        if (notice := self._execution.kernels.notice(live.room_id)) is not None:
            run.notices.append(notice)
        await self._execution.run(kernel, source, run, step, sink, seconds)
        if step.cell_id and step.fault is None:
            try:
                require_durable(live)
            except NotDurableError as error:
                step.fault = error

    def _source(self, live: Live, step: Step) -> str:
        """Return what is run now that its turn has come; who runs it is told, and may be held back by now."""
        actor = ACTOR.get()
        if step.source is not None:
            if actor is not None:
                actor.runs_code(live, step.source)
            return step.source
        at = live.locate(None, step.cell_id)
        live.check(at, step.expected)
        self._code_cell(live, at)
        if actor is not None:
            actor.begins(live, step.cell_id)
        return str(live.document.ycells[at]["source"])


def _may_start() -> None:
    """Raise TooManyError if whoever asks has as many runs as may go on; before anything is done for one more."""
    if (actor := ACTOR.get()) is not None:
        actor.may_start()


def _ends(run: Run, step: Step) -> bool:
    """Return whether what is left of the run is not run."""
    if run.stops or step.state is State.INTERRUPTED or isinstance(step.fault, KernelUnavailableError):
        return True
    return step.state is State.ERROR and run.stop_on_error


def _outcome(run: Run) -> str:
    if run.stops or any(step.state is State.INTERRUPTED for step in run.steps):
        return "stopped"
    return "failed" if any(step.fault is not None for step in run.steps) else "done"


def outputs_of(run: Run) -> list[Output]:
    """Return the outputs of a run of one step that is over. Raises why it could not be run, or not to its end."""
    step = run.steps[0]
    if isinstance(step.fault, ToolError) and run.notices:
        raise type(step.fault)(" ".join([str(step.fault), *run.notices]))
    if step.fault is not None:
        raise step.fault
    if step.state is State.SKIPPED:
        raise RunStoppedError(f"The run was stopped before it began ({run.stopped_for}); nothing was run.")
    return step.outputs or []
