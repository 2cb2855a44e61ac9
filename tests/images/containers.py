"""Podman and skopeo with a storage of their own, thrown away with the test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Containers:
    """Debian's container tools on one empty storage."""

    folder: Path
    """A short path: podman takes none of more than 50 characters."""

    @property
    def storage(self) -> list[str]:
        # vfs needs no overlay mounts, which a container that runs the tests may not have.
        return [f"--root={self.folder / 'root'}", f"--runroot={self.folder / 'run'}", "--storage-driver=vfs"]

    def podman(self, *arguments: object, stdin: Any = None) -> str:
        return ran("podman", *self.storage, "--cgroup-manager=cgroupfs", "--runtime=runc", *arguments, stdin=stdin)

    def skopeo_into_storage(self, source: str, name: str) -> str:
        storage = f"[vfs@{self.folder / 'root'}+{self.folder / 'run'}]"
        return ran("skopeo", "--insecure-policy", "copy", source, f"containers-storage:{storage}{name}")

    def remove(self) -> None:
        ran("podman", *self.storage, "rmi", "--all", "--force")
        shutil.rmtree(self.folder, ignore_errors=True)


def ran(*command: object, stdin: Any = None, env: dict[str, str] | None = None) -> str:
    """Run a program that must succeed; give what it prints."""
    run = subprocess.run(
        [str(word) for word in command],
        stdin=stdin,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{' '.join(map(str, command))}\n{run.stderr}"
    return run.stdout


def index_of(layout: Path) -> str:
    """Return the digest that a layout's index.json names first."""
    found: str = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    return found


def without_base(recipe: Path) -> None:
    """Make the small image of its own files alone: what is about its layers shows as well, and is built at once."""
    image = recipe / "image.toml"
    image.write_text(image.read_text().replace('"base", "hello"', '"hello"'))
    part = recipe / "parts" / "hello" / "part.toml"
    part.write_text(f'{part.read_text()}[user]\nname = "jovyan"\nuid = 1000\ngid = 100\nhome = "/home/jovyan"\n')
