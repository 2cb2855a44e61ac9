"""What the commands about an image at work do: ``check``, ``mcp`` and ``discover``; cli.py has their options."""

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
from env.store.store import Store
from images.check.discover import VARIABLE, McpServer, client_config, from_variable, provided, to_variable
from images.cli.layouts import DIST
from images.cli.origin import opened
from images.errors import ChecksFailedError, McpRefusedError, UnreadableInputError


def run_discover(options: argparse.Namespace, console: Console) -> None:
    """Print the servers that images offer."""
    if options.sources:
        servers = [one for source in options.sources for one in _provided(source, console, same_pod=options.same_pod)]
    else:
        servers = list(from_variable(os.environ.get(VARIABLE, "[]")))
    told = client_config(options.client, servers, options.token) if options.client else to_variable(servers)
    print(told)  # noqa: T201 - the result, for a program to read


def _provided(source: str, console: Console, *, same_pod: bool) -> list[McpServer]:
    from images.check.live_server import image_config, inspected  # noqa: PLC0415

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


def run_check(options: argparse.Namespace, console: Console) -> None:
    """Run an image's checks."""
    # Here, because building needs no MCP client.
    from images.check.live_server import check_live  # noqa: PLC0415
    from images.check.reports import FORMATS  # noqa: PLC0415
    from images.check.run import Verdict, check_layout  # noqa: PLC0415

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
    from images.check.live_server import image_config  # noqa: PLC0415

    path = Path(options.image)
    if path.is_file() and not tarfile.is_tarfile(path):
        return image_config(path)
    store = Store(options.store)
    with (
        store.in_use(),
        opened(options.image, platforms, store, console, layers=False, insecure=options.insecure) as origin,
    ):
        return image_config(origin.layout)


def run_mcp(options: argparse.Namespace, console: Console) -> None:
    """Ask a server."""
    from fastmcp.exceptions import ToolError  # noqa: PLC0415

    from images.check.mcp_client import ask, unanswered  # noqa: PLC0415

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
        why = unanswered(options.url, token) or f"{type(error).__name__}: {str(error)[:300]}"
        raise McpRefusedError(options.url, why) from None
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
