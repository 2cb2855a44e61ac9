"""A copy of the checkout that asks a channel and an index on loopback, and what these offer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from env.formats.lock import lock_name, read_lock
from env.platforms import PLATFORMS, Platform
from env.spec import LOCKS, ROOT
from env.store.fetch import fetch
from env.store.store import Store
from images.rootfs.debs import unpack
from images.rootfs.entries import Entry, Kind
from images.rootfs.interpreter import INTERPRETER

from .conda_channel import PLACEHOLDER, Content, Package, write_channel, write_wheel

VERSION = "3.13.14"
LIBRARY = "lib/python3.13"
SITE = f"{LIBRARY}/site-packages"
WRAPPER = f"""#!/bin/sh
export PYTHONHOME={PLACEHOLDER} LD_LIBRARY_PATH={PLACEHOLDER}/lib
exec {PLACEHOLDER}/libexec/python3.13 "$@"
"""
SPECS = """[dependencies]
python = "3.13.*"
pure = "*"
compiled = ">=1"
"""
LIBRARIES = ("libexpat1", "libffi8", "liblzma5", "zlib1g")
"""The Debian packages that the locked Python's modules load and the base below conda may lack."""
PYTHON_KEYS = {"python_site_packages_path": SITE}


def packages(pythons: Mapping[str, dict[str, Content]]) -> list[Package]:
    """Return what the channel offers; `pythons` are the files of a Python that runs, by subdir."""
    offered = [
        *(
            Package("python", VERSION, files, subdir, "h0_cp313", extra=PYTHON_KEYS)
            for subdir, files in pythons.items()
        ),
        Package(
            "pure",
            "1.0",
            {
                "site-packages/pure/__init__.py": Content(b"def main():\n    print('pure runs')\n"),
                "site-packages/pure-1.0.dist-info/METADATA": Content(b"Name: pure\nVersion: 1.0\n"),
                "share/shared": Content(b"from pure"),
                "python-scripts/pure-script": Content(
                    f"#!{PLACEHOLDER}/bin/python\nprint('script runs')\n".encode(), 0o755, "text"
                ),
            },
            build="pyh0",
            depends=("python >=3.13",),
            noarch="python",
            entry_points=("pure-run = pure:main",),
        ),
    ]
    for subdir in ("linux-64", "linux-aarch64"):
        offered += [
            Package(
                "compiled",
                version,
                {
                    "lib/libcompiled.so.1": Content(
                        b"\x7fELF\0" + f"{PLACEHOLDER}/share\0end".encode() + subdir.encode(), 0o755, "binary"
                    ),
                    "etc/compiled.conf": Content(f"share={PLACEHOLDER}/share\n".encode(), placeholder="text"),
                    "etc/conda/activate.d/compiled.sh": Content(
                        b'export COMPILED_DATA="${CONDA_PREFIX}/share/compiled"\n'
                    ),
                    "etc/conda/env_vars.d/compiled.json": Content(b'{"COMPILED_MODE": "fast"}'),
                    "share/shared": Content(b"from compiled"),
                    "bin/.compiled-post-link.sh": Content(b'#!/bin/sh\ntouch "$PREFIX/post-link-ran"\n', 0o755),
                    f"{SITE}/compiled/__init__.py": Content(b"VALUE = 42\n"),
                    f"{SITE}/compiled/__pycache__/__init__.cpython-313.pyc": Content(b"stale"),
                },
                subdir,
                "py313_0",
                ("python >=3.13,<3.14.0a0", "__glibc >=2.17"),
                constrains=("pure >=1",),
            )
            for version in ("1.0", "2.0")
        ]
    return offered


def repackaged(store: Store, platform: Platform) -> dict[str, Content]:
    """Return a platform's locked Python as a conda package's files: at a prefix of its own, its libraries beside it."""
    lock = read_lock(LOCKS / lock_name("debian", platform))
    wanted = tuple(file for file in lock.files if file.name in {*INTERPRETER, *LIBRARIES})
    fetch([replace(lock, files=wanted)], store, console=Console(file=StringIO()))
    files = {
        "bin/python3.13": Content(WRAPPER.encode(), 0o755, "text"),
        "bin/python3": Content(b"", link="python3.13"),
        "bin/python": Content(b"", link="python3.13"),
        # Debian's site module looks there, and not into site-packages.
        "lib/python3/dist-packages/conda.pth": Content(f"{PLACEHOLDER}/{SITE}\n".encode(), placeholder="text"),
    }
    for file in wanted:
        with TemporaryDirectory() as folder:
            entries = list(unpack(store.verified(file.sha256, file.file), file.name, Path(folder) / "deb"))
            files |= _libraries(entries) if file.name in LIBRARIES else _python(entries)
    return files


def _python(entries: Iterable[Entry]) -> dict[str, Content]:
    found = {entry.path: entry.content.read_bytes() for entry in entries if isinstance(entry.content, Path)}
    files = {
        path.removeprefix("usr/"): Content(data) for path, data in found.items() if path.startswith(f"usr/{LIBRARY}/")
    }
    if (program := found.get("usr/bin/python3.13")) is not None:
        files["libexec/python3.13"] = Content(program, 0o755)
    return files


def _libraries(entries: Iterable[Entry]) -> dict[str, Content]:
    named = {entry.path.rpartition("/")[2]: entry for entry in entries}
    return {
        # What a link calls it is what programs ask for.
        f"lib/{name}": Content(content.read_bytes(), 0o755)
        for name, entry in named.items()
        if entry.kind is Kind.SYMLINK and ".so." in name and isinstance(content := named[entry.target].content, Path)
    }


@dataclass(frozen=True)
class Checkout:
    """A copy of the project whose pixi.toml and pyproject.toml ask for little."""

    root: Path
    store: Path
    url: str
    """Of the server with the channel, and the index unless `own_index`."""
    own_index: bool = False
    """Whether Python packages come from where the person who runs the tests has them."""
    umask: int = 0o022
    before: Sequence[str] = field(default_factory=tuple)
    """Words before each command, e.g. to be another user."""

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m ARGUMENTS`` in the checkout."""
        settings = {
            **os.environ,
            "JUPYTER_MCP_STORE": str(self.store),
            "PIXI_HOME": str(self.root.parent / "pixi"),
            "XDG_CONFIG_HOME": str(self.root.parent / "xdg"),
            "RATTLER_CACHE_DIR": str(self.root.parent / "rattler"),
        }
        if not self.own_index:
            settings |= {"UV_CACHE_DIR": str(self.root.parent / "uv"), "UV_DEFAULT_INDEX": f"{self.url}/simple"}
        settings.pop("JUPYTER_MCP_CONDA_RECORDS", None)
        return subprocess.run(
            [*self.before, sys.executable, "-m", *arguments],
            cwd=self.root,
            env={**settings, **variables},
            umask=self.umask,
            capture_output=True,
            text=True,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        """Run, and give what was printed; it must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


def copy_checkout(root: Path, *, url: str, store: Path) -> Checkout:
    """Copy the project to `root`, asking for the test channel's packages and one wheel, with the mirror configured."""
    copied = copy_whole_checkout(root, specs=SPECS, url=url, store=store)
    project = (root / "pyproject.toml").read_text()
    project = re.sub(r"^dependencies = \[.*?^\]", "dependencies = []", project, flags=re.DOTALL | re.MULTILINE)
    project = re.sub(r"^(jupyter|overlay) = \[.*?^\]", r"\1 = []", project, flags=re.DOTALL | re.MULTILINE)
    project = project.replace('services = ["supervisor"]', 'services = ["overlaid>=1"]')
    (root / "pyproject.toml").write_text(project)
    return replace(copied, own_index=False)


def copy_whole_checkout(root: Path, *, specs: str, url: str, store: Path) -> Checkout:
    """Copy the project to `root`, with these specs of conda packages instead of its own, and the mirror configured."""
    for name in ("env", "images", "jupyter_mcp"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE", "pixi.toml"):
        shutil.copyfile(ROOT / name, root / name)
    (root / "docs").mkdir()
    shutil.copyfile(ROOT / "docs" / "pypi.md", root / "docs" / "pypi.md")
    manifest = (root / "pixi.toml").read_text()
    head = manifest[: manifest.index("[dependencies]")]
    (root / "pixi.toml").write_text(head + specs)
    for path in (root / "env" / "locks").glob("conda-overlay-*"):
        path.unlink()
    (root / ".pixi").mkdir()
    mirror = f'[mirrors]\n"https://conda.anaconda.org/conda-forge" = ["{url}/channel"]\n'
    (root / ".pixi" / "config.toml").write_text(mirror)
    return Checkout(root, store, url, own_index=True)


def write_offer(folder: Path, store: Store) -> None:
    """Write the channel and the index to serve."""
    write_channel(folder / "channel", packages({platform.conda: repackaged(store, platform) for platform in PLATFORMS}))
    write_wheel(folder, "overlaid", "1.0")
    write_wheel(folder, "overlaid", "1.1", ("compiled>=1",))
    write_wheel(folder, "compiled", "2.0")
    write_wheel(folder, "compiled", "3.0")
