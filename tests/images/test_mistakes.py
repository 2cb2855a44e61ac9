"""What can go wrong in a build is told in one line with the way out, has an exit code, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from env.store.store import Store
from tests.support.needs import no_namespaces

from .conftest import REPOSITORY, command, images


def told(run: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a failed command prints of its error."""
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    return errors[0]


@pytest.mark.parametrize(
    ("arguments", "code", "way_out"),
    [
        (["build", "jupiter"], 2, "there are recipes for builder, jupyter"),
        (["build", "--platform", "linux/vax"], 2, "use linux/amd64, linux/arm64"),
        (["build", "--env", "nix"], 2, "use --env "),
        (["check", "jupiter"], 2, "there are recipes for builder, jupyter"),
        (["check", "--platform", "vax"], 2, "use linux/amd64, linux/arm64"),
        (["build", "--recipe", "no/such/folder"], 65, "no/such/folder/image.toml: is not there"),
    ],
)
def test_a_name_that_is_not_known_is_told_with_those_that_are(arguments: list[str], code: int, way_out: str) -> None:
    run = images(*arguments)
    assert run.returncode == code
    assert way_out in told(run)


def test_a_wrong_command_shows_the_usage() -> None:
    run = images("biuld")
    assert run.returncode == 2
    assert "usage: ./noxw -s images --" in run.stderr
    assert "check" in images("--help").stdout
    assert "examples:" in images("build", "--help").stdout


def test_a_platform_that_the_recipe_lacks_is_told(recipe: Path, tmp_path: Path) -> None:
    path = recipe / "image.toml"
    path.write_text(path.read_text().replace(', "linux/arm64"', ""))
    run = images("build", "--recipe", recipe, "--platform", "arm64", "--output", tmp_path / "out")
    assert run.returncode == 2
    assert "use --platform linux/amd64" in told(run)


def test_an_unknown_key_is_told_with_its_line(recipe: Path, tmp_path: Path) -> None:
    with (recipe / "parts" / "hello" / "part.toml").open("a") as file:
        file.write("[run]\ncommand = 'rm -r /'\n")
    run = images("build", "--recipe", recipe, "--output", tmp_path / "out")
    assert run.returncode == 65
    assert "unknown key 'run'" in told(run)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_corrupted_file_in_the_store_is_told(recipe: Path, cold_store: Store, tmp_path: Path) -> None:
    victim = next(path for path in sorted((cold_store.root / "sha256").rglob("*")) if path.is_symlink())
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.unlink()
    victim.write_bytes(content)
    output = tmp_path / "out"
    run = images("build", "--recipe", recipe, "--store", cold_store.root, "--output", output)
    assert run.returncode == 76
    assert str(victim) in told(run)
    assert "delete it" in told(run)
    assert not output.exists()
    assert list(cold_store.partial.iterdir()) == []


def test_no_network_is_told_with_the_ways_out(recipe: Path, tmp_path: Path) -> None:
    nowhere = {
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
        "UV_HTTP_RETRIES": "0",
        "DEBIAN_MIRROR": "http://127.0.0.1:9/debian",
        "DEBIAN_SECURITY_MIRROR": "http://127.0.0.1:9/debian-security",
        "UV_NO_CACHE": "1",
    }
    run = images("build", "--recipe", recipe, "--store", tmp_path / "empty", "--output", tmp_path / "out", env=nowhere)
    assert run.returncode == 69, run.stderr
    assert "set a mirror" in told(run)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("full", ["store", "output"])
def test_a_full_disk_is_told_and_leaves_the_old_image(
    recipe: Path, store: Store, cold_store: Store, tmp_path: Path, full: str
) -> None:
    output = tmp_path / "place" / "out"
    used = cold_store if full == "store" else store
    small = used.partial if full == "store" else output.parent
    small.mkdir(parents=True, exist_ok=True)
    arguments = command("build", "--recipe", recipe, "--store", used.root, "--output", output)
    script = f'mount -t tmpfs -o size=8m none "{small}" && "$@"; code=$?; ls -A "{small}"; exit $code'
    run = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in run.stderr or "mount:" in run.stderr:
        no_namespaces(run.stderr)
    assert run.returncode == 74, run.stderr
    assert "no space left" in told(run)
    assert run.stdout == "", "something half-made is left"


def test_an_output_that_holds_something_else_is_not_touched(recipe: Path, store: Store, tmp_path: Path) -> None:
    output = tmp_path / "mine"
    output.mkdir()
    (output / "thesis.tex").write_text("years of work")
    run = images("build", "--recipe", recipe, "--store", store.root, "--output", output, "--platform", "amd64")
    assert run.returncode == 75
    assert "choose another --output" in told(run)
    assert (output / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGKILL))],
    ids=lambda number: number.name,
)
@pytest.mark.slow
def test_a_build_that_is_stopped_leaves_nothing_and_can_go_on(
    recipe: Path, cold_store: Store, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out"
    arguments = command(
        "build", "--recipe", recipe, "--platform", "amd64", "--store", cold_store.root, "--output", output
    )
    with subprocess.Popen(
        arguments, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not list(cold_store.partial.glob("scratch-*/*/*")):
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    if number is not signal.SIGKILL:
        assert process.returncode == 130, errors
        assert "interrupted" in errors
        assert "Traceback" not in errors
        assert list(cold_store.partial.iterdir()) == []
    assert not output.exists()
    assert (
        images(
            "build", "--recipe", recipe, "--platform", "amd64", "--store", cold_store.root, "--output", output
        ).returncode
        == 0
    )
    assert list(cold_store.partial.iterdir()) == []
    assert sorted(path.name for path in output.parent.iterdir() if path.name.startswith(".out")) == []
