"""What the workflow files say is true of this repository; lint checks their form and their rights."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from env.spec import ROOT
from images.names import recipe_names
from tests.support.command_lines import fault

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RELEASE = ROOT / ".github" / "workflows" / "release.yml"
CI = ROOT / ".github" / "workflows" / "ci.yml"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}|\./\.github/workflows/\w+\.yml")


def jobs(workflow: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(workflow.read_text())["jobs"])


def steps(workflow: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in jobs(workflow).items():
        yield from ((name, step) for step in (*job.get("steps", ()), {"uses": job.get("uses", "")}))


def commands(workflow: Path) -> Iterator[str]:
    """Yield each command of ours in a workflow's scripts, as one line, up to what a shell does with it."""
    for _, step in steps(workflow):
        script = str(step.get("run", "")).replace("\\\n", " ")
        for line in re.findall(r"\./noxw [^\n|>&;)]+", script):
            # Who writes a workflow quotes what the shell fills in; an array of options can be anything.
            if '"${' not in line:
                yield line.strip()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_its_commands_are_taken_by_their_programs(workflow: Path) -> None:
    values = {"$PLATFORM": "linux/amd64", "$ENVIRONMENT": "wheels", "$END": "lowest", "$RELEASE": "trixie", "$ID": "0"}
    filled = re.compile("|".join(map(re.escape, values)))
    for line in commands(workflow):
        words = shlex.split(filled.sub(lambda name: values[name[0]], line))
        assert fault(words, lambda _: "") == "", line


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_what_it_uses_is_pinned_to_one_commit_each(workflow: Path) -> None:
    used = [str(step["uses"]) for _, step in steps(workflow) if step.get("uses")]
    assert [one for one in used if not PINNED.fullmatch(one)] == []
    assert yaml.safe_load(workflow.read_text())["permissions"] == {}


def test_one_action_is_one_commit_in_all_of_them() -> None:
    text = "".join(workflow.read_text() for workflow in WORKFLOWS)
    pinned = set(re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", text))
    assert len({action for action, _ in pinned}) == len(pinned)


def test_every_python_that_is_promised_is_tested() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    promised = [one.rpartition(" ")[2] for one in classifiers if re.search(r":: Python :: 3\.\d+$", one)]
    assert jobs(CI)["tests"]["strategy"]["matrix"]["python"] == promised


def test_every_image_is_published() -> None:
    assert jobs(RELEASE)["registry"]["strategy"]["matrix"]["image"] == recipe_names()


def test_who_builds_may_sign_nothing_and_who_signs_builds_nothing() -> None:
    for name, job in jobs(RELEASE).items():
        rights = job.get("permissions", {})
        built = any(
            re.search(r"-s (release|build-image|tests|test-image)\b", str(step)) for step in job.get("steps", ())
        )
        assert not built or set(rights.items()) == {("contents", "read")}, name
        assert "write" not in rights.values() or job["if"].startswith("github.event_name == 'push'"), name


def test_nothing_is_published_before_the_tests_have_passed() -> None:
    found = jobs(RELEASE)
    for name in ("attest", "index", "registry"):
        assert {"tests", "build"} <= set(found[name]["needs"])
    assert set(found["page"]["needs"]) == {"attest", "index", "registry"}


def test_the_release_calls_what_may_be_called() -> None:
    called = [job["uses"] for job in jobs(RELEASE).values() if "uses" in job]
    for path in called:
        # YAML reads the key `on` as true.
        assert "workflow_call" in yaml.safe_load((ROOT / path).read_text())[True]
    groups = [yaml.safe_load(workflow.read_text()).get("concurrency", {}).get("group") for workflow in (RELEASE, CI)]
    assert "github.workflow" not in groups[0], "it would wait for itself: a called workflow has its caller's name"
