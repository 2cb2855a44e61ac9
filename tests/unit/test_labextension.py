"""What JupyterLab loads was built from the sources beside it, and its lock names no registry."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "jupyter_mcp" / "labextension"


def build() -> Any:
    spec = importlib.util.spec_from_file_location("build", ROOT / "labextension" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_built_files_are_those_of_the_sources() -> None:
    script = build()
    assert (BUILT / script.STAMP).read_text().strip() == script.sources(), "run ./noxw -s labextension and commit"


def test_what_the_built_extension_loads_is_there() -> None:
    load = json.loads((BUILT / "package.json").read_text())["jupyterlab"]["_build"]["load"]
    assert (BUILT / load).is_file()


def test_the_lock_holds_the_integrity_of_every_package_and_no_address() -> None:
    lock = json.loads((ROOT / "labextension" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 100
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert not [name for name, package in packages.items() if not re.match("sha512-", package.get("integrity", ""))]
