"""Seconds of a push, against skopeo with the same image and registry: ``python -m benchmarks.push``.

The registry is Debian's docker-registry on loopback. Subjects take turns, each into a repository of its own, so nothing
that one has sent is found by another. A second push, of what is there already, is measured as well.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from .errors import SpecError
from .images import measure

ROOT = Path(__file__).parents[1]
WAIT_S = 20


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run a registry with its content in `folder`; give ``HOST:PORT``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'content'}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with subprocess.Popen(
        ["docker-registry", "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + WAIT_S
            while time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def ours(layout: Path, reference: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "images", "push", str(layout), reference, "--store", str(folder / "store")]


def skopeo(layout: Path, reference: str, _folder: Path) -> list[str]:
    words = ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--dest-tls-verify=false"]
    return [*words, f"oci:{layout}:{layout.name}", f"docker://{reference}"]


SUBJECTS = {"images push": ours, "skopeo copy": skopeo}


def main() -> None:
    parse = argparse.ArgumentParser("benchmarks.push", description=__doc__)
    parse.add_argument("--layout", type=Path, default=ROOT / "dist" / "images" / "jupyter", help="an image of ours")
    parse.add_argument("--rounds", type=int, default=5)
    options = parse.parse_args()
    for program in ("skopeo", "docker-registry"):
        if shutil.which(program) is None:
            raise SpecError(f"{program} is not installed: apt-get install {program}")
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for number in range(options.rounds):
        for subject, command in SUBJECTS.items():
            with tempfile.TemporaryDirectory(prefix="push-") as name, registry(Path(name)) as host:
                for what in ("first", "again"):
                    words = command(options.layout.resolve(), f"{host}/image:1", Path(name))
                    figures = measure(words, "")
                    found.setdefault((subject, what), []).append(figures)
                    print(f"{number}  {subject:12} {what:6} {figures[0]:6.2f} s  {figures[1]:6.2f} s CPU", flush=True)
    print("| push | subject | seconds | to skopeo | its own CPU seconds | most memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for what in ("first", "again"):
        for subject in SUBJECTS:
            runs, others = found[subject, what], found["skopeo copy", what]
            seconds = [took for took, _, _ in runs]
            # Pairs of one round met the same machine.
            ratio = median(mine[0] / other[0] for mine, other in zip(runs, others, strict=True))
            shown = f"{median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
            cpu, memory = median(one[1] for one in runs), max(one[2] for one in runs)
            print(f"| {what} | {subject} | {shown} | {ratio:.2f}x | {cpu:.2f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
