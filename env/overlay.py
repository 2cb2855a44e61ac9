"""``python -m env.overlay``: add the overlay and this project to the conda environment that runs this, as pip does.

Only the standard library and pip are used: this runs in an environment that has not got its overlay yet. pip checks
each file against the lock's sha256, resolves nothing, and builds the project with the locked build tools.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from env.errors import EnvError, LockMissingError, ToolFailedError, ToolMissingError
from env.platforms import Platform, host_platform
from env.spec import LOCKS, ROOT

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps")


def requirements(lock: Path) -> str:
    """Return a lock of wheels as pip's hash-checked requirements.

    Raises:
        LockMissingError: there is no such lock.

    """
    try:
        data = tomllib.loads(lock.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LockMissingError(lock) from None
    return "".join(f"{one['name']}=={one['version']} --hash=sha256:{one['sha256']}\n" for one in data["package"])


def install(prefix: Path, platform: Platform | None) -> None:
    """Install the overlay and the project into the environment at `prefix`, which is this interpreter's.

    Raises:
        ToolMissingError: it is not a conda environment, or not of a platform there are locks for.
        ToolFailedError: pip failed, and has said why.

    """
    if platform is None or not (prefix / "conda-meta").is_dir():
        raise ToolMissingError("the conda environment", "run this as `pixi run overlay`, on Linux")
    with tempfile.TemporaryDirectory(prefix="overlay-") as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text(requirements(LOCKS / f"conda-overlay-{platform.slug}.lock"), encoding="utf-8")
        _pip("--require-hashes", "--only-binary", ":all:", "--requirement", str(listed))
    _pip("--build-constraint", str(LOCKS / "tools.txt"), str(ROOT))


def _pip(*arguments: str) -> None:
    if subprocess.run([*_PIP, *arguments], check=False).returncode:
        raise ToolFailedError("pip", "see above")


def main() -> int:
    """Run; give the exit code (errors.py lists them)."""
    try:
        install(Path(sys.prefix), host_platform())
    except EnvError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's message; rich is not here yet
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
