"""`notifications/resources/updated` for notebooks whose live document changes (`subscriptions/listen`, 2026-07-28)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import unquote

from fastmcp.exceptions import ToolError
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, SubscriptionsListenRequestParams, SubscriptionsListenResult

from jupyter_mcp.probe import Part, works

from .resources import SCHEME
from .sdk_private import low_level
from .toolbox import Toolbox

_AT_MOST_EVERY = 0.2  # seconds between two notices of one notebook to one subscriber


def offer_subscriptions(tools: Toolbox) -> None:
    """Serve `subscriptions/listen`; a notebook's room stays open while somebody listens."""
    if not works(Part.LOW_LEVEL):
        return
    notebooks = tools.notebooks

    async def listen(
        context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        bus = InMemorySubscriptionBus()
        try:
            async with (
                tools.serving("subscriptions/listen", {}, reads=True, session=context.session),
                AsyncExitStack() as stack,
            ):
                for uri in params.notifications.resource_subscriptions or ():
                    if not str(uri).startswith(SCHEME):
                        continue
                    changed = asyncio.Event()
                    await tools.admit(("read", "contents"))
                    path = unquote(str(uri).removeprefix(SCHEME))
                    await stack.enter_async_context(notebooks.changes(path, changed.set))
                    telling = asyncio.create_task(_tell(bus, str(uri), changed))
                    stack.callback(telling.cancel)
                return await ListenHandler(bus)(context, params)
        except ToolError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from error

    # FastMCP 4.1 has no subscriptions: its extensions may not serve a method of the specification.
    low_level(tools.server).add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, listen)


async def _tell(bus: InMemorySubscriptionBus, uri: str, changed: asyncio.Event) -> None:
    while True:
        await changed.wait()
        changed.clear()
        await bus.publish(ResourceUpdated(uri=uri))
        await asyncio.sleep(_AT_MOST_EVERY)
