"""How each verb of a check is tried on a target; what is found instead of the promise is raised as `UnmetError`."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import httpx
from fastmcp.exceptions import ToolError
from packaging.specifiers import SpecifierSet

from images.check.mcp_client import REPLY_TIMEOUT_S, ask
from images.check.packages import installed
from images.check.sandbox import Sandbox
from images.check.service import Service
from images.limits import REPLY, SEARCHED, plain
from images.oci.rooted import Root
from images.recipe.checks import (
    CHECK,
    AddrCheck,
    Check,
    CommandCheck,
    FileCheck,
    HttpCheck,
    McpCheck,
    PackageCheck,
    ProcessCheck,
    ServiceCheck,
    UserCheck,
    Variables,
)

COMMAND_TIMEOUT_S = 120
CONNECT_TIMEOUT_S = 10
NEEDS_NO_CONTAINER = (HttpCheck, AddrCheck, McpCheck)


class UnmetError(Exception):
    """What was found instead of what a check promises."""


class OutOfReachError(Exception):
    """A check that can't be tried here: it looks inside a container that runs elsewhere."""


@dataclass(frozen=True)
class Target:
    """An image under test."""

    sandbox: Sandbox | None
    """None where only the address of a running server is known."""
    variables: Variables
    token: str | None
    """What authenticates MCP clients."""
    service: Service | None = None
    """The running image, for checks of scope ``deploy``."""
    env: Mapping[str, str] = field(default_factory=dict)
    """The variables that the running image was started with, for commands beside it."""

    def require_sandbox(self) -> Sandbox:
        """Return the unpacked image; raises `OutOfReachError`."""
        if self.sandbox is None:
            raise OutOfReachError
        return self.sandbox


def try_check(check: Check, target: Target) -> None:
    """Try one check once.

    Raises:
        UnmetError: it does not hold.
        OutOfReachError: it can't be tried, since it looks inside a container that runs elsewhere.

    """
    if target.sandbox is None and not isinstance(check, NEEDS_NO_CONTAINER):
        raise OutOfReachError
    try:
        filled = type(check).model_validate(target.variables.fill(check.model_dump(by_alias=True)))
    except KeyError as error:
        raise UnmetError(f"there is no value for ${{{error.args[0]}}} here") from None
    if target.service is not None and not target.service.running:
        raise UnmetError(f"the image ended with {target.service.process.returncode}")
    if isinstance(filled, NEEDS_NO_CONTAINER):
        _ask(filled, target)
        return
    _TRIALS[type(filled)](filled, target)


def ask_server(check: Check, token: str | None) -> None:
    """Try a check that asks a server, from this process's own network.

    Raises:
        UnmetError: it does not hold.

    """
    match check:
        case HttpCheck():
            _try_http(check)
        case AddrCheck():
            _try_addr(check)
        case McpCheck():
            _try_mcp(check, token)


def _ask(check: Check, target: Target) -> None:
    # A check is whoever's made the image: only the image itself is asked, never what this host reaches besides.
    if target.sandbox is None:
        ask_server(check, target.token)
    elif target.service is None:
        raise UnmetError("the image is at rest, and no server answers")
    else:
        question = {"check": CHECK.dump_python(check, mode="json", by_alias=True), "token": target.token}
        if (unmet := target.service.ask(question)) is not None:
            raise UnmetError(unmet)


def _try_file(check: FileCheck, target: Target) -> None:
    try:
        with Root(target.require_sandbox().root) as root:
            info = root.lstat(check.file)
            kind = "nothing" if info is None else _KINDS.get(stat.S_IFMT(info.st_mode), "of a special type")
            if kind != check.type:
                raise UnmetError(f"{check.file} is {kind}, not {check.type}")
            if check.contains is not None and not _holds(root, check.file, check.contains):
                raise UnmetError(f"{check.file} does not contain {check.contains!r}")
    except (OSError, ValueError) as error:
        raise UnmetError(f"{check.file} can't be read: {_reason(error)}") from None


_KINDS = {stat.S_IFLNK: "link", stat.S_IFDIR: "directory", stat.S_IFREG: "file"}


def _reason(error: Exception) -> str:
    return error.strerror or "no file" if isinstance(error, OSError) else str(error)


def _holds(root: Root, path: str, text: str) -> bool:
    wanted, before = text.encode("utf-8", "surrogatepass"), b""
    with root.open(path) as file:
        while file.tell() < SEARCHED and (piece := file.read(1 << 20)):
            if wanted in before + piece:
                return True
            before = (before + piece)[-len(wanted) :]
    return not wanted


def _try_command(check: CommandCheck, target: Target) -> None:
    try:
        done = target.require_sandbox().run(check.command, COMMAND_TIMEOUT_S, target.env, target.service)
    except subprocess.TimeoutExpired:
        raise UnmetError(f"it did not end within {COMMAND_TIMEOUT_S} s") from None
    except ProcessLookupError:
        raise UnmetError("the image does not run") from None
    except ValueError:
        raise UnmetError("it holds a character that no program's argument can have") from None
    if done.returncode != check.exit_code:
        last = done.stderr.strip().rpartition("\n")[2]
        raise UnmetError(f"it ended with {done.returncode}, not {check.exit_code}: {last}")
    if check.stdout is not None and check.stdout.contains not in done.stdout:
        raise UnmetError(f"it printed {done.stdout[:200]!r}, without {check.stdout.contains!r}")


def _try_http(check: HttpCheck) -> None:
    try:
        # No proxy of the user's is asked, and no other address that the answer names.
        with (
            httpx.Client(trust_env=False, timeout=REPLY_TIMEOUT_S) as client,
            client.stream(check.method, check.http) as reply,
        ):
            body = _bounded(reply) if check.body is not None and reply.status_code in check.statuses else ""
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        raise UnmetError(f"{check.http} does not answer ({type(error).__name__})") from None
    if reply.status_code not in check.statuses:
        raise UnmetError(f"{check.http} answers {reply.status_code}, not {' or '.join(map(str, check.statuses))}")
    if check.body is not None and check.body.contains not in body:
        raise UnmetError(f"{check.http} answers {body[:200]!r}, without {check.body.contains!r}")


def _bounded(reply: httpx.Response) -> str:
    content, ends = bytearray(), time.monotonic() + REPLY_TIMEOUT_S
    for piece in reply.iter_bytes(1 << 16):
        content += piece
        if len(content) > REPLY or time.monotonic() > ends:
            break
    return bytes(content[:REPLY]).decode(reply.encoding or "utf-8", "replace")


def _try_user(check: UserCheck, target: Target) -> None:
    if target.service is None:
        done = target.require_sandbox().run(["id"], COMMAND_TIMEOUT_S)
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


def _try_service(check: ServiceCheck, target: Target) -> None:
    state = target.service.state_of(check.service) if target.service is not None else "nowhere: the image is at rest"
    if state != "RUNNING":
        raise UnmetError(f"the service {check.service} is {state}")


def _try_addr(check: AddrCheck) -> None:
    host, _, port = check.addr.rpartition(":")
    if not port.isascii() or not port.isdecimal():
        raise UnmetError(f"{check.addr} has no number for a port")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError, ValueError) as error:
        if check.reachable:
            raise UnmetError(f"{check.addr} takes no connection: {error}") from None
    else:
        if not check.reachable:
            raise UnmetError(f"{check.addr} takes connections")


def _try_package(check: PackageCheck, target: Target) -> None:
    try:
        with Root(target.require_sandbox().root) as root:
            found = installed(root, check.package)
    except (OSError, ValueError, RecursionError) as error:
        raise UnmetError(f"the image's records of its packages can't be read: {plain(error, 100)}") from None
    if found is None:
        raise UnmetError(f"no package is called {check.package}")
    try:
        fits = check.version is None or SpecifierSet(check.version).contains(found, prereleases=True)
    except ValueError:
        fits = False
    if not fits:
        raise UnmetError(f"{check.package} is {found}, not {check.version}")


def _try_mcp(check: McpCheck, token: str | None) -> None:
    name = check.uri if check.do == "read" else check.tool
    try:
        answer = ask(check.mcp, token, check.do, name, check.arguments)
    except Exception as error:  # noqa: BLE001 - boundary: whatever the client or the transport says is what was found
        if check.error is not None and check.error.contains in str(error):
            return
        what = f"{check.tool} fails" if isinstance(error, ToolError) else f"{check.mcp}: {type(error).__name__}"
        raise UnmetError(f"{what}: {str(error)[:300]}") from None
    if check.error is not None:
        raise UnmetError(f"{name or check.do} gives {json.dumps(answer)[:200]}, and no error")
    if check.count is not None and len(answer) != check.count:
        raise UnmetError(f"it lists {len(answer)}, not {check.count}")
    if check.do.startswith("list"):
        answer = [one.get("name") or one.get("uri") for one in answer]
    text = json.dumps(answer, sort_keys=True)
    if check.result is not None and check.result.contains not in text:
        raise UnmetError(f"{name or check.do} gives {text[:200]}, without {check.result.contains!r}")


_TRIALS: dict[type[Any], Callable[[Any, Target], None]] = {
    FileCheck: _try_file,
    CommandCheck: _try_command,
    UserCheck: _try_user,
    ProcessCheck: _try_process,
    ServiceCheck: _try_service,
    PackageCheck: _try_package,
}
