"""The conda locks: what the solver may change, and what others make of what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import zstandard
from packaging.utils import canonicalize_name

from env.cli.main import main
from env.errors import ChannelUnreachableError, NoSolutionError, RecordsError, SpecError
from env.formats.conda_files import conda_files
from env.formats.conda_lock import CONDA_LOCK
from env.formats.manifest import read_manifest
from env.formats.pixi_lock import PIXI_LOCK, PixiLock, read_pixi_lock
from env.formats.pypi_names import distributions, pypi_name
from env.index.sources import locate
from env.index.uv import Preferences, executable
from env.names import RECORDS_VARIABLE
from env.platforms import PLATFORMS, Platform
from env.resolve.conda import Request, solve
from env.spec import LOCKS, ROOT, Tree
from env.verify.joint import joint_solve
from tests.support.needs import reason

RECORDS = Path(os.environ.get(RECORDS_VARIABLE, ROOT.parent / "shared" / "conda-records"))
needs_records = pytest.mark.skipif(
    not RECORDS.is_dir(), reason=reason("conda records", f"name a folder of them in {RECORDS_VARIABLE}")
)
CHANNEL = "https://conda.anaconda.org/conda-forge"
Solver = Callable[..., PixiLock]


@pytest.fixture
def solved(tmp_path: Path) -> Solver:
    """Solve the checkout's or another pixi.toml against the records."""
    count = 0

    def run(
        preferences: Preferences | None = None, old: Path | None = ROOT / PIXI_LOCK, edit: tuple[str, str] = ("", "")
    ) -> PixiLock:
        nonlocal count
        count += 1
        work = tmp_path / str(count)
        work.mkdir()
        text = (ROOT / "pixi.toml").read_text(encoding="utf-8")
        assert edit[0] in text
        (work / "pixi.toml").write_text(text.replace(*edit, 1), encoding="utf-8")
        return read_pixi_lock(
            solve(Request(read_manifest(Tree(work)), old, preferences or Preferences(), RECORDS), work)
        )

    return run


def versions(lock: PixiLock, subdir: str, environment: str = "default") -> dict[str, str]:
    return {package.name: f"{package.version} {package.build}" for package in lock.packages[environment][subdir]}


@needs_records
def test_solving_again_changes_nothing(solved: Solver) -> None:
    assert solved().path.read_bytes() == (ROOT / PIXI_LOCK).read_bytes()


@needs_records
def test_both_platforms_are_whole_and_dev_agrees_with_default(solved: Solver) -> None:
    lock = solved(old=None)
    for subdir in ("linux-64", "linux-aarch64"):
        default, dev = versions(lock, subdir), versions(lock, subdir, "dev")
        assert default.items() <= dev.items()
        assert default["python"].startswith("3.13.")
        assert {"jupyterlab", "git", "pip", "python-duckdb"} <= set(default)
        assert "hypothesis" in set(dev) - set(default)


@needs_records
def test_a_package_that_is_added_leaves_the_others_as_they_are(solved: Solver) -> None:
    before = read_pixi_lock(ROOT / PIXI_LOCK)
    after = solved(edit=('pip = "*"\n', 'pip = "*"\ndoit = "*"\n'))
    for subdir in ("linux-64", "linux-aarch64"):
        assert "doit" not in versions(before, subdir)
        assert "doit" in versions(after, subdir)
        assert versions(before, subdir).items() <= versions(after, subdir).items()


@needs_records
def test_only_the_package_that_is_freed_changes(solved: Solver) -> None:
    pinned = solved(old=None, edit=('jupyterlab = ">=4.4.0"', 'jupyterlab = "4.6.1"'))
    assert versions(pinned, "linux-64")["jupyterlab"].startswith("4.6.1 ")
    kept = solved(old=pinned.path)
    assert versions(kept, "linux-64") == versions(pinned, "linux-64")
    freed = solved(Preferences(upgrade=("jupyterlab",)), old=pinned.path)
    changed = {
        name for name, version in versions(freed, "linux-64").items() if versions(pinned, "linux-64")[name] != version
    }
    assert changed == {"jupyterlab"}


@needs_records
def test_what_is_newer_than_a_date_does_not_exist(solved: Solver) -> None:
    limit = 1_782_000_000_000
    lock = solved(Preferences(upgrade=(), exclude_newer="2026-06-20"))
    for packages in lock.packages["default"].values():
        for package in packages:
            assert json.loads(package.record.to_json())["timestamp"] <= limit, package
    with pytest.raises(SpecError, match="2026-08-01"):
        solved(Preferences(exclude_newer="yesterday"))


@needs_records
def test_specs_that_contradict_each_other_are_named(solved: Solver) -> None:
    with pytest.raises(NoSolutionError, match="numpy"):
        solved(edit=('numpy = "*"', 'numpy = "<1.20"'))


@needs_records
def test_what_pixi_adds_to_records_does_not_reach_the_lock() -> None:
    text = (ROOT / PIXI_LOCK).read_text(encoding="utf-8")
    assert "purls" not in text
    assert "run_exports" not in text


@needs_records
def test_the_names_on_pypi_are_those_that_the_records_know() -> None:
    known: dict[str, set[str]] = {}
    for subdir in ("linux-64", "linux-aarch64", "noarch"):
        packed = (RECORDS / subdir / "repodata.json.zst").read_bytes()
        data = json.loads(zstandard.ZstdDecompressor().decompressobj().decompress(packed))
        for record in (*data["packages"].values(), *data["packages.conda"].values()):
            for purl in record.get("purls") or ():
                name = canonicalize_name(purl.removeprefix("pkg:pypi/").partition("?")[0])
                known.setdefault(record["name"], set()).add(name)
    packages = [one for subdir in read_pixi_lock(ROOT / PIXI_LOCK).packages["dev"].values() for one in subdir]
    checked = [package for package in packages if package.name in known]
    assert len(checked) > 200
    for package in checked:
        assert pypi_name(package) in known[package.name], package


def test_a_folder_without_records_is_told(tmp_path: Path) -> None:
    request = Request(read_manifest(Tree()), None, Preferences(), tmp_path / "none")
    with pytest.raises(RecordsError, match=r"repodata\.json"):
        solve(request, tmp_path)


@pytest.mark.slow
def test_a_channel_out_of_reach_is_told_with_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "pixi" / "config.toml"
    config.parent.mkdir()
    config.write_text('[mirrors]\n"https://conda.anaconda.org" = ["http://127.0.0.1:9"]\n')
    monkeypatch.setenv("PIXI_HOME", str(config.parent))
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(ChannelUnreachableError, match=r"--records DIR"):
        solve(Request(read_manifest(Tree()), None, Preferences(), None), tmp_path)


def test_lock_takes_records_or_the_channel_and_not_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["lock", "conda", "--records", "x", "--live"])
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_every_package_of_the_committed_lock_has_its_place_below_a_mirror(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = conda_files(platform, Tree())
    for file in lock.files:
        (tmp_path / "mirror" / file.file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / file.file).touch()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "mirror"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    monkeypatch.setenv("PIXI_HOME", str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        mirror = f'[mirrors]\n"https://conda.anaconda.org/conda-forge" = ["{base}"]\n'
        (tmp_path / "config.toml").write_text(mirror)
        located = locate(lock, lock.files)
        server.shutdown()
    addresses = {package.url for package in read_pixi_lock(ROOT / PIXI_LOCK).packages["default"][platform.conda]}
    assert {place.url.replace(base, CHANNEL) for place in located} == addresses
    assert {place.target for place in located} == {"conda"}


@pytest.fixture(scope="module")
def conda_lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """conda-lock in an environment of its own."""
    place = tmp_path_factory.mktemp("conda-lock") / "venv"
    subprocess.run([executable(), "venv", "--quiet", place], check=True, capture_output=True)
    wanted = ["--require-hashes", "--only-binary", ":all:", "-r", LOCKS / "conda-lock.txt"]
    install = [executable(), "pip", "install", "--quiet", "--python", place]
    subprocess.run([*install, *wanted], check=True, capture_output=True)
    return place / "bin" / "conda-lock"


@pytest.mark.network
def test_conda_lock_renders_every_package_with_its_address(conda_lock: Path, tmp_path: Path) -> None:
    for kind in ("explicit", "env"):
        command = [conda_lock, "render", "--kind", kind, ROOT / CONDA_LOCK]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    lock = read_pixi_lock(ROOT / PIXI_LOCK)
    for subdir in ("linux-64", "linux-aarch64"):
        rendered = (tmp_path / f"conda-{subdir}.lock").read_text(encoding="utf-8")
        wanted = {f"{package.url}#{package.md5}" for package in lock.packages["dev"][subdir]}
        assert {line for line in rendered.splitlines() if line.startswith("https:")} == wanted
        assert "- numpy=" in (tmp_path / f"conda-{subdir}.lock.yml").read_text(encoding="utf-8")


def test_py_rattler_reads_conda_lock_yml_as_the_same_packages() -> None:
    ours, theirs = read_pixi_lock(ROOT / PIXI_LOCK), read_pixi_lock(ROOT / CONDA_LOCK)
    for subdir in ("linux-64", "linux-aarch64"):
        wanted = {(one.url, one.sha256, one.md5) for one in ours.packages["dev"][subdir]}
        assert {(one.url, one.sha256, one.md5) for one in theirs.packages["default"][subdir]} == wanted


@pytest.mark.network
@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_the_clash_of_march_2026_is_found_with_the_two_requirements(platform: Platform, tmp_path: Path) -> None:
    given = {"importlib-metadata": "8.8.0"}
    joint = joint_solve(platform, ["opentelemetry-api>=1.38,<1.42"], given, tmp_path)
    assert joint.solution is None
    assert [(clash.given, "opentelemetry-api" in clash.wanted) for clash in joint.clashes] == [
        ("importlib-metadata 8.8.0", True)
    ]
    assert "importlib-metadata>=6.0,<8.8.0" in str(joint)
    assert str(platform) in str(joint)


@pytest.mark.network
@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_the_joint_solve_of_today_is_answered_either_way(platform: Platform, tmp_path: Path) -> None:
    packages = read_pixi_lock(ROOT / PIXI_LOCK).packages["default"][platform.conda]
    joint = joint_solve(platform, ["fastmcp>=4", "opentelemetry-api>=1.42"], distributions(packages), tmp_path)
    # Which way it goes is the indexes' doing, and may change any day.
    if joint.solution is None:
        assert "would fail today" in str(joint)
    else:
        assert {"fastmcp", "opentelemetry-api"} <= set(joint.solution)
        assert "would succeed today (fastmcp" in str(joint)


def test_an_index_out_of_reach_leaves_the_joint_solve_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    joint = joint_solve(PLATFORMS[0], ["fastmcp>=4"], {}, tmp_path)
    assert joint.solution is None
    assert "can't be reached" in str(joint)
