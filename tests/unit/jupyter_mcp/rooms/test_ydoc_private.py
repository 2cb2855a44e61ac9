"""The lock that jupyter-server-ydoc 3.1 holds while it saves may be taken again by the task that has it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from pycrdt.store import BaseYStore
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, RequestHandler

from jupyter_mcp.rooms.ydoc_private import OwnedLock, settled, use_store


def test_the_task_that_saves_may_take_its_lock_again_and_others_wait() -> None:
    async def run() -> list[str]:
        lock = OwnedLock()
        room = SimpleNamespace(_update_lock=lock)
        order: list[str] = []

        async def other() -> None:
            await settled(room)
            async with lock:
                order.append("other")

        async with lock:
            waiting = asyncio.create_task(other())
            await asyncio.sleep(0)
            await settled(room)  # does not wait for itself
            async with lock:
                order.append("inner")
            assert lock.locked()
            await asyncio.sleep(0)
            order.append("outer")
        await waiting
        assert not lock.locked()
        return order

    assert asyncio.run(run()) == ["inner", "outer", "other"]


def test_handlers_that_were_given_a_store_before_make_rooms_with_the_new_one() -> None:
    class Old(BaseYStore):  # type: ignore[misc]
        pass

    class New(Old):
        pass

    application = Application([("/first", RequestHandler)])
    application.add_handlers(".*", [("/room", RequestHandler, {"ystore_class": Old, "delay": 1})])
    extension = SimpleNamespace(ystore_class=Old, ywebsocket_server=SimpleNamespace(ystore_class=Old))
    assert use_store(extension, application, New) == 1  # type: ignore[type-abstract]
    assert extension.ystore_class is extension.ywebsocket_server.ystore_class is New
    headers = HTTPHeaders({"Host": "localhost"})
    connection = SimpleNamespace(set_close_callback=lambda _: None)
    request = HTTPServerRequest(
        start_line=RequestStartLine("GET", "/room", "HTTP/1.1"), headers=headers, connection=connection
    )
    handler = application.find_handler(request)
    assert handler.handler_kwargs == {"ystore_class": New, "delay": 1}
