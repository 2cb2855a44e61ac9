"""Lock what a recipe of one's own asks for: its requirements.txt into its pylock.toml."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from env.errors import EnvError
from env.files import write_atomically
from env.index.uv import Preferences, compile_requirements
from env.intake.pylock import PYLOCK, pylock_files
from env.intake.requirements_txt import REQUIREMENTS, requirements_of
from env.platforms import PYTHON, Platform
from env.resolve.locking import changes
from env.spec import Tree

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"]+@")


def lock_recipe(tree: Tree, platforms: Sequence[Platform], preferences: Preferences, console: Console) -> None:
    """Resolve a recipe's requirements for all platforms at once, print what changed, and write its pylock.toml.

    Versions that are locked already stay unless `preferences` frees them.

    Raises:
        SpecError: there is no requirements.txt, or a line of it is none.
        NoNetworkError: no index answers.
        ToolFailedError: no set of packages answers.
        NoWheelError: a package has none for one of the `platforms`.
        UnlistedHashError: the index offers another file than those whose hashes are listed.

    """
    asked = requirements_of(tree)
    lines = [str(one.requirement) for one in asked.asked]
    root = tree.root
    with tempfile.TemporaryDirectory(prefix="lock-") as folder:
        work = Path(folder)
        if (root / PYLOCK).is_file():
            (work / PYLOCK).write_bytes(tree.content(PYLOCK))
        options = ["--universal", "--python-version", PYTHON, "--format", PYLOCK, *preferences.options]
        if asked.constraints:
            constraints = work / "constraints.txt"
            constraints.write_text("".join(f"{line}\n" for line in asked.constraints), encoding="utf-8")
            options += ["--constraints", str(constraints)]
        console.print(f"resolving {root / REQUIREMENTS} for {' and '.join(map(str, platforms))}", markup=False)
        compile_requirements(lines, work / PYLOCK, options)
        # A password in an index's address is nothing for a file that is shared.
        made = _CREDENTIALS.sub("", (work / PYLOCK).read_text(encoding="utf-8"))
        for platform in platforms:
            now = {file.name: file.version for file in pylock_files(platform, tree, made).files}
            lines = changes(_locked(platform, tree), now)
            console.print(f"{PYLOCK} {platform}: {len(now)} packages, {len(lines)} changed", markup=False)
            for line in lines:
                console.print(f"  {line}", markup=False)
        write_atomically(root / PYLOCK, made.encode())


def _locked(platform: Platform, tree: Tree) -> dict[str, str]:
    try:
        return {file.name: file.version for file in pylock_files(platform, tree).files}
    except EnvError:
        # There is none yet, or one that does not fit: that is why it is made.
        return {}
