"""When spans are sent: if OpenTelemetry's variables ask for it, and nobody else has them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jupyter_mcp import telemetry

ASKED = {"OTEL_TRACES_EXPORTER": "otlp"}


def provider_after(environment: dict[str, str], before: str = "") -> str:
    """Return the provider that a process has then: it is set once for good."""
    program = f"""
from opentelemetry import trace
{before}
from jupyter_mcp import telemetry
assert telemetry.export({environment!r}) is None
print(type(trace.get_tracer_provider()).__name__)
"""
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    "environment",
    [{}, {"OTEL_TRACES_EXPORTER": "none"}, {**ASKED, "OTEL_SDK_DISABLED": "true"}],
    ids=["not asked", "none", "disabled"],
)
def test_nothing_is_sent_that_nobody_asked_for(environment: dict[str, str]) -> None:
    assert provider_after(environment) == "ProxyTracerProvider"


def test_spans_are_sent_when_asked_for() -> None:
    assert provider_after(ASKED) == "TracerProvider"


def test_who_has_set_a_provider_keeps_it() -> None:
    before = "trace.set_tracer_provider(trace.NoOpTracerProvider())"
    assert provider_after(ASKED, before) == "NoOpTracerProvider"


def test_what_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    told = telemetry.export(ASKED)
    assert told is not None
    assert "opentelemetry-exporter-otlp-proto-http" in told
