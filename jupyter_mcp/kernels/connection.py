"""Sockets of our own to a kernel that others in this process are connected to as well."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.session import Session

# Messages that wait in the server to be read: what Jupyter Server has, too. A kernel drops what finds no room, so fewer
# save memory in a flood of large outputs and lose outputs in one of many small ones (with 16: of 7,000 displays).
QUEUED = 1000


def connected(manager: Any) -> AsyncKernelClient:
    """Return a client of a kernel, connected, with a ZeroMQ context that is destroyed with it."""
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.RCVHWM, QUEUED)
    client: AsyncKernelClient = manager.client(session=own(manager.session), context=context)
    client.start_channels(hb=False)  # a look at the process needs no thread
    return client


def disconnect(client: AsyncKernelClient) -> None:
    """Close the sockets, and with the context what it holds open: a garbage collector may come late."""
    client.stop_channels()
    client.context.destroy(linger=0)


def own(session: Session) -> Session:
    """Return a session with the same key and an id of its own.

    The id is the ZeroMQ identity. Of two clients with one identity a kernel hears only the later one
    (ROUTER_HANDOVER), and others in this process connect with the manager's session.
    """
    mine = session.clone()
    mine.session = uuid4().hex
    mine.digest_history_size = 1024  # signatures kept against replays: 65,536 are 10 MB a kernel
    return mine
