"""Spans of our own: opening a room, changing a document, running code. Without an SDK they cost nothing.

No attribute ever holds source code, output or a credential.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib import import_module

from opentelemetry import trace

_tracer = trace.get_tracer("jupyter_mcp")
_NAME = "jupyter-mcp"  # of the service, where OTEL_SERVICE_NAME gives no other


def export(environment: Mapping[str, str] = os.environ) -> str | None:
    """Send spans to a collector if OpenTelemetry's own variables ask for it; return what stands in the way, if so.

    `OTEL_TRACES_EXPORTER=otlp` does; the SDK reads the other `OTEL_…` variables itself. Where somebody has set a
    provider already (opentelemetry-instrument, a configuration file), that one has the spans.
    """
    if environment.get("OTEL_TRACES_EXPORTER") != "otlp" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    try:
        exporter = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        resources, sdk = import_module("opentelemetry.sdk.resources"), import_module("opentelemetry.sdk.trace")
        processors = import_module("opentelemetry.sdk.trace.export")
    except ImportError as error:
        return f"OTEL_TRACES_EXPORTER=otlp needs opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http: {error}"
    name = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": _NAME}
    provider = sdk.TracerProvider(resource=resources.Resource.create(name))
    provider.add_span_processor(processors.BatchSpanProcessor(exporter.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return None


def span(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[trace.Span]:  # noqa: PYI041 - OpenTelemetry's own type
    """Start a span as the current one; an exception that leaves it is recorded by its type."""
    return _tracer.start_as_current_span(
        name,
        attributes={f"jupyter_mcp.{key}": value for key, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=True,
    )
