"""What people allow agents at the moment: to run, to read only, or nothing; all agents, some, or in some notebooks.

The strictest rule that fits a call counts. Rules of people are kept in a file, so that a restart of the server lets
nobody go; those of the configuration are above them, and no request changes them.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from .agents import NAMELESS, Agent
from .steering_file import SteeringFile

Mode = Literal["run", "ask", "propose", "read-only", "paused"]
Review = Literal["auto", "ask", "propose"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)  # from lax to strict
MOST_RULES = 500
ASKING: Final[tuple[Mode, ...]] = ("ask", "propose")  # a person decides about each call
REVIEWS: Final[tuple[Review, ...]] = get_args(Review)
CONFIGURATION = "This server's configuration"


@dataclass(frozen=True)
class Rule:
    """A mode for the agents and notebooks that it names; without them it is for all."""

    mode: Mode
    by: str
    since: str = ""  # ISO 8601, UTC
    agent: str | None = None  # a kind of agents (agents.kind_of)
    agent_name: str | None = None
    notebook: str | None = None
    file_id: str | None = None  # by which the notebook is known when it was renamed

    @property
    def about(self) -> tuple[str | None, str | None]:
        """Return what the rule is for: there is one rule for it."""
        return self.agent, self.file_id or self.notebook

    def words(self) -> str:
        """Say who holds what back, since when."""
        what = {"paused": "paused", "read-only": "set to read-only", "run": "resumed"}.get(self.mode, "set")
        who = f"agents called {self.agent_name!r}" if self.agent_name else "all agents"
        where = f" in {self.notebook!r}" if self.notebook else ""
        since = f" at {self.since[:16].replace('T', ' ')} UTC" if self.since else ""
        first = f" to {self.mode} first" if self.mode in ASKING else ""
        return f"{self.by} has {what} {who}{first}{where}{since}"


class Files:
    """How notebooks are found again: by the ids that Jupyter gives their files, and by the files themselves."""

    def __init__(self, ids: Any = None, root: str | None = None) -> None:
        self._ids = ids
        self._root = root

    def id_of(self, path: str) -> str | None:
        """Return the id of the file, made now if need be; None if there is no such file."""
        found: str | None = None if self._ids is None else self._ids.index(path)
        return found

    def path_of(self, file_id: str) -> str | None:
        """Return where the file is now."""
        found: str | None = None if self._ids is None else self._ids.get_path(file_id)
        return found

    def same(self, one: str, other: str) -> bool:
        """Return whether two paths are one notebook, also by a link, or one is a folder that has the other in it."""
        if one == other or other.startswith(f"{one}/"):
            return True
        if not self._root:
            return False
        try:
            return Path(self._root, one).samefile(Path(self._root, other))
        except (OSError, ValueError):
            return os.path.realpath(f"{self._root}/{one}") == os.path.realpath(f"{self._root}/{other}")


class Steering:
    """The rules that hold now."""

    def __init__(
        self,
        file: SteeringFile | None = None,
        files: Files | None = None,
        *,
        mode: Mode = "run",
        agents: dict[str, Mode] | None = None,
        notebooks: dict[str, Mode] | None = None,
        review: Review = "auto",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Begin with what the file has; `mode`, `agents` (by name) and `notebooks` (by pattern) are configuration.

        `review` is what holds where no person has decided.
        """
        self._file = file
        self._files = files or Files()
        self._clock = clock
        self._fixed = Rule(mode, CONFIGURATION)
        self._default = None if review == "auto" else Rule(review, CONFIGURATION)
        self._fixed_agents = {name: Rule(mode, CONFIGURATION, agent_name=name) for name, mode in (agents or {}).items()}
        self._fixed_notebooks = {
            pattern: Rule(mode, CONFIGURATION, notebook=pattern) for pattern, mode in (notebooks or {}).items()
        }
        self.fault: str | None = None  # why the last change may be forgotten by a restart
        self._rules: dict[tuple[str | None, str | None], Rule] = {}
        self._read()

    def _read(self) -> None:
        if self._file is None:
            return
        try:
            rules = [_checked(entry) for entry in self._file.read()]
        except (OSError, ValueError, TypeError) as error:
            # Who was held back must not be let go by a broken file.
            self.fault = f"{self._file.path} can't be read ({error})"
            rules = [Rule("paused", f"This server, which can't read {self._file.path.name},", self._now())]
        self._rules = {rule.about: rule for rule in rules}

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")

    def set(
        self,
        mode: Mode,
        by: str,
        *,
        agent: str | None = None,
        agent_name: str | None = None,
        notebook: str | None = None,
    ) -> Rule:
        """Let a rule hold from now on, also if it can't be stored: `fault` then says why. Raises ValueError."""
        file_id = None if notebook is None else self._files.id_of(notebook)
        rule = Rule(mode, by, self._now(), agent, agent_name, notebook, file_id)
        if mode == "run":
            self._rules.pop((agent, notebook), None)  # made before the file was there
            self._rules.pop(rule.about, None)
        if mode == "run" and self._default is None:
            pass  # what is not held back needs no rule
        elif len(self._rules) >= MOST_RULES and rule.about not in self._rules:
            raise ValueError(f"There are {MOST_RULES} rules already; resume some agents or notebooks first.")
        else:
            self._rules[rule.about] = rule
        self._store()
        return rule

    def _store(self) -> None:
        self.fault = None
        if self._file is None:
            return
        try:
            self._file.write([asdict(rule) for rule in self._rules.values()])
        except OSError as error:
            self.fault = f"{self._file.path} can't be written ({error.strerror or error})"

    def rules(self) -> list[Rule]:
        """Return all rules that hold something back, those of the configuration first."""
        default = () if self._default is None else (self._default,)
        fixed = (*default, self._fixed, *self._fixed_agents.values(), *self._fixed_notebooks.values())
        return [rule for rule in (*fixed, *map(self._placed, self._rules.values())) if rule.mode != "run"]

    def freed(self) -> list[Rule]:
        """Return the rules by which people let agents go that would have to ask."""
        return [rule for rule in map(self._placed, self._rules.values()) if rule.mode == "run"]

    def holding(self, agent: Agent, paths: Iterable[str]) -> Rule | None:
        """Return the strictest rule for what the agent does with these notebooks; None if it may do all."""
        fixed = self._fixed_notebooks or self._fixed_agents or self._fixed.mode != "run" or self._default
        if not self._rules and not fixed:
            return None
        paths = list(paths)
        fitting = [rule for rule in self.rules() if self.fits(rule, agent, paths)]
        if self._default in fitting and any(
            self._frees(rule, agent, paths) for rule in map(self._placed, self._rules.values())
        ):
            fitting.remove(self._default)
        return max(fitting, key=lambda rule: MODES.index(rule.mode), default=None)

    def _frees(self, rule: Rule, agent: Agent, paths: list[str]) -> bool:
        """Return whether a person has let the agent go in all these notebooks: nothing that may be another's counts."""
        if rule.mode != "run" or rule.agent not in (None, agent.kind):
            return False
        notebook = rule.notebook
        return notebook is None or (bool(paths) and all(self._files.same(notebook, path) for path in paths))

    def fits(self, rule: Rule, agent: Agent, paths: list[str]) -> bool:
        """Return whether the rule is about what the agent does with these notebooks."""
        if rule.by is CONFIGURATION:
            if rule.agent_name is not None and agent.client not in (rule.agent_name, NAMELESS):
                return False
            pattern = rule.notebook
            return pattern is None or any(fnmatch.fnmatchcase(path, pattern) for path in paths)
        # It may be one that is held back: after a restart, a client that goes on in its session has no name.
        if rule.agent is not None and rule.agent != agent.kind and agent.client != NAMELESS:
            return False
        # A folder that an agent names has the notebook in it; the other way round there is no folder.
        return rule.notebook is None or any(self._files.same(path, rule.notebook) for path in paths)

    def _placed(self, rule: Rule) -> Rule:
        """Return the rule with the place where its notebook is now."""
        if rule.file_id is None:
            return rule
        return replace(rule, notebook=self._files.path_of(rule.file_id) or rule.notebook)


def _checked(entry: Any) -> Rule:
    """Return a rule as it was stored. Raises ValueError or TypeError."""
    rule = Rule(**entry)
    needed: tuple[object, ...] = (rule.by, rule.since)
    others: tuple[object, ...] = (rule.agent, rule.agent_name, rule.notebook, rule.file_id)
    if rule.mode not in MODES:
        raise ValueError(f"no such mode: {rule.mode!r}")
    if not all(isinstance(text, str) for text in (*needed, *(other for other in others if other is not None))):
        raise ValueError("a rule names what is no text")
    return rule
