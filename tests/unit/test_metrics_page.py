"""docs/reference/metrics.md and deploy/prometheus name the metrics that there are, as they are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics_core import Metric

from jupyter_mcp.metrics import METRICS, Metrics
from tests.support.measured import NAMES, scrape
from tests.support.needs import find, needs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text()
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = (PROMETHEUS / "rules.yaml").read_text()
ROW = re.compile(r"^\| `(jupyter_mcp_\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", re.MULTILINE)
SUFFIXES = ("_bucket", "_count", "_sum")


def families() -> list[Metric]:
    return list(Metrics().describe())


def name_of(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_the_page_lists_each_metric_with_its_type_its_labels_and_what_it_is() -> None:
    labels = [getattr(one, "_labelnames", (one.label,) if getattr(one, "label", "") else ()) for one in METRICS]
    code = {
        (name_of(family), family.type, ", ".join(f"`{label}`" for label in names), family.documentation)
        for family, names in zip(families(), labels, strict=True)
    }
    page = ROW.findall(PAGE)
    assert {(name, kind, names.strip(), text) for name, kind, names, text in page} == code
    assert len(page) == len(code)


@pytest.mark.parametrize(
    "text", [PAGE, RULES, (PROMETHEUS / "rules-test.yaml").read_text()], ids=["page", "rules", "test"]
)
def test_what_is_asked_for_is_told(text: str) -> None:
    known = {name_of(family) for family in families()}
    histograms = {
        f"{family.name}{suffix}" for family in families() if family.type == "histogram" for suffix in SUFFIXES
    }
    assert {name.rstrip("_") for name in NAMES.findall(text)} <= known | histograms


def test_names_are_as_prometheus_has_them() -> None:
    for family in families():
        assert family.documentation.endswith("."), family.name
        assert family.name.startswith("jupyter_mcp_")
        assert not re.search(r"milli|_ms|kilo|mega|percent", family.name), family.name


def test_alerts_say_what_is_wrong_and_what_to_look_at() -> None:
    for group in yaml.safe_load(RULES)["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
            assert rule["labels"]["severity"] in ("critical", "warning")


@needs("promtool")
@pytest.mark.parametrize(
    "words", [("check", "rules", "rules.yaml"), ("test", "rules", "rules-test.yaml")], ids=" ".join
)
def test_promtool_takes_the_rules_and_fires_them(words: tuple[str, ...]) -> None:
    done = subprocess.run([find("promtool"), *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs("promtool")
def test_promtool_has_nothing_against_the_metrics() -> None:
    command = [find("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=scrape(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
