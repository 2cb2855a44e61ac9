"""The wheel and the sdist, built from a copy of the files, so that nothing else of the checkout gets into them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from env.spec import DISTRIBUTION
from images.errors import PackageContentError
from release.checkout import Checkout


def build_distributions(checkout: Checkout, output: Path) -> list[Path]:
    """Build both into a folder; return the files. The same commit gives the same bytes.

    Raises:
        PackageContentError: hatchling can't build them.

    """
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        place, built = Path(folder) / "source", Path(folder) / "built"
        checkout.copy(place)
        command = [sys.executable, "-m", "hatchling", "build", "--directory", str(built)]
        done = subprocess.run(
            command, cwd=place, env=_settings(checkout.epoch), capture_output=True, text=True, check=False, umask=0o022
        )
        files = sorted(built.iterdir()) if built.is_dir() else []
        if done.returncode or {file.suffix for file in files} != {".gz", ".whl"}:
            said = done.stderr.strip().rpartition("\n")[2]
            raise PackageContentError(DISTRIBUTION, said or "hatchling made no wheel or no sdist")
        output.mkdir(parents=True, exist_ok=True)
        found = []
        for file in files:
            (output / file.name).write_bytes(file.read_bytes())
            found.append(output / file.name)
        return found


def _settings(epoch: int) -> dict[str, str]:
    # hatchling takes options from variables of these names.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HATCH_")}
    return {**kept, "SOURCE_DATE_EPOCH": str(epoch)}
