"""Spans of our own: opening a room, changing a document, running code. Without an SDK they cost nothing.

No attribute ever holds source code, output or a credential.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry import trace

_tracer = trace.get_tracer("jupyter_mcp")


def span(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[trace.Span]:  # noqa: PYI041 - OpenTelemetry's own type
    """Start a span as the current one; an exception that leaves it is recorded by its type."""
    return _tracer.start_as_current_span(
        name,
        attributes={f"jupyter_mcp.{key}": value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=True,
    )
