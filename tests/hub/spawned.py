"""Run the image as a container of one Hub user: what a spawner for containers does, with bubblewrap."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from env.platforms import parse_platform
from images.check.sandbox import Sandbox

WORKSPACE = "/home/jovyan/workspace"


def main() -> None:
    what = json.loads(Path(sys.argv[1]).read_text())
    volume = Path(what["volumes"], os.environ["JUPYTERHUB_USER"])
    volume.mkdir(exist_ok=True)
    mounts = {WORKSPACE: volume}
    root, platform = Path(what["root"]), parse_platform(what["platform"])
    sandbox = Sandbox(root, platform, what["config"], None, tuple(what["bubblewrap"]), mounts=mounts, network=True)
    env = {name: value for name, value in os.environ.items() if name.startswith(("JUPYTERHUB_", "JPY_"))}
    command = sandbox.command([*what["config"]["Entrypoint"], *what["config"]["Cmd"]], env)
    os.execvp(command[0], command)  # noqa: S606 - the spawner's process becomes the container's


if __name__ == "__main__":
    main()
