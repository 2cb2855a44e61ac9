"""The output of code that is in no cell: it goes into the reply only."""

from __future__ import annotations

from jupyter_mcp.rooms.live import Live

from .output_limit import Allowance
from .outputs import OutputSink


class CodeSink(OutputSink):
    """Collects one run's outputs; the document has no part in it."""

    def __init__(self, live: Live, allowance: Allowance) -> None:
        super().__init__(live, "", allowance)

    async def settled(self) -> None:
        """Wait for nothing: the document is not written to."""

    def begin(self) -> None:
        """Begin."""

    def end(self, count: int | None) -> None:  # noqa: ARG002 - as the others
        """Put together what is left, and take no more updates of displays."""
        self.so_far()
        self.displays.forget(self.cell_id)

    def _flush_soon(self) -> None:
        """Write nothing."""
