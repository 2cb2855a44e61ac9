"""Sockets of our own to a kernel that others in this process are connected to as well."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.session import Session

# Messages that wait in the server to be read. One may have many megabytes, and a kernel that floods can keep, or drop,
# the rest itself: it has a queue of its own for each subscriber.
QUEUED = 16


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
