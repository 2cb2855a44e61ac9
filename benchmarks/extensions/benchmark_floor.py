"""The floor: a FastMCP server with one empty tool, at `{base_url}floor` through the extension's own bridge.

It runs inside the server that also runs jupyter_mcp, so both are measured in the same process.
"""

from __future__ import annotations

from typing import Any

from fastmcp import FastMCP
from jupyter_server.extension.application import ExtensionApp

from jupyter_mcp.tornado_asgi import ASGI_PATH, MCPHandler
from jupyter_mcp.transport.endpoint import Endpoint
from jupyter_mcp.transport.json_first import deferring


class Floor(ExtensionApp):
    name = "benchmark_floor"

    def initialize_handlers(self) -> None:
        server: FastMCP[Any] = FastMCP("floor")

        @server.tool
        async def nothing() -> str:
            """Do nothing."""
            return ""

        app = server.http_app(path=ASGI_PATH)
        self.endpoint = Endpoint(
            deferring(app),
            lambda: app.lifespan(app),
            self.log,
            max_body_bytes=1 << 24,
            max_streams=256,
            allow_unauthenticated=False,
        )
        self.handlers.append((r"/floor/?", MCPHandler, {"endpoint": self.endpoint}))

    async def _start_jupyter_server_extension(self, _: Any) -> None:
        await self.endpoint.start()

    async def stop_extension(self) -> None:
        await self.endpoint.stop()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "benchmark_floor", "app": Floor}]
