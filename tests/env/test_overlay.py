"""`pixi run overlay`, without pixi: a virtual environment that says it is conda's, and pip as it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from env.errors import ToolMissingError
from env.formats.lock import lock_name, read_lock
from env.index.uv import executable
from env.overlay import install, requirements
from env.platforms import PLATFORMS, Platform, host_platform
from env.spec import LOCKS, ROOT

PROGRAM = """
import sys
from pathlib import Path
from env import overlay
overlay.LOCKS = Path(sys.argv[1])
sys.exit(overlay.main())
"""


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_every_package_of_the_lock_is_asked_for_with_its_hash(platform: Platform) -> None:
    path = LOCKS / lock_name("conda-overlay", platform)
    lines = requirements(path).splitlines()
    assert [f"{one.name}=={one.version} --hash=sha256:{one.sha256}" for one in read_lock(path).files] == lines


def test_another_environment_than_condas_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(ToolMissingError, match="pixi run overlay"):
        install(tmp_path, host_platform())


def test_the_overlay_needs_nothing_but_the_standard_library() -> None:
    code = "import sys; import env.overlay; print(sorted(n for n in sys.modules if '.' not in n))"
    done = subprocess.run([sys.executable, "-Sc", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stdout.replace("'", '"'))) - set(sys.stdlib_module_names) - {"env", "__main__"}


@pytest.mark.network
def test_overlay_and_project_are_added_and_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    venv.create(prefix, symlinks=True, with_pip=False)
    (prefix / "conda-meta").mkdir()
    python = prefix / "bin" / "python"
    # A pip as new as conda's; the one that comes with an old Python knows no build constraints.
    subprocess.run([executable(), "pip", "install", "--quiet", "--python", python, "pip>=26"], check=True)
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "tools.txt").write_bytes((LOCKS / "tools.txt").read_bytes())
    for platform in PLATFORMS:
        text = (LOCKS / lock_name("conda-overlay", platform)).read_text(encoding="utf-8")
        one = re.search(r'\[\[package\]\]\nname = "jsonref".*?size = \d+\n', text, re.DOTALL)
        assert one is not None
        (locks / lock_name("conda-overlay", platform)).write_text(one[0], encoding="utf-8")
    done = subprocess.run([python, "-c", PROGRAM, locks], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    installed = subprocess.run(
        [python, "-c", names], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout.split()
    assert {"jsonref", "jupyter-mcp-rooms"} <= set(installed)
    assert (prefix / "etc/jupyter/jupyter_server_config.d/jupyter_mcp.json").is_file()
    for platform in PLATFORMS:
        path = locks / lock_name("conda-overlay", platform)
        path.write_text(re.sub(r'sha256 = "\w{4}', 'sha256 = "0000', path.read_text()), encoding="utf-8")
    subprocess.run([executable(), "pip", "uninstall", "--quiet", "--python", python, "jsonref"], check=True)
    done = subprocess.run([python, "-c", PROGRAM, locks], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 71
    assert "error: pip failed" in done.stderr


def test_every_task_of_pixi_toml_names_a_command_of_this_checkout() -> None:
    tasks = tomllib.loads((ROOT / "pixi.toml").read_text(encoding="utf-8"))["tasks"]
    assert {"lab", "test", "overlay"} <= set(tasks)
    sessions = re.findall(r'^@declared\("(.*?)"', (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
    for task in tasks.values():
        for session in re.findall(r"noxw -s (\S+)", task["cmd"]):
            assert session in sessions
        assert set(task.get("depends-on", [])) <= set(tasks)
