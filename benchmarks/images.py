"""Seconds and memory of an image from a folder, against buildah on the same files: ``python -m benchmarks.images``.

Both make an OCI layout with one layer of the same content, from files that are there unpacked: real ones, out of an
image that was built. Subjects take turns, so that what else the machine does disturbs all of them alike.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console

from env.platforms import AMD64, host_platform
from env.store.fetch import fetch
from env.store.store import Store
from images.build.build import Build
from images.oci.read import read_layout
from images.oci.unpack import unpack
from images.recipe.recipe import read_recipe

from .errors import SpecError
from .imageplot import save

ROOT = Path(__file__).parents[1]
ARTIFACTS = ROOT / "artifacts" / "benchmarks"
MEGABYTE = 1_000_000
LOOK_EVERY_S = 0.05
IMAGE = """
name = "files"
title = "Files"
description = "Files alone"
platforms = ["{platform}"]
environments = ["wheels"]
parts = ["files"]
created = 2026-11-01T00:00:00Z
"""
PART = """
title = "Files"
[user]
name = "jovyan"
uid = 1000
gid = 100
home = "/home/jovyan"
"""
Command = Callable[["Run"], list[str]]


@dataclass(frozen=True)
class Run:
    """What a subject is given."""

    recipe: Path
    """A folder with image.toml and one part, whose rootfs is the content."""
    work: Path
    """An empty folder; the image goes to ``out`` in it."""
    store: Path
    number: int
    """Another one each time: what was made before is not to be found again."""

    @property
    def content(self) -> Path:
        return self.recipe / "parts" / "files" / "rootfs"

    @property
    def output(self) -> Path:
        return self.work / "out"


@dataclass
class Figures:
    """What one subject took for one size."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Seconds of all cores together."""
    memory: list[float] = field(default_factory=list)
    """The most that its processes had at one time, MB of proportional set size."""
    size: int = 0
    """Bytes of the layer."""


def ours(compression: str) -> Command:
    def command(run: Run) -> list[str]:
        words = [sys.executable, "-m", "images", "build", "--recipe", str(run.recipe), "--env", "wheels"]
        words += ["--store", str(run.store), "--output", str(run.output), "--compression", compression]
        return ["env", f"SOURCE_DATE_EPOCH={1_793_491_200 + run.number}", *words]

    return command


def buildah(compression: str, level: int) -> Command:
    def command(run: Run) -> list[str]:
        b = f"buildah --root {run.work}/root --runroot {run.work}/runroot --storage-driver $DRIVER"
        # What commits to a layout takes gzip alone; another compression is push's.
        script = (
            f"set -e; ctr=$({b} from scratch); {b} add -q $ctr {run.content} /; "
            f"{b} commit -q --timestamp 0 $ctr files >/dev/null; "
            f"{b} push -q --compression-format {compression} --compression-level {level} files oci:{run.output}:files"
        )
        return ["sh", "-c", script]

    return command


SUBJECTS: dict[str, Command] = {
    "images build, zstd 9": ours("zstd"),
    "buildah, zstd 9": buildah("zstd", 9),
    "images build, gzip 6": ours("gzip"),
    "buildah, gzip 6": buildah("gzip", 6),
}


def measure(command: Sequence[str], driver: str) -> tuple[float, float, float]:
    """Run a command to its end; give seconds, seconds of all cores, and the most memory in MB."""
    before, began, most = os.times(), time.monotonic(), 0.0
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "DRIVER": driver},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while process.poll() is None:
            most = max(most, _memory(process.pid))
            time.sleep(LOOK_EVERY_S)
        took = time.monotonic() - began
        errors = process.stderr.read() if process.stderr is not None else ""
    if process.returncode:
        raise SpecError(f"{' '.join(command)[:200]}: {errors.strip()[-500:]}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return took, cpu, most


def _memory(session: int) -> float:
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # proc(5): pid (comm) state ppid pgrp session ...
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) != session:
                continue
            lines = (folder / "smaps_rollup").read_text().splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, IndexError):
            continue
    return found * 1024 / MEGABYTE


def content(layout: Path, sizes: Sequence[int], folder: Path) -> dict[int, Path]:
    """Make a recipe for each size in MB, of files of a built image, chosen at random and always the same."""
    whole = folder / "whole"
    whole.mkdir()
    unpack(read_layout(layout)[AMD64], whole)
    files = [path for path in sorted(whole.rglob("*")) if path.is_file() and not path.is_symlink()]
    random.Random(1).shuffle(files)  # noqa: S311 - not a secret
    recipes = {}
    for size in sizes:
        recipe = folder / f"recipe-{size}"
        part = recipe / "parts" / "files"
        part.mkdir(parents=True)
        (recipe / "image.toml").write_text(IMAGE.format(platform=host_platform()))
        (part / "part.toml").write_text(PART)
        taken = 0
        for path in files:
            if taken >= size * MEGABYTE:
                break
            # No file by itself decides the size.
            if (length := path.stat().st_size) < 30 * MEGABYTE:
                target = part / "rootfs" / path.relative_to(whole)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)
                taken += length
        if taken < size * MEGABYTE:
            raise SpecError(f"{layout} holds {taken / MEGABYTE:.0f} MB of files, and {size} MB are asked for")
        recipes[size] = recipe
    return recipes


def layer_size(layout: Path) -> int:
    (image,) = read_layout(layout).values()
    return sum(layer["size"] for layer in image.layers)


def table(results: dict[tuple[str, int], Figures], sizes: Sequence[int]) -> str:
    lines = [
        "| content, MB | subject | seconds | to images build, zstd 9 | CPU seconds | most memory, MB | layer, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    reference = next(iter(SUBJECTS))
    for size in sizes:
        for subject in SUBJECTS:
            one, base = results[subject, size], results[reference, size]
            # Pairs of one round met the same machine.
            ratio = median(mine / other for mine, other in zip(one.seconds, base.seconds, strict=True))
            shown = f"{median(one.seconds):.1f} ({min(one.seconds):.1f}-{max(one.seconds):.1f})"
            lines.append(
                f"| {size} | {subject} | {shown} | {ratio:.2f}x | {median(one.cpu):.1f} | {max(one.memory):.0f} "
                f"| {one.size / MEGABYTE:.1f} |"
            )
    return "\n".join(lines)


def main() -> None:
    parse = argparse.ArgumentParser("benchmarks.images", description=__doc__)
    parse.add_argument("--layout", type=Path, default=ROOT / "dist" / "images" / "jupyter", help="an image of ours")
    parse.add_argument("--sizes", default="50,100,200,400", help="MB of content")
    parse.add_argument("--rounds", type=int, default=3)
    parse.add_argument("--driver", default="overlay", choices=("overlay", "vfs"), help="buildah's storage")
    parse.add_argument("--output", type=Path, default=ARTIFACTS, help="folder of the results")
    options = parse.parse_args()
    if shutil.which("buildah") is None:
        raise SystemExit("buildah is not installed: apt-get install buildah")
    sizes = [int(word) for word in options.sizes.split(",")]
    options.output.mkdir(parents=True, exist_ok=True)
    results = {(subject, size): Figures() for subject in SUBJECTS for size in sizes}
    with tempfile.TemporaryDirectory(prefix="images-") as name:
        folder = Path(name)
        recipes = content(options.layout, sizes, folder)
        store = Store(folder / "store")
        build = Build(read_recipe(recipes[sizes[0]]), (AMD64,), "wheels")
        fetch(build.needed(), store, console=Console(stderr=True))
        # The first build unpacks the locked interpreter, once for a store.
        measure(ours("zstd")(Run(recipes[sizes[0]], folder, store.root, -1)), options.driver)
        for number in range(options.rounds):
            for size in sizes:
                for subject, command in SUBJECTS.items():
                    work = Path(tempfile.mkdtemp(dir=folder))
                    run = Run(recipes[size], work, store.root, number)
                    took, cpu, most = measure(command(run), options.driver)
                    one = results[subject, size]
                    one.seconds.append(took)
                    one.cpu.append(cpu)
                    one.memory.append(most)
                    one.size = layer_size(run.output)
                    subprocess.run(["rm", "-rf", work], check=True)
                    print(f"{size:4} MB  {subject:22} {took:6.1f} s  {cpu:6.1f} s CPU  {most:5.0f} MB", flush=True)
    (options.output / "images.md").write_text(table(results, sizes) + "\n", encoding="utf-8")
    save(
        {(subject, size): (one.seconds, one.memory) for (subject, size), one in results.items()},
        options.output / "images.png",
    )
    print(table(results, sizes))


if __name__ == "__main__":
    main()
