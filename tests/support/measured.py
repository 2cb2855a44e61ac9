"""What the metrics tell, as Prometheus would read them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from jupyter_mcp import metrics

NAMES = re.compile(r"jupyter_mcp_[a-z_]+")


def scrape() -> str:
    """Return all our metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    assert metrics.publish(registry)
    return generate_latest(registry).decode()


def samples(text: str | None = None) -> list[Sample]:
    """Return each value of a scrape."""
    return [one for family in text_string_to_metric_families(text or scrape()) for one in family.samples]


def told(name: str, labels: Mapping[str, str] | None = None, text: str | None = None) -> float:
    """Return what a metric tells of these labels, summed; 0 where nothing was counted."""
    wanted = (labels or {}).items()
    return sum(one.value for one in samples(text) if one.name == name and wanted <= one.labels.items())
