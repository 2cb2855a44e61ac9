"""On request each call that changes or runs something is in a file of its owner's, and no disk holds up a call."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_events import EventLogger

from jupyter_mcp.rooms.live import revision
from jupyter_mcp.steering.activity import SCHEMAS, TOOL_CALL
from jupyter_mcp.steering.audit import HIDDEN, AuditLog
from jupyter_mcp.steering.audit_file import AuditFile
from tests.support.bridge import TOKEN
from tests.support.fake_kernel import FakeKernel
from tests.support.served import ERAS, Served, run
from tests.support.small_disk import small_disks

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # upstream's streams

SECRET = f"a text that only the cell has, and {TOKEN}"
LOG = logging.getLogger("audit")


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def audited(path: Path, job: Callable[[Served], Any], folder: Path, **options: Any) -> list[dict[str, Any]]:
    """Run `job` on a server with an audit log; return the log's lines."""
    audit = AuditLog(AuditFile(path, largest=10 << 20, kept=2), LOG, secret=lambda: TOKEN, **options)
    audit.start()
    run(folder, job, audit=audit)
    audit.close(20)
    return lines_of(path)


async def some_work(at: Served, era: str) -> None:
    """Read, change, fail, run a cell and run code, as an agent."""
    at.write("n.ipynb", "one", "two")
    async with at.agent(era=era) as client:
        for tool, more in (
            ("get_notebook", {}),
            ("update_cell", {"cell_id": "id-0", "source": SECRET}),
            ("execute_cell", {"cell_id": "id-0"}),
            ("run_code", {"code": SECRET}),
            ("delete_cell", {"cell_id": "id-1"}),
        ):
            await client.call_tool(tool, {"path": "n.ipynb", **more})


@pytest.mark.parametrize("era", ERAS)
def test_each_call_has_its_lines_in_a_file_of_its_owners_without_a_source_or_token(tmp_path: Path, era: str) -> None:
    path = tmp_path / "logs" / "audit.jsonl"
    events: list[dict[str, Any]] = []

    async def job(at: Served) -> None:
        await some_work(at, era)
        events.extend(event for schema, event in at.events if schema == TOOL_CALL)

    lines = audited(path, job, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(line["tool"], line["phase"], line["outcome"]) for line in lines] == [
        ("update_cell", "ended", "done"),
        ("execute_cell", "began", None),
        ("execute_cell", "ended", "done"),
        ("run_code", "began", None),
        ("run_code", "ended", "done"),
        ("delete_cell", "ended", "done"),
    ]
    assert all(line["time"].endswith("+00:00") for line in lines)
    assert {(line["agent"]["name"], line["agent"]["client"], line["notebook"]) for line in lines} == {
        ("Claude Code", "Claude Code", "n.ipynb")
    }
    old, new = revision("code", "one"), revision("code", SECRET)
    assert lines[0]["cells"] == [
        {"id": "id-0", "changed": True, "ran": False, "revision_before": old, "revision_after": new}
    ]
    assert (lines[4]["cells"], lines[4]["code"]) == ([], True)
    assert "a text that only" not in path.read_text()
    for line, event in zip(lines, events, strict=True):
        same = {key: line[key] for key in event if key != "agent"}
        assert same == {key: value for key, value in event.items() if key != "agent"}
        assert {**line["agent"], "user": line["user"]} == {**event["agent"], "client": "Claude Code"}


def test_the_events_schema_knows_all_that_is_told(tmp_path: Path) -> None:
    async def job(at: Served) -> None:
        await some_work(at, "auto")
        logger = EventLogger()
        for schema in SCHEMAS.glob("*.yaml"):
            logger.register_event_schema(schema)
        logger.add_listener(schema_id=TOOL_CALL, listener=hear)
        for told, data in at.events:
            assert logger.emit(schema_id=told, data=data) is not None
        await logger.gather_listeners()

    heard: list[dict[str, Any]] = []

    async def hear(logger: EventLogger, schema_id: str, data: dict[str, Any]) -> None:
        heard.append(data)

    run(tmp_path, job)
    assert len(heard) == 6
    assert {data["agent"]["user"] for data in heard} == {None}  # the token is the server's own


def test_sources_are_there_when_they_are_asked_for_and_the_token_never(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    async def job(at: Served) -> None:
        await some_work(at, "auto")

    lines = audited(path, job, tmp_path, sources=True)
    shown = SECRET.replace(TOKEN, HIDDEN)
    assert [[cell["source"] for cell in line["cells"]] for line in lines] == [[shown], [shown], [shown], [], [], [None]]
    assert [line.get("source") for line in lines] == [None, None, None, shown, shown, None]
    assert TOKEN not in path.read_text()


def test_what_runs_after_its_call_has_answered_is_told_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    go_on = asyncio.Event()

    async def script(kernel: FakeKernel) -> None:
        kernel.status("busy")
        await go_on.wait()
        kernel.done()

    async def job(at: Served) -> None:
        at.write("n.ipynb", "one", "two")
        at.seat.fake.script = script
        async with at.agent() as client:
            reply = await client.call_tool("run_cells", {"path": "n.ipynb", "wait": 0.01})
            assert reply.structured_content is not None
            go_on.set()
            await client.call_tool("get_run", {"run_id": reply.structured_content["run"]})

    lines = audited(path, job, tmp_path)
    assert len({line["call"] for line in lines}) == 1
    assert [line["running"] for line in lines if line["phase"] == "began"] == ["id-0", "id-1"]
    of_the_call, of_the_run = [line for line in lines if line["phase"] == "ended"]
    assert of_the_run["running"] is None
    ran = [[cell["id"] for cell in line["cells"] if cell["ran"]] for line in (of_the_call, of_the_run)]
    assert ran in ([["id-0"], ["id-0", "id-1"]], [[], ["id-0", "id-1"]])  # the first began before the reply, or after


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("elsewhere"),
        os.mkfifo,
        lambda path: path.parent.rmdir() or path.parent.write_text("a file where the folder should be"),
    ],
)
def test_a_path_that_can_not_be_written_is_told_at_the_start_and_stops_no_call(
    tmp_path: Path, make: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "logs" / "audit.jsonl"
    path.parent.mkdir()
    make(path)
    audit = AuditLog(AuditFile(path, largest=0, kept=0), LOG)
    with caplog.at_level(logging.ERROR):
        audit.start()
        audit.close(20)
        assert "can't be written" in caplog.text
        audit.start()
        run(tmp_path, lambda at: some_work(at, "auto"), audit=audit)
        audit.close(20)
    assert caplog.text.count("can't be written") == 1


def test_a_full_disk_is_told_once_and_the_file_says_how_many_lines_it_lacks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disks("64k", folder) as disks, caplog.at_level(logging.WARNING):
        (disk,) = disks.disks
        path = disk.seen / "audit.jsonl"
        audit = AuditLog(AuditFile(path, largest=0, kept=0), LOG)
        audit.start()
        for name in ("one", "two", "three", "four"):
            (tmp_path / name).mkdir()
        run(tmp_path / "one", lambda at: some_work(at, "auto"), audit=audit)
        audit.close(20)
        whole = path.read_bytes()
        disk.fill()
        for name in ("two", "three"):
            audit.start()
            run(tmp_path / name, lambda at: some_work(at, "auto"), audit=audit)
            audit.close(20)
        assert path.read_bytes().startswith(whole)
        assert path.read_bytes().endswith(b"\n")
        # A short line may fit in where a longer one did not: then it is written again, and full again.
        told = caplog.text.count("can't be written (No space left on device)")
        assert told == 1 + caplog.text.count("is written again")
        disk.free()
        audit.start()
        run(tmp_path / "four", lambda at: some_work(at, "auto"), audit=audit)
        audit.close(20)
        lines = lines_of(path)
        gaps = [line["lost"] for line in lines if "lost" in line]
        assert len(gaps) == told
        assert len(lines) - len(gaps) + sum(gaps) == 4 * 6
        assert "is written again" in caplog.text


def test_a_large_log_is_put_aside_and_a_few_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path, largest=100, kept=2)
    for number in range(20):
        file.append([json.dumps({"number": number, "filling": "x" * 40})])
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert all(one.stat().st_size <= 100 for one in tmp_path.iterdir())
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o600 for one in tmp_path.iterdir())
    assert [line["number"] for name in reversed(names) for line in lines_of(tmp_path / name)] == [17, 18, 19]


def test_a_log_that_another_server_begins_while_one_puts_its_own_aside_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text('{"of": "before"}\n')
    replace = Path.replace

    def and_another_begins(old: Path, new: Path) -> Path:
        moved = replace(old, new)
        if old == path:
            path.write_text('{"of": "another"}\n')
            path.chmod(0o600)
        return moved

    monkeypatch.setattr(Path, "replace", and_another_begins)
    AuditFile(path, largest=20, kept=1).append(['{"of": "us"}'])
    assert [line["of"] for one in (path.with_name("audit.jsonl.1"), path) for line in lines_of(one)] == [
        "before",
        "another",
        "us",
    ]


def test_servers_that_share_a_log_lose_no_line_when_it_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    def write(who: int) -> None:
        for number in range(100):
            AuditFile(path, largest=1000, kept=1000).append([json.dumps({"who": who, "number": number})])

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [(line["who"], line["number"]) for one in tmp_path.iterdir() for line in lines_of(one)]
    assert sorted(found) == [(who, number) for who in range(4) for number in range(100)]


def test_a_disk_that_hangs_holds_up_no_call_and_what_is_too_much_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    whole = AuditFile.append

    def hang(self: AuditFile, lines: list[str]) -> None:
        go_on.wait(60)
        whole(self, lines)

    monkeypatch.setattr(AuditFile, "append", hang)
    monkeypatch.setattr("jupyter_mcp.steering.audit._WAITING", 3)
    path = tmp_path / "audit.jsonl"
    audit = AuditLog(AuditFile(path, largest=0, kept=0), LOG)
    audit.start()
    run(tmp_path, lambda at: some_work(at, "auto"), audit=audit)
    go_on.set()
    audit.close(20)
    lines = lines_of(path)
    assert sum(line.get("lost", 1) for line in lines) == 6
    assert any("lost" in line for line in lines)
