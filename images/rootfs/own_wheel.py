"""The wheel of somebody's own project, built from its folder: what its lock has as a folder, and no registry holds.

The build backend is taken as it was on the day that the image carries, so that the same sources make the same wheel on
any day. The folder itself is left alone: what is built is a copy of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from env.errors import NotTakenError
from env.formats.lock import LockedFile
from env.index.uv import executable
from env.intake.reading import toml_of
from env.store.store import Store

_LEFT_OUT = shutil.ignore_patterns(
    ".pixi", ".venv", "venv", "node_modules", "__pycache__", "build", "dist", "*.egg-info", ".nox", ".tox", ".*_cache"
)
"""What tools make in a project's folder; stale files of an earlier build would go into the wheel."""


def own_wheel(folder: Path, store: Store, epoch: int, created: str) -> LockedFile:
    """Build a project's wheel into the store.

    `epoch` is the time that its members carry, in seconds since 1970; `created` is the same in RFC 3339.

    Raises:
        NotTakenError: it can't be built, or holds compiled code.

    """
    path = folder / "pyproject.toml"
    with tempfile.TemporaryDirectory(dir=store.partial, prefix="own-") as place:
        copy, output = Path(place) / "source", Path(place) / "wheel"
        top = versioned_by(folder)
        shutil.copytree(top, copy, symlinks=True, ignore=_LEFT_OUT, ignore_dangling_symlinks=True)
        reason = _build(copy / folder.relative_to(top), output, epoch, created)
        wheels = sorted(output.glob("*.whl"))
        if reason or len(wheels) != 1:
            raise NotTakenError(path, f"the project can't be built into a wheel: {reason or 'there is none'}")
        wheel = wheels[0]
        try:
            name, version, _, tags = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename as error:
            raise NotTakenError(path, f"the project's build made no wheel ({error})") from None
        if any(tag.platform != "any" for tag in tags):
            way_out = "build a wheel of it for each platform, give them to an index, and lock it from there"
            raise NotTakenError(
                path, f"the project has compiled code ({wheel.name}), and nothing is compiled: {way_out}"
            )
        content = wheel.read_bytes()
        return LockedFile(str(name), str(version), wheel.name, store.add(content), len(content))


def versioned_by(folder: Path) -> Path:
    """Return the folder that a build needs: where git says the version, that of the whole repository."""
    path = folder / "pyproject.toml"
    project = toml_of(path).get("project") if path.is_file() else None
    dynamic = project.get("dynamic") if isinstance(project, dict) else None
    if not isinstance(dynamic, list) or "version" not in dynamic:
        return folder
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def _build(source: Path, output: Path, epoch: int, created: str) -> str:
    """Build a wheel; return uv's reason where that fails."""
    command = [
        executable(),
        "build",
        "--wheel",
        "--quiet",
        "--no-config",
        "--no-python-downloads",
        "--no-create-gitignore",
    ]
    command += ["--python", sys.executable, "--exclude-newer", created, "--out-dir", str(output), str(source)]
    settings = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    settings |= {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"}
    # A umask of the user's would reach the modes inside the wheel.
    run = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, umask=0o022, cwd=source)
    if not run.returncode:
        return ""
    return " ".join(run.stderr.replace(str(source), ".").split())[-400:] or f"uv build ended with {run.returncode}"
