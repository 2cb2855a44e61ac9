"""What an update costs to pull: ``python -m benchmarks.updates`` locks this project's packages as of each week.

Compared are this project's layers (`images.build.buckets`), one layer a stack as docker-stacks has them, where a
changed layer takes those above it along, and one layer for all, as a Dockerfile's one COPY of an environment makes.
Bytes are those of the packages' files, which are compressed already. Needs PyPI.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

from packaging.requirements import Requirement

from env.formats.lock import Lock, LockedFile
from env.index.uv import compile_requirements
from env.intake.base import glibc_minor
from env.intake.pylock import parse_pylock
from env.platforms import AMD64, PYTHON
from env.spec import Tree
from images.build.buckets import grouped, size_to_be_alone

from .updateplot import save

ROOT = Path(__file__).parents[1]
ARTIFACTS = ROOT / "artifacts" / "benchmarks"
MEGABYTE = 1_000_000
STACK = ("ipykernel", "ipywidgets", "jupyter-collaboration", "jupyterhub", "jupyterlab", "jupyterlab-git")
"""What the lower stack is made of, with what it requires; what else there is makes the upper one."""
GROUPS = ("jupyter", "services", "overlay")
Files = Mapping[str, LockedFile]
Layers = Sequence[frozenset[str]]
"""The sha256 of the files of each layer, from the lowest."""


@dataclass(frozen=True)
class State:
    """The packages of one week."""

    files: Files
    base: frozenset[str]
    """The names of the lower stack's."""


@dataclass(frozen=True)
class Cost:
    """What an update costs."""

    changed: int
    """Bytes of the packages that are new or other ones."""
    pulled: int
    kept: int
    """How many layers stay."""
    layers: int


def ours(state: State) -> Layers:
    """Return the layers that this project makes."""
    files = tuple(state.files.values())
    size = size_to_be_alone([{"environment": Lock("wheels", AMD64, "", files)}])
    return [frozenset(file.sha256 for file in some) for _, some in grouped("environment", files, size)]


def stacks(state: State) -> Layers:
    """Return two layers: JupyterLab, and what is for data."""
    lower = frozenset(file.sha256 for name, file in state.files.items() if name in state.base)
    return [lower, frozenset(file.sha256 for file in state.files.values()) - lower]


def one(state: State) -> Layers:
    """Return one layer."""
    return [frozenset(file.sha256 for file in state.files.values())]


SUBJECTS: dict[str, tuple[Callable[[State], Layers], bool]] = {
    "buckets": (ours, False),
    "a layer a stack": (stacks, True),
    "one COPY": (one, False),
}
"""How layers are made, by subject, and whether a changed one takes those above it along."""


def cost(before: State, after: State, subject: str) -> Cost:
    """Return what somebody pulls who has the image of `before`."""
    make, carries = SUBJECTS[subject]
    sizes = {file.sha256: file.size for file in after.files.values()}
    had, pulled, kept, broken = set(make(before)), 0, 0, False
    layers = [layer for layer in make(after) if layer]
    for layer in layers:
        broken = carries and (broken or layer not in had)
        if layer in had and not broken:
            kept += 1
        else:
            pulled += sum(sizes[sha256] for sha256 in layer)
    known = {file.sha256 for file in before.files.values()}
    changed = sum(size for sha256, size in sizes.items() if sha256 not in known)
    return Cost(changed, pulled, kept, len(layers))


def bumped(state: State, names: Iterable[str]) -> State:
    """Return a state in which these packages have other files of the same size."""
    fresh = {name: _other(state.files[name]) for name in names}
    return State({**state.files, **fresh}, state.base)


def _other(file: LockedFile) -> LockedFile:
    return LockedFile(file.name, f"{file.version}.1", file.file, file.sha256[::-1], file.size)


def locked(requirements: Sequence[str], until: datetime) -> Files:
    """Return the wheels that answer, of what was there at that time."""
    with tempfile.TemporaryDirectory(prefix="updates-") as folder:
        output = Path(folder) / "pylock.toml"
        options = ["--universal", "--python-version", PYTHON, "--format", "pylock.toml"]
        compile_requirements(requirements, output, [*options, "--exclude-newer", until.isoformat()])
        lock = parse_pylock(output, output.read_text(encoding="utf-8"), "")
        chosen = lock.chosen(AMD64, f"{PYTHON}.5", glibc=glibc_minor(AMD64, Tree()))
    return {file.name: file for file in chosen.files}


def history(weeks: int, end: datetime) -> list[State]:
    """Return the states of these weeks, the earliest first."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    # Of any version: today's floors were not there yet.
    asked = [Requirement(line).name for group in GROUPS for line in groups[group]]
    states = []
    for week in range(weeks, -1, -1):
        until = end - timedelta(weeks=week)
        states.append(State(locked(asked, until), frozenset(locked(STACK, until))))
        print(f"{until:%Y-%m-%d}  {len(states[-1].files)} packages", flush=True)
    return states


def cases(states: Sequence[State], subject: str) -> dict[str, list[Cost]]:
    """Return what updates cost: of one package each, of ten, of all of the last state, and of each real week."""
    last = states[-1]
    names = sorted(last.files)
    tens = [random.Random(number).sample(names, 10) for number in range(50)]  # noqa: S311 - not a secret
    weeks = [cost(before, after, subject) for before, after in pairwise(states)]
    return {
        "one package": [cost(last, bumped(last, [name]), subject) for name in names],
        "ten packages": [cost(last, bumped(last, ten), subject) for ten in tens],
        "all packages": [cost(last, bumped(last, names), subject)],
        "a real week": [week for week in weeks if week.changed],
    }


def table(results: Mapping[str, Mapping[str, Sequence[Cost]]]) -> str:
    """Return the results as a table."""
    lines = [
        "| update | layers | changed, MB | pulled, MB | to what changed | layers kept |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for case in next(iter(results.values())):
        for subject, by_case in results.items():
            costs = by_case[case]
            changed, pulled = sum(one.changed for one in costs), sum(one.pulled for one in costs)
            count = len(costs) * MEGABYTE
            kept = f"{median(one.kept for one in costs):.0f} of {median(one.layers for one in costs):.0f}"
            shown = f"{changed / count:.2f} | {pulled / count:.2f} | {pulled / changed:.2f}x"
            lines.append(f"| {case} | {subject} | {shown} | {kept} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the table and the plot."""
    parse = argparse.ArgumentParser("benchmarks.updates", description=__doc__)
    parse.add_argument("--weeks", type=int, default=26)
    parse.add_argument("--end", type=datetime.fromisoformat, default=datetime.now(UTC), help="(default: now)")
    parse.add_argument("--output", type=Path, default=ARTIFACTS, help="folder of the results")
    options = parse.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    end = options.end if options.end.tzinfo else options.end.replace(tzinfo=UTC)
    states = history(options.weeks, end)
    results = {subject: cases(states, subject) for subject in SUBJECTS}
    text = table(results)
    ratios = sorted(one.pulled / one.changed for one in results["buckets"]["one package"])
    more = sorted(one.pulled - one.changed for one in results["buckets"]["one package"])
    text += (
        f"\n\nOne package: at most {ratios[-1]:.1f}x, median {median(ratios):.2f}x; "
        f"at most {more[-1] / 1000:.0f} kB besides the package, median {median(more) / 1000:.0f} kB."
    )
    (options.output / "updates.md").write_text(text + "\n", encoding="utf-8")
    save(
        {name: [week.pulled for week in by_case["a real week"]] for name, by_case in results.items()},
        [week.changed for week in results["buckets"]["a real week"]],
        options.output / "updates.png",
    )
    print(text)


if __name__ == "__main__":
    main()
