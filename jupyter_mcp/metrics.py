"""What Prometheus is told at Jupyter's own `/metrics`: counters that calls add to, and figures of the moment.

Counters belong to the process. A figure is asked of whoever watches over it when somebody asks for the metrics, so
calls pay nothing for it; two servers in one process are added up, and one that is gone is forgotten.

No label holds what a client, a notebook or a person chose: each has few values, known beforehand
(docs/reference/metrics.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from logging import getLogger
from typing import Final
from weakref import WeakMethod

from fastmcp.exceptions import DisabledError, NotFoundError, ToolError, ValidationError
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from . import errors

UNKNOWN: Final = "unknown"  # a tool that there is not: what a client calls it is no label
FAULT: Final = "fault"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_OURS: Final = frozenset(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ToolError)
) - {"ToolError", "ServerFaultError"}
_FASTMCPS: Final = (ToolError, ValidationError, NotFoundError, DisabledError)  # what it says to a wrong request

_log = getLogger(__name__)

Value = float | Mapping[str, float]  # of a figure with a label: by its values


class Figure:
    """A gauge whose value is asked for at each scrape: the sum of what its watchers tell."""

    def __init__(self, name: str, text: str, label: str = "", values: Sequence[str] = ()) -> None:
        self.name, self.text, self.label = name, text, label
        self._values = tuple(values)
        self._watchers: list[WeakMethod[Callable[[], Value]]] = []

    def watch(self, tell: Callable[[], Value]) -> None:
        """Ask this method at each scrape, as long as its object lives."""
        self._watchers.append(WeakMethod(tell))

    def collect(self) -> Iterator[Metric]:
        """Yield the metric; a watcher that fails is left out, so that the others are told."""
        sums = dict.fromkeys(self._values or ("",), 0.0)
        self._watchers = [one for one in self._watchers if one() is not None]
        for tell in [one() for one in self._watchers]:
            try:
                told = tell() if tell is not None else 0.0
                for value, number in (told if isinstance(told, Mapping) else {"": told}).items():
                    sums[value] += number
            except Exception:  # noqa: BLE001 - boundary: one figure must not hide all others
                _log.exception("%s can't be told", self.name)
        family = GaugeMetricFamily(self.name, self.text, labels=[self.label] if self.label else [])
        for value, number in sums.items():
            family.add_metric([value] if self.label else [], number)
        yield family


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=None)


OUTCOMES: Final = ("done", "refused", "failed", "stopped", "cancelled")
STATES: Final = ("queued", "running")
ENDS: Final = ("done", "error", "interrupted")
LIMITS: Final = ("calls", "runs", "rooms", "sessions")

CALLS = _counter(
    "jupyter_mcp_tool_calls_total", "Calls of tools that have been answered, by tool and outcome.", "tool", "outcome"
)
CALL_SECONDS = Histogram(
    "jupyter_mcp_tool_call_duration_seconds",
    "How long calls of tools took; a call that runs a cell waits for it, up to call_timeout.",
    ["tool"],
    buckets=_SECONDS,
    registry=None,
)
ERRORS = _counter(
    "jupyter_mcp_tool_errors_total", "Calls of tools that were answered with an error, by its class.", "error"
)
RESOURCE_READS = _counter("jupyter_mcp_resource_reads_total", "Resources that were read, by outcome.", "outcome")
RUNS_ENDED = _counter("jupyter_mcp_runs_ended_total", "Runs that have ended, by how.", "state")
DROPPED = _counter(
    "jupyter_mcp_output_dropped_bytes_total",
    "Output past the limit of its run, in bytes as it came; the end of it is shown all the same.",
)
JOURNAL_FAILURES = _counter(
    "jupyter_mcp_journal_write_failures_total", "Times that a journal could not be written; edits are refused then."
)
SAVE_FAILURES = _counter("jupyter_mcp_save_failures_total", "Times that a notebook could not be saved to its file.")
LIMITED = _counter(
    "jupyter_mcp_limit_refusals_total", "Requests that were refused for a limit of a user or an agent.", "limit"
)

SESSIONS = Figure("jupyter_mcp_sessions", "MCP sessions that are open, of clients up to the revision 2025-11-25.")
AGENTS = Figure("jupyter_mcp_agents", "Agents that called in the last five minutes, or whose runs go on.")
REQUESTS = Figure("jupyter_mcp_requests", "MCP requests that are being served.")
STREAMS = Figure("jupyter_mcp_event_streams", "Event streams of sessions that are open.")
ROOMS = Figure("jupyter_mcp_rooms", "Rooms that are open on this server, with or without agents.")
JOINED = Figure("jupyter_mcp_rooms_joined", "Rooms that agents have joined.")
RUNS = Figure("jupyter_mcp_runs", "Runs that wait or go on.", "state", STATES)
STEPS = Figure("jupyter_mcp_queued_cells", "Cells, and pieces of code, of all runs that wait for their turn.")
KERNELS = Figure("jupyter_mcp_agent_kernels", "Kernels that agents started and that still run.")
JOURNALS = Figure("jupyter_mcp_journals", "Journals of open rooms.")
JOURNAL_BYTES = Figure("jupyter_mcp_journal_bytes", "The size of the journals of open rooms.")
PENDING = Figure(
    "jupyter_mcp_journal_pending_edits", "Edits that are in a journal and not in their notebook's file yet."
)
BROKEN = Figure(
    "jupyter_mcp_journals_broken", "Journals that can't be written now: edits of their notebooks are refused."
)
RECOVERING = Figure("jupyter_mcp_journals_recovering", "Journals of a crash that are not in their notebook's file yet.")

METRICS: Final[tuple[Counter | Histogram | Figure, ...]] = (
    CALLS,
    CALL_SECONDS,
    ERRORS,
    RESOURCE_READS,
    RUNS_ENDED,
    DROPPED,
    JOURNAL_FAILURES,
    SAVE_FAILURES,
    LIMITED,
    SESSIONS,
    AGENTS,
    REQUESTS,
    STREAMS,
    ROOMS,
    JOINED,
    RUNS,
    STEPS,
    KERNELS,
    JOURNALS,
    JOURNAL_BYTES,
    PENDING,
    BROKEN,
    RECOVERING,
)

# From the start, so that a first one is an increase.
ERRORS.labels(FAULT)
for _outcome in ("done", "refused", "cancelled"):
    RESOURCE_READS.labels(_outcome)
for _state in ENDS:
    RUNS_ENDED.labels(_state)
for _limit in LIMITS:
    LIMITED.labels(_limit)


class Metrics:
    """All of them, as a collector of prometheus_client."""

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its value of now."""
        for one in METRICS:
            yield from one.collect()

    def describe(self) -> Iterator[Metric]:
        """Yield each metric without values, so that a registry knows the names."""
        for one in METRICS:
            yield from one.describe() if isinstance(one, Counter | Histogram) else ()
            if isinstance(one, Figure):
                yield GaugeMetricFamily(one.name, one.text)


def publish(registry: CollectorRegistry = REGISTRY) -> bool:
    """Put the metrics into a registry, Jupyter's own by default; false if their names are taken: they are there."""
    try:
        registry.register(Metrics())
    except ValueError as error:
        _log.debug("The metrics are published already: %s", error)
        return False
    return True


@contextmanager
def read() -> Iterator[None]:
    """Count the reading of a resource."""
    outcome = "refused"
    try:
        yield
        outcome = "done"
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        RESOURCE_READS.labels(outcome).inc()


def name_of(error: BaseException) -> tuple[str, str]:
    """Return the outcome of a call that ended with this error, and the error's name; both of few values."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled", ""
    name = type(error).__name__
    if isinstance(error, errors.StoppedError):
        return "stopped", name
    if name in _OURS:
        return "refused", name
    if type(error) in _FASTMCPS:
        return "refused", "ToolError"
    return "failed", FAULT


@contextmanager
def counted(tool: str) -> Iterator[None]:
    """Count a call of a tool, how it ended and how long it took."""
    began = time.perf_counter()
    outcome = "done"
    try:
        yield
    except BaseException as error:
        outcome, name = name_of(error)
        if name:
            ERRORS.labels(name).inc()
        raise
    finally:
        CALLS.labels(tool, outcome).inc()
        CALL_SECONDS.labels(tool).observe(time.perf_counter() - began)
