"""The commands about an image at work: ``check``, ``mcp`` and ``discover``."""

from __future__ import annotations

import argparse
import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from env.platforms import Platform, parse_platforms
from env.store import Store
from images.discover import VARIABLE, McpServer, client_config, from_variable, provided, to_variable
from images.errors import ChecksFailedError, McpRefusedError, UnreadableInputError
from images.inspecting import DIST
from images.origin import ABOUT, opened


def add_commands(commands: Any, common: argparse.ArgumentParser, names: str) -> None:
    """Add the commands to the ``python -m images`` parser."""
    check = commands.add_parser(
        "check",
        parents=[common],
        help="run an image on each platform and see that it does what it promises",
        description="Run an image, the other platform's under qemu, and try every check that it carries in its "
        "org.overthinkos.tests label. Needs bubblewrap and user namespaces; no root. With --live, nothing is run: the "
        "image's checks are tried on a server that is at work already, and of a registry's image only the "
        "configuration is fetched.",
        epilog="Example: python -m images check registry.example.org/jupyter:1 --live http://localhost:8888 "
        "--token-file token",
    )
    check.add_argument(
        "image",
        nargs="?",
        default="jupyter",
        help=f"{ABOUT} (recipes: {names}), or with --live a file of what `podman inspect IMAGE` prints "
        "(default: jupyter)",
    )
    check.add_argument("--format", choices=("text", "json", "tap", "junit"), default="text", help="of the result")
    check.add_argument("--live", metavar="URL", help="try the checks on the server at this address")
    check.add_argument("--token-file", type=Path, metavar="FILE", help="the server's token, with --live")
    check.add_argument("--insecure", action="store_true", help="take plain HTTP where a registry has no TLS")
    check.set_defaults(run=_run_check)

    mcp = commands.add_parser(
        "mcp",
        help="ask a running server: ping, list-tools, list-resources, call, read",
        description="Ask an MCP server one question, and print the answer as JSON.",
        epilog='Example: python -m images mcp call http://localhost:8888/mcp get_cell \'{"path": "a.ipynb", '
        '"index": 0}\' --token-file token',
    )
    mcp.add_argument("question", choices=("ping", "list-tools", "list-resources", "call", "read"))
    mcp.add_argument("url")
    mcp.add_argument("name", nargs="?", help="the tool to call, or the address of the resource to read")
    mcp.add_argument("arguments", nargs="?", default="{}", metavar="JSON", help="the tool's arguments")
    mcp.add_argument("--token-file", type=Path, metavar="FILE", help="the server's token")
    mcp.add_argument("--timeout", type=float, default=60, metavar="SECONDS", help="(default: 60)")
    mcp.set_defaults(run=_run_mcp, parser=mcp)

    discover = commands.add_parser(
        "discover",
        help="say which MCP servers images or containers offer, as OV_MCP_SERVERS or as a client's configuration",
        description="Resolve the label org.overthinkos.mcp_provides. Each SOURCE is an image as NAME=IMAGE, with the "
        f"container's name, or a file of what `podman inspect CONTAINER...` prints. An image is {ABOUT}.",
        epilog="Example: python -m images discover ov-jupyter=jupyter --for claude --token '${JUPYTER_TOKEN}'",
    )
    discover.add_argument("sources", nargs="*", metavar="SOURCE", help="(default: the variable OV_MCP_SERVERS)")
    discover.add_argument("--same-pod", action="store_true", help="consumer and server share a container or pod")
    discover.add_argument("--for", dest="client", choices=("fastmcp", "claude", "vscode", "open-webui"))
    discover.add_argument("--token", metavar="TEXT", help="a token, or better a reference to one, for --for")
    discover.set_defaults(run=_run_discover)


def _run_discover(options: argparse.Namespace, console: Console) -> None:
    if options.sources:
        servers = [one for source in options.sources for one in _provided(source, console, same_pod=options.same_pod)]
    else:
        servers = list(from_variable(os.environ.get(VARIABLE, "[]")))
    told = client_config(options.client, servers, options.token) if options.client else to_variable(servers)
    print(told)  # noqa: T201 - the result, for a program to read


def _provided(source: str, console: Console, *, same_pod: bool) -> list[McpServer]:
    from images.live import image_config, inspected  # noqa: PLC0415

    name, equals, reference = source.partition("=")
    if not equals and Path(source).is_file() and not tarfile.is_tarfile(source):
        found: list[McpServer] = []
        for entry in inspected(Path(source)):
            container = str(entry.get("Name", "")).lstrip("/") or Path(source).stem
            found += provided(entry["Config"], "localhost" if same_pod else container, source)
        return found
    store = Store()
    with store.in_use(), opened(reference or name, None, store, console, layers=False) as origin:
        # Without a name of its own, a container has the one that ov gives it.
        container = name if equals else f"ov-{origin.name}"
        return list(provided(image_config(origin.layout), "localhost" if same_pod else container, origin.said))


def _run_check(options: argparse.Namespace, console: Console) -> None:
    # Here, because building needs no MCP client.
    from images.check import Verdict, check_layout  # noqa: PLC0415
    from images.live import check_live  # noqa: PLC0415
    from images.reports import FORMATS  # noqa: PLC0415

    def report(verdict: Verdict) -> None:
        outcome = "skipped" if verdict.skipped is not None else "ok" if verdict.unmet is None else "FAILED"
        why = verdict.skipped or verdict.unmet
        line = f"{verdict.where}  {outcome:7}  {verdict.seconds:6.1f} s  {verdict.id}"
        console.print(line if why is None else f"{line}: {why}", markup=False)

    platforms = parse_platforms(options.platform) if options.platform else None
    if options.live:
        token = _token(options.token_file)
        config = _config(options, platforms, console)
        verdicts = check_live(config, options.image, options.live, token, report)
        evidence = f"what {options.live} logs"
    else:
        store = Store(options.store)
        with (
            store.in_use(),
            opened(options.image, platforms, store, console, insecure=options.insecure) as origin,
        ):
            logs = DIST / "checks" / origin.name
            verdicts = check_layout(origin.layout, platforms, store, logs, console, report, origin.said)
        evidence = str(logs)
    form = "json" if options.json else options.format
    if form != "text":
        print(FORMATS[form](verdicts))  # noqa: T201 - the result, for a program to read
    if failed := sum(verdict.unmet is not None for verdict in verdicts):
        raise ChecksFailedError(failed, len(verdicts), evidence)
    skipped = sum(verdict.skipped is not None for verdict in verdicts)
    console.print(f"{len(verdicts) - skipped} checks passed" + (f", {skipped} skipped" if skipped else ""))


def _config(options: argparse.Namespace, platforms: Sequence[Platform] | None, console: Console) -> dict[str, Any]:
    from images.live import image_config  # noqa: PLC0415

    path = Path(options.image)
    if path.is_file() and not tarfile.is_tarfile(path):
        return image_config(path)
    store = Store(options.store)
    with (
        store.in_use(),
        opened(options.image, platforms, store, console, layers=False, insecure=options.insecure) as origin,
    ):
        return image_config(origin.layout)


def _run_mcp(options: argparse.Namespace, console: Console) -> None:
    from fastmcp.exceptions import ToolError  # noqa: PLC0415

    from images.mcp import ask  # noqa: PLC0415

    if options.question in ("call", "read") and not options.name:
        options.parser.error(f"{options.question} needs the name of a tool, or the address of a resource")
    try:
        arguments = json.loads(options.arguments)
    except ValueError as error:
        options.parser.error(f"the arguments are not JSON: {error}")
    if not isinstance(arguments, dict):
        options.parser.error("the arguments are not a JSON object")
    token = _token(options.token_file)
    try:
        answer = ask(options.url, token, options.question, options.name, arguments, options.timeout)
    except ToolError as error:
        raise McpRefusedError(options.url, f"{options.name} fails: {error}") from None
    except Exception as error:  # noqa: BLE001 - boundary: whatever the client or the transport says is the answer
        raise McpRefusedError(options.url, f"{type(error).__name__}: {str(error)[:300]}") from None
    if options.question == "list-tools":
        console.print(f"{len(answer)} tools")
    print(json.dumps(answer, indent=2))  # noqa: T201 - the result, for a program to read


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableInputError(file, f"can't be read as a token: {error}") from None
