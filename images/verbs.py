"""How each verb of a check is tried on a target; what is found instead of the promise is raised as `UnmetError`."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import httpx
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError

from images.checks import Check, CommandCheck, FileCheck, HttpCheck, McpCheck, ProcessCheck, UserCheck, Variables
from images.sandbox import Sandbox, Service

COMMAND_TIMEOUT_S = 120
REPLY_TIMEOUT_S = 180


class UnmetError(Exception):
    """What was found instead of what a check promises."""


@dataclass(frozen=True)
class Target:
    """An image under test."""

    sandbox: Sandbox
    variables: Variables
    token: str
    """What authenticates MCP clients."""
    service: Service | None = None
    """The running image, for checks of scope ``deploy``."""


def try_check(check: Check, target: Target) -> None:
    """Try one check once.

    Raises:
        UnmetError: it does not hold.

    """
    try:
        filled = type(check).model_validate(target.variables.fill(check.model_dump(by_alias=True)))
    except KeyError as error:
        raise UnmetError(f"there is no value for ${{{error.args[0]}}} here") from None
    if target.service is not None and not target.service.running:
        raise UnmetError(f"the image ended with {target.service.process.returncode}")
    _TRIALS[type(filled)](filled, target)


def _try_file(check: FileCheck, target: Target) -> None:
    path = target.sandbox.on_host(check.file)
    kind = "link" if path.is_symlink() else "directory" if path.is_dir() else "file" if path.is_file() else "nothing"
    if kind != check.type:
        raise UnmetError(f"{check.file} is {kind}, not {check.type}")
    if check.contains is not None and check.contains not in path.read_text(encoding="utf-8", errors="replace"):
        raise UnmetError(f"{check.file} does not contain {check.contains!r}")


def _try_command(check: CommandCheck, target: Target) -> None:
    try:
        done = target.sandbox.run(check.command, COMMAND_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise UnmetError(f"it did not end within {COMMAND_TIMEOUT_S} s") from None
    if done.returncode != check.exit_code:
        last = done.stderr.strip().rpartition("\n")[2]
        raise UnmetError(f"it ended with {done.returncode}, not {check.exit_code}: {last}")
    if check.stdout is not None and check.stdout.contains not in done.stdout:
        raise UnmetError(f"it printed {done.stdout[:200]!r}, without {check.stdout.contains!r}")


def _try_http(check: HttpCheck, _target: Target) -> None:
    try:
        # The image is on this host: no proxy of the user's is asked.
        with httpx.Client(trust_env=False, timeout=REPLY_TIMEOUT_S) as client:
            reply = client.request(check.method, check.http)
    except httpx.HTTPError as error:
        raise UnmetError(f"{check.http} does not answer ({type(error).__name__})") from None
    if reply.status_code not in check.statuses:
        raise UnmetError(f"{check.http} answers {reply.status_code}, not {' or '.join(map(str, check.statuses))}")
    if check.body is not None and check.body.contains not in reply.text:
        raise UnmetError(f"{check.http} answers {reply.text[:200]!r}, without {check.body.contains!r}")


def _try_user(check: UserCheck, target: Target) -> None:
    if target.service is None:
        done = target.sandbox.run(["id"], COMMAND_TIMEOUT_S)
        if not done.stdout.startswith(f"uid={check.uid}({check.user}) "):
            raise UnmetError(f"it runs as {done.stdout.strip() or done.stderr.strip()}")
        return
    others = [one for one in target.service.processes() if one.uid != check.uid]
    if others:
        raise UnmetError(f"{' '.join(others[0].words)} runs as uid {others[0].uid}")


def _try_process(check: ProcessCheck, target: Target) -> None:
    running = target.service.processes() if target.service is not None else []
    # An emulator, an interpreter and the program itself may each be a word of the command line.
    if not any(PurePosixPath(word).name == check.process for one in running for word in one.words):
        raise UnmetError(f"no process is called {check.process}")


def _try_mcp(check: McpCheck, target: Target) -> None:
    try:
        asyncio.run(_ask(check, target.token))
    except UnmetError:
        raise
    except Exception as error:  # noqa: BLE001 - boundary: whatever the client or the transport says is what was found
        raise UnmetError(f"{check.mcp}: {type(error).__name__}: {str(error)[:300]}") from None


async def _ask(check: McpCheck, token: str) -> None:
    transport = StreamableHttpTransport(check.mcp, headers={"Authorization": f"Bearer {token}"})
    async with Client(transport, timeout=REPLY_TIMEOUT_S) as client:
        if check.do == "ping":
            await client.ping()
        elif check.do == "list-tools":
            tools = await client.list_tools()
            if check.count is not None and len(tools) != check.count:
                raise UnmetError(f"it lists {len(tools)} tools, not {check.count}")
        else:
            await _call(client, check)


async def _call(client: Client[Any], check: McpCheck) -> None:
    try:
        reply = await client.call_tool(str(check.tool), check.arguments)
    except ToolError as error:
        raise UnmetError(f"{check.tool} fails: {error}") from None
    text = json.dumps(reply.structured_content, sort_keys=True)
    if check.result is not None and check.result.contains not in text:
        raise UnmetError(f"{check.tool} gives {text[:200]}, without {check.result.contains!r}")


_TRIALS: dict[type[Any], Callable[[Any, Target], None]] = {
    FileCheck: _try_file,
    CommandCheck: _try_command,
    HttpCheck: _try_http,
    UserCheck: _try_user,
    ProcessCheck: _try_process,
    McpCheck: _try_mcp,
}
