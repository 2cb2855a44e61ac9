"""The bridge holds under clients that send half, too much, or leave; and under an application that breaks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from jupyter_server.auth.identity import PasswordIdentityProvider
from traitlets.config import Config

from jupyter_mcp.transport.boundary import passes
from jupyter_mcp.transport.endpoint import Receive, Scope, Send
from tests.support.bridge import TOKEN, Bridge, bridge, echo, until

POST = "POST /mcp HTTP/1.1"


class Panic(BaseException):
    """As pycrdt's PanicException: no Exception."""


async def post(at: Bridge, content: bytes = b"{}", **headers: str) -> httpx.Response:
    async with at.client(**headers) as client:
        return await client.post(at.url, content=content)


def test_a_body_comes_through_and_the_answer_comes_back() -> None:
    async def run() -> None:
        async with bridge() as at:
            assert (await post(at, b"x" * 70_000)).text == "70000"
            assert (await post(at, b"")).text == "0"
            async with at.client() as client:
                assert (await client.get(at.url)).text == "0"
                assert (await client.delete(at.url)).text == "0"
            assert (at.endpoint.running, at.endpoint.listening, len(at.endpoint.arrivals)) == (0, 0, 0)

    asyncio.run(run())


@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE", "PUT", "OPTIONS", "BREW"])
def test_nothing_is_answered_without_the_token(verb: str) -> None:
    async def run() -> None:
        async with bridge() as at, httpx.AsyncClient() as client:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "a=b"}):
                reply = await client.request(verb, at.url, headers=headers)
                assert reply.status_code in {401, 403, 405}, (headers, reply.text)
            assert (await client.request(verb, f"{at.url}?token={TOKEN}")).status_code in {401, 403, 405}
            assert TOKEN not in at.log

    asyncio.run(run())


@pytest.mark.parametrize("open_to_all", [True, False], ids=["as Jupyter is", "allow_unauthenticated_access=False"])
def test_a_missing_or_wrong_token_is_401_which_says_what_to_send(open_to_all: bool) -> None:
    async def run() -> None:
        async with (
            bridge(settings={"allow_unauthenticated_access": open_to_all}) as at,
            httpx.AsyncClient(timeout=20) as client,
        ):
            for verb in ("GET", "POST", "DELETE"):
                for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "token wrong"}):
                    reply = await client.request(verb, at.url, headers=headers)
                    assert reply.status_code == 401, (verb, headers, reply.text)
                    assert reply.headers["www-authenticate"] == "Bearer"
                    assert "oken" in reply.json()["error"] or "TOKEN" in reply.json()["error"]

    asyncio.run(run())


def test_what_was_uploaded_by_a_client_that_left_is_freed_at_once() -> None:
    async def run() -> None:
        async with bridge(max_body_bytes=16 << 20, max_streams=64) as at:
            gc.collect()
            gc.disable()
            tracemalloc.start()
            try:
                for _ in range(8):
                    _, writer = await at.raw(f"{POST}\r\nContent-Length: {8 << 20}", b"x" * (4 << 20))
                    await until(lambda: len(at.endpoint.arrivals) == 1)
                    writer.close()
                    await until(lambda: len(at.endpoint.arrivals) == 0)
                kept, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
                gc.enable()
            assert kept < 8 << 20, f"{kept >> 20} MiB of 32 are still there"

    asyncio.run(run())


def test_half_sent_bodies_keep_nobody_out() -> None:
    async def run() -> None:
        async with bridge(max_streams=4) as at:
            halves = [await at.raw(f"{POST}\r\nContent-Length: 10", b"12345") for _ in range(9)]
            await until(lambda: len(at.endpoint.arrivals) == 4)
            assert (await post(at)).text == "2"
            # The oldest were told, and cut off.
            assert (await halves[0][0].readline()).startswith(b"HTTP/1.1 408")
            await halves[0][0].read()
            for _, writer in halves:
                writer.close()
            await until(lambda: len(at.endpoint.arrivals) == 0)

    asyncio.run(run())


def test_a_body_that_does_not_come_to_its_end_is_cut_off() -> None:
    async def run() -> None:
        async with bridge(body_timeout=0.05) as at:
            for more in ("Content-Length: 99", "Transfer-Encoding: chunked"):
                reader, writer = await at.raw(f"{POST}\r\n{more}", b"5\r\n12345\r\n")
                answer = await reader.read()  # to its end: the connection is closed
                assert answer.startswith(b"HTTP/1.1 408")
                assert b"did not arrive in time" in answer
                writer.close()
            assert len(at.endpoint.arrivals) == 0

    asyncio.run(run())


def test_idle_streams_and_running_requests_are_counted_apart() -> None:
    release = asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        if scope["method"] == "GET" or b"wait" in (await receive())["body"]:
            await release.wait()

    async def run() -> None:
        async with bridge(waiting, max_streams=2) as at:
            streams = [await at.raw("GET /mcp HTTP/1.1") for _ in range(2)]
            await until(lambda: at.endpoint.listening == 2)
            async with at.client() as client:
                assert (await client.get(at.url)).status_code == 503
            assert (await post(at)).status_code == 200
            running = [await at.raw(f"{POST}\r\nContent-Length: 4", b"wait") for _ in range(2)]
            await until(lambda: at.endpoint.running == 2)
            refused = await post(at)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "1"
            release.set()
            await until(lambda: (at.endpoint.listening, at.endpoint.running) == (0, 0))
            for _, writer in (*streams, *running):
                writer.close()

    asyncio.run(run())


BODIES = {
    "a million keys": b"{" + b",".join(b'"%d":1' % at for at in range(1_000_000)) + b"}",
    "a million strings": b"[" + b'"a" ' * 1_000_000 + b"," * 300 + b"]",
    "ten thousand arrays in one another": b"[" * 10_000 + b"]" * 10_000,
    "ten thousand objects in one another": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(name: str) -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    async def run() -> None:
        async with bridge(never, max_body_bytes=16 << 20) as at:
            reply = await post(at, BODIES[name])
            assert reply.status_code == 413
            assert len(reply.text) < 200

    asyncio.run(run())


def test_a_long_source_full_of_commas_is_no_complex_body() -> None:
    async def run() -> None:
        async with bridge(max_body_bytes=16 << 20) as at:
            body = b'{"source": "' + b'[1, {}, \\"a\\"], ' * 200_000 + b'"}'
            assert (await post(at, body)).text == str(len(body))

    asyncio.run(run())


def test_a_panic_of_the_application_is_an_answer() -> None:
    async def panics(scope: Scope, receive: Receive, send: Send) -> None:
        raise Panic("int too large")

    async def run() -> None:
        async with bridge(panics) as at:
            for _ in range(2):
                reply = await post(at)
                assert reply.status_code == 500
                assert "Panic" in reply.text
            assert "An MCP request failed" in at.log
            assert at.endpoint.running == 0

    asyncio.run(run())


def test_an_application_that_ended_is_started_anew() -> None:
    lives = 0
    breaking = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        nonlocal lives
        lives += 1
        async with asyncio.TaskGroup() as group:
            task = group.create_task(break_when_told())
            yield
            task.cancel()

    async def break_when_told() -> None:
        await breaking.wait()
        breaking.clear()
        raise Panic

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if b"wait" in (await receive())["body"]:
            await asyncio.Event().wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def run() -> None:
        async with bridge(app, lifespan) as at:
            stateful = asyncio.create_task(post(at, b"wait"))
            modern = asyncio.create_task(post(at, b"wait", **{"MCP-Protocol-Version": "2026-07-28"}))
            await until(lambda: at.endpoint.running == 2)
            for round_ in range(3):
                breaking.set()
                await until(lambda expected=round_ + 2: lives == expected)  # type: ignore[misc]
                assert (await post(at)).status_code == 200
            # Whose session is gone hears so; who needs none goes on.
            answer = await stateful
            assert answer.status_code == 503
            assert "open a new one" in answer.text
            assert not modern.done()
            modern.cancel()
            assert at.log.count("started anew") == 3

    asyncio.run(run())


def test_requests_wait_while_the_application_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_mcp.transport.endpoint.UP_WITHIN", 0.02)
    down = asyncio.Event()
    up = asyncio.Event()
    first = True

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        nonlocal first
        if first:
            first = False
            async with asyncio.TaskGroup() as group:
                group.create_task(failing())
                yield
        else:
            await up.wait()
            yield

    async def failing() -> None:
        await down.wait()
        raise OSError

    async def run() -> None:
        async with bridge(echo, lifespan) as at:
            down.set()
            await until(lambda: "started anew" in at.log)
            assert (await post(at)).status_code == 503
            up.set()
            assert await at.endpoint.up()
            assert (await post(at)).status_code == 200

    asyncio.run(run())


def test_a_start_that_fails_is_raised_and_not_repeated() -> None:
    starts = 0

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        nonlocal starts
        starts += 1
        raise OSError("no")
        yield

    async def run() -> None:
        with pytest.raises(OSError, match="no"):
            async with bridge(echo, lifespan):
                pass

    asyncio.run(run())
    assert starts == 1


def test_a_stop_ends_what_runs() -> None:
    async def forever(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        async with bridge(forever) as at:
            waiting = asyncio.create_task(post(at))
            await until(lambda: at.endpoint.running == 1)
            await at.endpoint.stop()
            await waiting
            assert at.endpoint.running == 0

    asyncio.run(run())


def test_a_task_that_will_not_end_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_mcp.transport.endpoint.STOP_WITHIN", 0.01)

    async def run() -> None:
        async with bridge() as at:
            release = asyncio.Event()

            async def stubborn() -> None:
                with at.endpoint.serving(session=False):
                    while not release.is_set():
                        with contextlib.suppress(asyncio.CancelledError):
                            await release.wait()

            task = asyncio.create_task(stubborn())
            await asyncio.sleep(0)
            await at.endpoint.stop()
            assert "1 MCP requests did not end" in at.log
            release.set()
            await task

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "is_no_fault"),
    [
        (asyncio.CancelledError(), True),
        (KeyboardInterrupt(), True),
        (SystemExit(), True),
        (GeneratorExit(), True),
        (Panic(), False),
        (ValueError(), False),
        (BaseExceptionGroup("", [Panic(), asyncio.CancelledError()]), False),
        (BaseExceptionGroup("", [Panic(), BaseExceptionGroup("", [SystemExit()])]), True),
        (BaseExceptionGroup("", [asyncio.CancelledError()]), True),
    ],
)
def test_cancelling_and_the_end_of_the_process_pass(error: BaseException, is_no_fault: bool) -> None:
    assert passes(error) is is_no_fault


ORIGINS: list[tuple[str, dict[str, Any], int]] = [
    ("http://[::1", {}, 403),
    ("http://[bad]", {}, 403),
    ("", {}, 403),
    ("null", {}, 403),
    ("http://evil.example", {}, 403),
    ("https://good.example", {"allow_origin": "https://good.example"}, 200),
    ("https://good.example.evil", {"allow_origin": "https://good.example"}, 403),
    ("https://any.example", {"allow_origin": "*"}, 200),
    ("https://a.good.example", {"allow_origin_pat": r"https://\w+\.good\.example"}, 200),
    ("https://a.good.example.evil", {"allow_origin_pat": r"https://\w+\.good\.example"}, 403),
]


@pytest.mark.filterwarnings("ignore:allow_origin_pat")
@pytest.mark.parametrize(("origin", "settings", "status"), ORIGINS)
def test_the_origins_of_pages(origin: str, settings: dict[str, Any], status: int) -> None:
    async def run() -> None:
        async with bridge(settings=settings) as at:
            reply = await post(at, Origin=origin)
            assert reply.status_code == status, reply.text
            if status == 200:
                assert reply.headers["Access-Control-Allow-Origin"] == origin
                assert "Mcp-Session-Id" in reply.headers["Access-Control-Expose-Headers"]

    asyncio.run(run())


def test_a_preflight_is_answered_to_the_configured_origins_alone() -> None:
    async def ask(at: Bridge, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            asked = {"Access-Control-Request-Method": "POST", **headers}
            return await client.request("OPTIONS", at.url, headers=asked)

    async def run() -> None:
        async with bridge(settings={"allow_origin": "https://good.example"}) as at:
            wanted = {"Origin": "https://good.example"}
            reply = await ask(
                at,
                **wanted,
                **{"Access-Control-Request-Headers": "authorization,mcp-session-id,mcp-param-path,x-evil"},
            )
            assert reply.status_code == 204
            assert reply.text == ""
            assert reply.headers["Access-Control-Allow-Origin"] == "https://good.example"
            allowed = reply.headers["Access-Control-Allow-Headers"].lower()
            for name in ("authorization", "mcp-session-id", "mcp-protocol-version", "mcp-param-path", "content-type"):
                assert name in allowed
            assert "x-evil" not in allowed
            assert "POST" in reply.headers["Access-Control-Allow-Methods"]
            assert reply.headers["Vary"] == "Origin"
            assert "set-cookie" not in reply.headers
            # Everybody else gets what a request without a token gets.
            assert (await ask(at, Origin="https://evil.example")).status_code in {401, 403}
            assert (await ask(at)).status_code in {401, 403}
            assert (await ask(at, **wanted, Host="rebound.example")).status_code in {401, 403}
            refused = await post(at, Authorization="Bearer wrong", **wanted)
            assert refused.status_code in {401, 403}
            assert refused.headers["Access-Control-Allow-Origin"] == "https://good.example"
        async with bridge() as at:
            assert (await ask(at, Origin=f"http://127.0.0.1:{at.port}")).status_code in {401, 403}

    asyncio.run(run())


def test_refusals_say_why_and_wait_for_a_small_body() -> None:
    async def run() -> None:
        async with bridge() as at:
            assert (await post(at, b"x" * (2 << 20))).status_code == 413
            reader, writer = await at.raw(f"{POST}\r\nContent-Length: many", b"")
            assert (await reader.readline()).split()[1] == b"400"
            writer.close()

            async def chunks() -> AsyncIterator[bytes]:
                for _ in range(17):
                    yield b"x" * (64 << 10)

            async with at.client() as client:
                assert (await client.post(at.url, content=chunks())).status_code in {400, 413}
                refused = await client.put(at.url, content=b"{}")
            assert refused.status_code == 405
            assert refused.headers["Allow"] == "GET, POST, DELETE"

    asyncio.run(run())


def test_without_authentication_it_is_closed_unless_it_is_opened() -> None:
    async def run() -> None:
        open_server = {
            "identity_provider": PasswordIdentityProvider(config=Config({"IdentityProvider": {"token": ""}}))
        }
        async with bridge(settings=open_server) as at, httpx.AsyncClient() as client:
            assert (await client.post(at.url, content=b"{}")).status_code == 403
        async with bridge(settings=open_server, allow_unauthenticated=True) as at, httpx.AsyncClient() as client:
            assert (await client.post(at.url, content=b"{}")).status_code == 200

    asyncio.run(run())


def test_the_token_reaches_no_application() -> None:
    seen: list[Scope] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await echo(scope, receive, send)

    async def run() -> None:
        async with bridge(look) as at:
            assert (await post(at)).status_code == 200

    asyncio.run(run())
    assert TOKEN not in repr([seen[0]["headers"], seen[0]["query_string"], seen[0]["user"].__dict__])
