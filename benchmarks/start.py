"""How long a server takes from its start to the first answer to tools/list, beside a plain JupyterLab's to its own."""

from __future__ import annotations

import asyncio
import shutil
import time

import httpx
import psutil  # type: ignore[import-untyped]

from .client import Agent
from .errors import CallError, ServerError
from .samples import Results
from .server import START_WITHIN, Server
from .subjects import OURS, Subject

MEASURE = "start"
PLAIN = "plain JupyterLab"
ANSWERS = "the first answer"
PROCESSOR = "the first answer, processor time"
_OFF = "--ServerApp.jpserver_extensions={'jupyter_mcp': False, 'benchmark_floor': False}"
_LOOK_EVERY = 0.02  # seconds


async def measure(subjects: list[Subject], results: Results, rounds: int) -> None:
    """Start each by itself, in turn; a plain JupyterLab is ours without the extension, asked for /api/status."""
    for subject in subjects:
        subject.server.stop()
    try:
        for number in range(-1, rounds):
            kept = results if number >= 0 else Results()  # the first writes bytecode and warms the disk's cache
            turn = number % len(subjects)
            for subject in subjects[turn:] + subjects[:turn]:
                if subject.name == OURS:
                    await _plain(subject.server, kept)
                await _once(subject.server, subject, subject.name, kept)
    finally:
        for subject in subjects:
            await subject.server.start()


async def _plain(server: Server, results: Results) -> None:
    home = server.home.with_name(f"{server.home.name}-plain")
    try:
        await _once(Server(server.python, home, (_OFF,)), None, PLAIN, results)
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _once(server: Server, subject: Subject | None, name: str, results: Results) -> None:
    began = time.perf_counter()
    server.begin()
    try:
        while not await _answers(server, subject):
            if server.ended or time.perf_counter() - began > START_WITHIN:
                raise ServerError(f"{name} did not answer within {START_WITHIN:g} s")
            await asyncio.sleep(_LOOK_EVERY)
        took = time.perf_counter() - began
        used = psutil.Process(server.pid).cpu_times()
        results.series(MEASURE, ANSWERS, name, unit="s").values.append(took)
        results.series(MEASURE, PROCESSOR, name, unit="s").values.append(used.user + used.system)
    finally:
        server.stop()


async def _answers(server: Server, subject: Subject | None) -> bool:
    try:
        if subject is None:
            async with httpx.AsyncClient(headers={"Authorization": f"token {server.token}"}) as client:
                return (await client.get(f"{server.url}api/status")).is_success
        agent = await Agent(subject.url, subject.token).connect()
        try:
            return bool((await agent.tools()).result["tools"])
        finally:
            await agent.close()
    except (CallError, OSError, EOFError, ValueError, httpx.TransportError):
        return False
