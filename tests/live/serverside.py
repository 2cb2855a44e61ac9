"""What tests put into the server's own process: counters, and the classes a site would configure."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.utils import url_path_join
from jupyter_server_ydoc import handlers
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from tornado import web

import jupyter_mcp.app


class Stores(APIHandler):
    """What keeps the history of each room, by the names of its classes."""

    @web.authenticated
    def get(self) -> None:
        rooms = self.settings["jupyter_server_ydoc"].ywebsocket_server.rooms
        kept = {name: room.ystore for name, room in rooms.items() if room.ystore is not None}
        self.finish({name: [each.__name__ for each in type(store).__mro__] for name, store in kept.items()})


class Counts(APIHandler):
    """Counts tasks, file descriptors, rooms, memory and garbage of the server."""

    @web.authenticated
    async def get(self) -> None:
        garbage = gc.collect()
        ydoc = self.settings["jupyter_server_ydoc"]
        process = psutil.Process()
        await self.finish(
            {
                "tasks": len(asyncio.all_tasks()),
                "fds": psutil.Process().num_fds(),
                "rooms": len(ydoc.ywebsocket_server.rooms),
                "loaders": len(ydoc.file_loaders._FileLoaderMapping__dict),
                "rss": process.memory_info().rss,
                "threads": process.num_threads(),
                "garbage": garbage,
            }
        )


class Modules(APIHandler):
    """Names the modules that the server has imported."""

    @web.authenticated
    async def get(self) -> None:
        warming = any(thread.name == "jupyter_mcp warm-up" for thread in threading.enumerate())
        await self.finish({"modules": sorted(sys.modules), "warming": warming})


class Fire(APIHandler):
    """Does to the server what only its own process can."""

    @web.authenticated
    async def post(self, what: str) -> None:
        if what == "readonly":
            ReadOnlySometimes.readonly = True
        elif what == "writable":
            ReadOnlySometimes.readonly = False
        elif what == "allow":
            os.environ["ALLOWED"] = self.get_json_body()["allowed"]
        elif what == "type-and-stop":
            # Of all keystrokes the last: the stop begins before the room's tasks have seen it.
            rooms = self.settings["jupyter_server_ydoc"].ywebsocket_server.rooms
            (room,) = (room for room_id, room in rooms.items() if room_id.startswith("json:notebook:"))
            room._document.append_cell({"cell_type": "code", "source": "last", "metadata": {}})
            await self.serverapp._stop()
        elif what == "hold-tabs":
            # A tab that was let in waits here: it is not yet among the room's clients.
            held = asyncio.Event()
            note = handlers.save_current_session

            async def wait_and_note(*args: Any, **options: Any) -> None:
                await held.wait()
                handlers.save_current_session = note
                await note(*args, **options)

            handlers.save_current_session = wait_and_note
            self.settings["held_tabs"] = held
        elif what == "let-tabs-in":
            self.settings["held_tabs"].set()
        await self.finish({})


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "serverside"}]


class Lines(SpanExporter):
    """Writes every span as a line of JSON."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def export(self, spans: Any) -> SpanExportResult:
        with self.file.open("a") as lines:
            for span in spans:
                lines.write(span.to_json(indent=None) + "\n")
        return SpanExportResult.SUCCESS


def _load_jupyter_server_extension(app: Any) -> None:
    if "SPANS" in os.environ:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(Lines(Path(os.environ["SPANS"]))))
        trace.set_tracer_provider(provider)
    # Read at each round of the sweep; the first begins when the server does.
    jupyter_mcp.app.SWEEP_EVERY = float(os.environ.get("SWEEP_EVERY", jupyter_mcp.app.SWEEP_EVERY))
    base = app.web_app.settings["base_url"]
    app.web_app.add_handlers(
        ".*",
        [
            (url_path_join(base, "serverside/counts"), Counts),
            (url_path_join(base, "serverside/stores"), Stores),
            (url_path_join(base, "serverside/modules"), Modules),
            (url_path_join(base, "serverside/fire/(.*)"), Fire),
        ],
    )


class HubLike(IdentityProvider):
    """Names users by their tokens, as a Hub does: one user may have several tokens."""

    users = {"ada-1": "ada", "ada-2": "ada", "bob-1": "bob"}  # noqa: RUF012 - a table

    @property
    def auth_enabled(self) -> bool:
        return True

    def get_user(self, handler: Any) -> User | None:
        header = handler.request.headers.get("Authorization", "")
        name = self.users.get(header.split(" ")[-1])
        return User(username=name, display_name=name.title()) if name else None


class ByPath(Authorizer):
    """Allows the (action, resource) pairs of the environment variable ALLOWED, and everything but MCP's."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:  # noqa: ARG002 - Jupyter's
        if type(handler).__name__ != "MCPHandler":
            return True
        return f"{action}:{resource}" in os.environ["ALLOWED"].split(",")


class ReadOnlySometimes(AsyncLargeFileManager):
    """Says that notebooks named `locked…` are not writable."""

    readonly = True

    async def get(self, path: str, *args: Any, **options: Any) -> dict[str, Any]:
        model: dict[str, Any] = await super().get(path, *args, **options)
        if self.readonly and path.rsplit("/", 1)[-1].startswith("locked"):
            model["writable"] = False
        return model
