"""An environment of one's own over a locked one: it comes first, the locked one stays, and pip and uv know both."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wheels import wheel

PART = Path(__file__).parents[4] / "images" / "parts" / "jupyter" / "rootfs"
SCRIPTS = PART / "usr" / "local" / "lib" / "user-packages"


class Layers:
    """A locked environment with a module `below` 1.0, and one that lies over it."""

    def __init__(self, place: Path) -> None:
        self.locked, self.own, self.data, self.wheels = (place / n for n in ("locked", "own $1 x", "data", "wheels"))
        self.uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
        subprocess.run([self.uv, "venv", "-q", "--python", sys.executable, self.locked], check=True)
        (self.locked / "bin" / "uv").symlink_to(self.uv)
        pip = ("pip", "install", "-q", "--no-index", "--python", self.locked / "bin" / "python")
        subprocess.run([self.uv, *pip, wheel(self.wheels, "below", "1.0")], check=True)
        spec = self.locked / "share" / "jupyter" / "kernels" / "python3"
        spec.mkdir(parents=True)
        argv = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3 (ipykernel)"}))
        (spec / "logo-svg.svg").write_text("<svg/>")
        for version in ("1.0", "2.0"):
            wheel(self.wheels, "below", version)
        wheel(self.wheels, "added", "1.0", "below")
        self.before = self.state()

    def state(self) -> dict[str, bytes]:
        files = (path for path in self.locked.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {str(path): path.read_bytes() for path in files}

    def lay(self) -> subprocess.CompletedProcess[str]:
        command = [self.locked / "bin" / "python", "-I", SCRIPTS / "layered.py", self.own, self.data]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def uv_pip(self, *arguments: str) -> str:
        command = [self.locked / "bin" / "python", "-I", SCRIPTS / "uv_pip.py", "pip", *arguments]
        env = {**os.environ, "VIRTUAL_ENV": str(self.own), "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(self.wheels)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def python(self, code: str) -> str:
        command = [self.own / "bin" / "python", "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    @property
    def site(self) -> Path:
        return next(self.own.glob("lib/python3.*/site-packages"))


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    made = Layers(tmp_path)
    assert made.lay().returncode == 0
    return made


def test_what_is_locked_is_there_and_what_is_added_comes_first(layers: Layers) -> None:
    assert layers.python("import below; print(below.version)") == "1.0"
    (layers.site / "below.py").write_text("version = 'mine'\n")
    assert layers.python("import below; print(below.version)") == "mine"
    assert layers.state() == layers.before


def test_the_kernel_runs_in_it_and_has_its_programs_on_the_path(layers: Layers) -> None:
    spec = json.loads((layers.data / "kernels" / "python3" / "kernel.json").read_text())
    assert spec["argv"][:2] == [str(layers.own / "bin" / "python"), "-m"]
    assert spec["display_name"] == "Python 3 (ipykernel)"
    assert spec["env"]["PATH"] == str(layers.own).replace("$", "$$") + "/bin:${PATH}"
    assert (layers.data / "kernels" / "python3" / "logo-svg.svg").exists()


def test_laying_it_again_keeps_what_was_added_and_follows_the_locked_environment(
    layers: Layers, tmp_path: Path
) -> None:
    layers.uv_pip("install", "added")
    layers.locked.rename(tmp_path / "moved")
    layers.locked = tmp_path / "moved"
    assert layers.lay().returncode == 0
    assert layers.python("import added, below; print(below.__file__)").startswith(str(tmp_path / "moved"))


def test_uv_does_not_install_what_is_locked_once_more(layers: Layers) -> None:
    layers.uv_pip("install", "added")
    assert layers.python("import added, below; print(below.version)") == "1.0"
    assert sorted(path.name for path in layers.site.glob("*.dist-info")) == ["added-1.0.dist-info"]


def test_uv_takes_another_version_where_it_is_asked_for_and_only_here(layers: Layers) -> None:
    layers.uv_pip("install", "below>=2")
    assert layers.python("import below; print(below.version)") == "2.0"
    assert layers.state() == layers.before
    layers.uv_pip("uninstall", "below")
    assert layers.python("import below; print(below.version)") == "1.0"


def test_uv_says_that_what_is_locked_stays(layers: Layers) -> None:
    assert "below belongs to the locked environment and stays" in layers.uv_pip("uninstall", "below")
    assert layers.python("import below; print(below.version)") == "1.0"


def test_a_run_of_uv_that_was_killed_leaves_nothing_that_counts(layers: Layers) -> None:
    listing = layers.site / "below-0.9.dist-info"
    listing.mkdir()
    (listing / "INSTALLER").write_text("locked environment\n")
    layers.uv_pip("install", "added")
    assert not listing.exists()


def test_a_place_that_can_hold_no_environment_is_one_line(layers: Layers) -> None:
    shutil.rmtree(layers.own)
    layers.own.write_text("a file")
    done = layers.lay()
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(layers.own) in done.stderr


def no_pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(PART / "usr/local/lib/no-packages"), "JUPYTER_NO_PACKAGES": "it is so"}
    command = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_where_nothing_can_be_added_pip_says_why(command: str) -> None:
    done = no_pip("--quiet", command, "below")
    assert (done.returncode, done.stderr) == (1, "ERROR: it is so\n")


def test_where_nothing_can_be_added_all_else_is_pips_own(tmp_path: Path) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text("import sys; print('the real one', sys.argv[1:])")
    paths = os.pathsep.join((str(PART / "usr/local/lib/no-packages"), str(tmp_path)))
    env = {**os.environ, "PYTHONPATH": paths, "JUPYTER_NO_PACKAGES": "it is so"}
    done = subprocess.run([sys.executable, "-m", "pip", "list"], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "the real one ['list']\n", done.stderr
