"""uv, the one program that resolves and locates Python packages here; it knows where the user's indexes are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from env.errors import NoNetworkError, ToolFailedError, ToolMissingError

_UNREACHABLE = re.compile(r"dns error|failed to lookup|connection refused|error sending request|timed out|unreachable")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class Preferences:
    """What a new resolution may change."""

    upgrade: tuple[str, ...] | None = None
    """None keeps every locked version, an empty tuple frees all, names free only these."""
    exclude_newer: str | None = None
    """RFC 3339 date or time: packages published later don't exist."""

    @property
    def options(self) -> list[str]:
        """The same in uv's options."""
        options = ["--exclude-newer", self.exclude_newer] if self.exclude_newer else []
        if self.upgrade is None:
            return options
        if not self.upgrade:
            return [*options, "--upgrade"]
        return options + [word for name in self.upgrade for word in ("--upgrade-package", name)]

    def frees(self, name: str) -> bool:
        """Say whether that package may change its version."""
        return self.upgrade is not None and (not self.upgrade or name in self.upgrade)


def executable() -> str:
    """Find uv: beside this interpreter, else on PATH.

    Raises:
        ToolMissingError: it is in neither place.

    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if found is None:
        raise ToolMissingError("uv", "run this through ./noxw, or `pip install uv`")
    return found


def compile_requirements(requirements: Sequence[str], output: Path, options: Sequence[str]) -> None:
    """Run ``uv pip compile`` on the requirement lines; an `output` that exists holds the preferred versions.

    Raises:
        NoNetworkError: no index answers.
        ToolFailedError: there is no solution, or another error of uv.

    """
    if (explanation := try_compile(requirements, output, options)) is not None:
        raise ToolFailedError("uv", explanation[:600])


def try_compile(requirements: Sequence[str], output: Path, options: Sequence[str]) -> str | None:
    """Do as `compile_requirements`, but give uv's whole explanation where there is no solution, and None otherwise.

    Raises:
        NoNetworkError: no index answers.

    """
    source = output.with_name(f"{output.name}.in")
    source.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    command = [executable(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:"]
    # Nothing is built, so whichever Python is here will do: uv would try for seconds to download the target's.
    command.append("--no-python-downloads")
    run = subprocess.run(
        [*command, *options, "--output-file", str(output), str(source)],
        capture_output=True,
        text=True,
        check=False,
        cwd=output.parent,
    )
    if run.returncode == 0:
        return None
    text = " ".join(_CREDENTIALS.sub("", run.stderr).split())
    if _UNREACHABLE.search(text.lower()):
        raise NoNetworkError("the Python package index")
    return text
