"""The joint solve: whether a solver that is given conda's packages and then sees PyPI's, as pixi's, succeeds today.

Nothing here depends on it: the overlay is installed over the solved environment. The answer says whether that is still
needed, and what clashes. From March to May 2026 it was: conda-forge had importlib-metadata 8.8.0, and opentelemetry-api
before 1.42 required `importlib-metadata<8.8.0`, on both platforms alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from env.errors import NoNetworkError
from env.index.uv import try_compile
from env.platforms import PYTHON, Platform
from env.resolve.requirements import pins

_NAMED = ("fastmcp", "opentelemetry-api")
_DEPENDS = re.compile(r"(\S+) depends on (\S+?)(?=[,.]?(?:\s|$))")
_REQUIRED = re.compile(r"you require (\S+?)(?=[,.]?(?:\s|$))")


@dataclass(frozen=True)
class Clash:
    """Two requirements that can't both hold."""

    wanted: str
    """Who wants what, e.g. ``opentelemetry-api<=1.41.1 requires importlib-metadata<8.8.0``."""
    given: str
    """What the environment has, e.g. ``importlib-metadata 8.8.0``."""

    def __str__(self) -> str:
        return f"{self.wanted}, and conda has {self.given}"


@dataclass(frozen=True)
class Joint:
    """The answer for one platform."""

    platform: Platform
    solution: Mapping[str, str] | None
    """Version by name where there is one."""
    clashes: tuple[Clash, ...] = ()
    reason: str = ""
    """Why there is no answer, or uv's own explanation of a clash that was not recognised."""

    def __str__(self) -> str:
        if self.solution is not None:
            chosen = [
                f"{name} {self.solution[name]}" for name in ("fastmcp", "opentelemetry-api") if name in self.solution
            ]
            return f"joint solve on {self.platform}: would succeed today ({', '.join(chosen)})"
        if self.clashes:
            return f"joint solve on {self.platform}: would fail today: {'; '.join(map(str, self.clashes))}"
        return f"joint solve on {self.platform}: {self.reason}"


def joint_solve(platform: Platform, requirements: Sequence[str], given: Mapping[str, str], work: Path) -> Joint:
    """Resolve requirement lines with the `given` versions as constraints; `work` is an empty folder."""
    constraints = work / "given.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in given.items()), encoding="utf-8")
    output = work / "joint.txt"
    options = ["--python-version", PYTHON, "--python-platform", platform.uv, "--constraints", str(constraints)]
    try:
        explanation = try_compile(requirements, output, [*options, "--no-emit-index-url"])
    except NoNetworkError:
        return Joint(platform, None, reason="not asked, the Python package index can't be reached")
    if explanation is None:
        return Joint(platform, pins(output.read_text(encoding="utf-8")))
    clashes = tuple(dict.fromkeys(clashes_in(explanation, given)))
    return Joint(platform, None, clashes, f"would fail today: {explanation}")


def clashes_in(explanation: str, given: Mapping[str, str]) -> Iterator[Clash]:
    """Find in uv's explanation the requirements that the given versions do not meet."""
    pairs = [(f"{who} requires {what}", what) for who, what in _DEPENDS.findall(explanation)]
    pairs += [(f"the spec requires {what}", what) for what in _REQUIRED.findall(explanation)]
    for text, what in pairs:
        try:
            requirement = Requirement(what)
        except InvalidRequirement:
            continue
        name = canonicalize_name(requirement.name)
        if name in given and not requirement.specifier.contains(Version(given[name]), prereleases=True):
            yield Clash(text, f"{name} {given[name]}")
