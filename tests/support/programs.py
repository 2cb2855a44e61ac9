"""This host's own programs, with the libraries they need, as files of an image."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.needs import reason


def entries(*names: str) -> list[tuple[str, bytes]]:
    """Return the programs as ``bin/NAME``, and their libraries where the loader looks for them."""
    found: dict[str, bytes] = {}
    for name in names:
        program = shutil.which(name)
        if program is None or shutil.which("ldd") is None:
            pytest.skip(reason(name, "a Linux with the C library's tools"))
        found[f"bin/{name}"] = Path(program).read_bytes()
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+\.so\S*)", told):
            found[library.lstrip("/")] = Path(library).read_bytes()
    return list(found.items())
