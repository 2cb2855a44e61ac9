"""A store stays whole, grows no larger than it must, and can be carried to where there is no network."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.errors import StoreBusyError, StoreCorruptError, StoreFullError, StoreMissError, StorePlaceError
from env.formats.lock import Lock, LockedFile
from env.platforms import AMD64
from env.spec import Tree
from env.store.store import Store
from env.store.upkeep import contents, copy, damaged, locked, prune
from tests.support.needs import no_namespaces, reason

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def env(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "env", *map(str, arguments)]
    return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def lock_of(store: Store, *contents: bytes) -> Lock:
    files = [
        LockedFile(f"p{number}", "1", f"p{number}.deb", store.add(content), len(content))
        for number, content in enumerate(contents)
    ]
    return Lock("debian", AMD64, "0" * 64, tuple(files))


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_changed_file_is_found_among_many_and_repair_deletes_it_alone(store: Store) -> None:
    digests = [store.add(os.urandom(1000)) for _ in range(50)]
    assert env("store", "check", "--store", store.root).returncode == 0
    victim = store.path(digests[7])
    spoil(victim)
    run = env("store", "check", "--store", store.root, "--json")
    assert run.returncode == 1
    assert json.loads(run.stdout)["damaged"] == [str(victim)]
    assert f"damaged: {victim}" in run.stderr
    assert "check --repair" in run.stderr
    assert victim.exists()
    assert env("store", "check", "--store", store.root, "--repair").returncode == 0
    assert [digest for digest in digests if digest not in store] == [digests[7]]
    assert env("store", "check", "--store", store.root).returncode == 0


def test_a_link_to_what_is_gone_is_damage(store: Store, tmp_path: Path) -> None:
    path = store.path(store.add(b"x"))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert damaged(store, lambda _: None) == []
    (tmp_path / "elsewhere").unlink()
    assert damaged(store, lambda _: None) == [path]


def record(store: Store, name: str, content: object) -> Path:
    path = store.root / "cache" / "layer" / "ab" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_pruning_leaves_what_a_lock_a_record_or_a_layout_needs(store: Store, tmp_path: Path) -> None:
    in_lock, made, in_layout, nobodys = (store.add(name.encode()) for name in ("lock", "made", "layout", "nobody"))
    record(store, "layer", {"blobs": [{"digest": made, "size": 4}]})
    layout = tmp_path / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    (layout / "blobs" / "sha256" / in_layout).write_bytes(b"layout")
    (store.partial / in_lock).write_bytes(b"half")
    (store.partial / "build-left").mkdir()
    (store.partial / "build-left" / "file").write_bytes(b"1234")
    tried = prune(store, {in_lock}, [layout], dry_run=True)
    assert [path.name for path in tried.content] == [nobodys]
    assert [path.name for path in tried.partial] == ["build-left"]
    assert tried.size == len(b"nobody") + 4
    assert nobodys in store
    assert prune(store, {in_lock}, [layout], dry_run=False) == tried
    assert {path.name for path in contents(store)} == {in_lock, made, in_layout}
    assert [path.name for path in store.partial.iterdir()] == [in_lock]


def test_results_that_were_not_used_for_long_go_with_their_content(store: Store) -> None:
    old, new = store.add(b"old"), store.add(b"new")
    then = time.time() - 40 * 24 * 60 * 60
    os.utime(record(store, "old", {"digest": old}), (then, then))
    record(store, "new", {"digest": new})
    assert prune(store, set(), dry_run=False).content == ()
    done = prune(store, set(), unused_days=30, dry_run=False)
    assert [path.name for path in done.records] == ["old.json"]
    assert {path.name for path in contents(store)} == {new}


def test_interpreters_and_emulators_go_when_no_record_of_their_use_is_left(store: Store) -> None:
    used, forgotten, orphan = (hashlib.sha256(name).hexdigest() for name in (b"used", b"forgotten", b"orphan"))
    for kind, key in (("interpreters", used), ("interpreters", orphan), ("emulators", forgotten)):
        (store.root / kind / key / "usr").mkdir(parents=True)
        (store.root / kind / key / "usr" / "program").write_bytes(b"12345")
    record(store, "used", {"program": used})
    then = time.time() - 40 * 24 * 60 * 60
    os.utime(record(store, "forgotten", {"program": forgotten}), (then, then))
    assert [path.name for path in prune(store, set(), dry_run=False).programs] == [orphan]
    done = prune(store, set(), unused_days=30, dry_run=False)
    assert [path.name for path in done.programs] == [forgotten]
    assert done.size >= 5
    assert [path.name for path in store.programs()] == [used]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.data())
def test_pruning_removes_exactly_what_is_not_needed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    store = Store(tmp_path_factory.mktemp("pruned"))
    every = [store.add(str(number).encode()) for number in range(data.draw(st.integers(0, 12)))]
    needed = set(data.draw(st.lists(st.sampled_from(every)))) if every else set()
    named = set(data.draw(st.lists(st.sampled_from(every)))) if every else set()
    record(store, "made", {"a": [{"b": digest} for digest in sorted(named)], "c": None, "d": 1, "e": "0" * 63})
    prune(store, needed, dry_run=False)
    assert {path.name for path in contents(store)} == needed | named


@pytest.fixture
def user_of(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the store, as a build does."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom env.store.store import Store\n"
        "with Store(Path(sys.argv[1])).in_use():\n    print('in', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, store.root],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        yield process
        process.kill()


def test_nothing_is_removed_while_a_build_uses_the_store(store: Store, user_of: subprocess.Popen[str]) -> None:
    digest = store.add(b"half of a build")
    with pytest.raises(StoreBusyError):
        prune(store, set(), dry_run=False)
    run = env("store", "prune", "--store", store.root)
    assert run.returncode == 75
    assert "run it again when that has ended" in run.stderr
    assert digest in store
    with store.in_use():
        pass  # others may use it too
    # A process that is killed holds nothing.
    user_of.kill()
    user_of.wait()
    prune(store, set(), dry_run=False)
    assert digest not in store


def test_what_a_killed_build_had_begun_is_swept_once_nobody_uses_the_store(
    store: Store, user_of: subprocess.Popen[str]
) -> None:
    download = store.partial / hashlib.sha256(b"a file").hexdigest()
    for path in (download, store.partial / "new-left"):
        path.write_bytes(b"half")
    (store.partial / "python-left").mkdir()
    (store.partial / "python-left" / "file").write_bytes(b"1234")
    with store.in_use():
        assert len(list(store.partial.iterdir())) == 3, "another process may be at work on these"
    user_of.kill()
    user_of.wait()
    with store.in_use():
        # A download goes on where it stopped.
        assert list(store.partial.iterdir()) == [download]


def test_a_prune_of_a_store_says_what_it_does(store: Store) -> None:
    digest = store.add(b"nobody's")
    run = env("store", "prune", "--store", store.root, "--dry-run", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["content"] == [digest]
    assert "would remove 1 files" in run.stderr
    assert digest in store
    assert env("store", "prune", "--store", store.root).returncode == 0
    assert digest not in store
    assert env("store", "prune", "--keep", store.root).returncode == 2


def test_every_lock_of_this_checkout_is_needed() -> None:
    written = [*(REPOSITORY / "env" / "locks").glob("*.lock"), REPOSITORY / "pixi.lock"]
    digests = {digest for path in written for digest in re.findall(r"sha256\W+([0-9a-f]{64})", path.read_text())}
    assert len(digests) > 500
    # pixi.lock also has environments of the developers'.
    assert len(digests - locked(Tree())) < len(digests) / 2
    locks = "".join(path.read_text() for path in written[:-1])
    assert set(re.findall(r'sha256 = "([0-9a-f]{64})"', locks)) <= locked(Tree())


def test_a_copy_holds_what_the_locks_need_and_nothing_else(store: Store, tmp_path: Path) -> None:
    lock = lock_of(store, b"one", b"two" * 1000)
    store.add(b"not in the lock")
    target = Store(tmp_path / "copy")
    told: list[int] = []
    done = copy(store, [lock, lock], target, told.append)
    assert (done.files, done.size, done.there) == (2, 3003, 0)
    assert sum(told) == 3003
    assert {path.name for path in contents(target)} == {file.sha256 for file in lock.files}
    assert damaged(target, lambda _: None) == []
    again = copy(store, [lock], target, told.append)
    assert (again.files, again.there) == (0, 2)
    # On one filesystem a copy costs nothing.
    assert all(path.stat().st_nlink == 2 for path in contents(target))


def test_a_copy_to_another_filesystem_is_read_again_on_the_way(store: Store, tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")  # noqa: S108 - another filesystem, wherever the tests run
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip(reason("another filesystem", f"mount one at {elsewhere}"))
    lock = lock_of(store, os.urandom(3_000_000))
    target = Store(elsewhere / f"store-{os.getpid()}")
    try:
        copy(store, [lock], target, lambda _: None)
        assert damaged(target, lambda _: None) == []
        assert [path.name for path in contents(target)] == [lock.files[0].sha256]
        assert list(target.partial.iterdir()) == []
    finally:
        subprocess.run(["rm", "-r", target.root], check=True)


def test_a_damaged_or_missing_file_is_not_copied(store: Store, tmp_path: Path) -> None:
    lock = lock_of(store, b"good", b"bad")
    target = Store(tmp_path / "copy")
    spoil(store.path(lock.files[1].sha256))
    with pytest.raises(StoreCorruptError):
        copy(store, [lock], target, lambda _: None)
    assert lock.files[1].sha256 not in target
    store.path(lock.files[1].sha256).unlink()
    with pytest.raises(StoreMissError):
        copy(store, [lock], target, lambda _: None)


def test_a_folder_with_something_else_is_not_copied_into(store: Store, tmp_path: Path) -> None:
    lock = lock_of(store, b"one")
    (tmp_path / "thesis.tex").write_text("years of work")
    for place, why in ((tmp_path, "exists and is no store"), (store.root, "is the store itself")):
        with pytest.raises(StorePlaceError, match=why):
            copy(store, [lock], Store(place), lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "thesis.tex"]


def test_a_full_disk_is_told(store: Store, tmp_path: Path) -> None:
    lock = lock_of(store, os.urandom(3_000_000))
    script = f"""
import sys
from pathlib import Path
from env.errors import StoreFullError
from env.formats.lock import Lock, LockedFile
from env.platforms import AMD64
from env.store.store import Store
from env.store.upkeep import copy
file = LockedFile("p", "1", "p", "{lock.files[0].sha256}", 3_000_000)
try:
    copy(Store(Path(sys.argv[1])), [Lock("debian", AMD64, "", (file,))], Store(Path(sys.argv[2])), print)
except StoreFullError as error:
    sys.exit(error.exit_code)
"""
    small = tmp_path / "small"
    small.mkdir()
    inside = f'mount -t tmpfs -o size=1m none "{small}" && "$@"; code=$?; ls -A "{small}/partial"; exit $code'
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, "sh"]
    run = subprocess.run(
        [*words, sys.executable, "-c", script, store.root, small],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in run.stderr or "mount:" in run.stderr:
        no_namespaces(run.stderr)
    assert run.returncode == StoreFullError.exit_code, run.stderr
    assert run.stdout == "", "something half-made is left"
