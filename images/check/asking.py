"""Ask a running image from inside its own network, so that no check of an image's author reaches what is outside.

A process of its own asks: only one with a single thread may enter the namespaces (setns(2)), and it can be ended when
an answer never does. It takes one JSON object a line and answers with one.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from typing import Any

MEMORY = 4 << 30
"""Bytes of address space that answers may fill."""
ANSWER_S = 240
"""Seconds after which no answer is waited for."""
_ANSWER = 1 << 20
_OWNER_OF_NAMESPACE = 0xB701  # NS_GET_USERNS (ioctl_ns(2))


HOME = Path(__file__).parents[2]


def beside(network: int, command: Sequence[str]) -> list[str]:
    """Return the command that runs another in a network namespace, whose descriptor it inherits."""
    return [sys.executable, "-P", str(Path(__file__)), str(network), *command]


class NoAnswerError(Exception):
    """The process that asks did not answer: why."""


class Asker:
    """A process that asks inside the network of the process `pid`."""

    def __init__(self, pid: int) -> None:
        """Start it.

        Raises:
            OSError: the process has ended meanwhile.

        """
        network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "images.check.asking", str(network)],
                cwd=HOME,
                # A proxy of the user's is no way to the image.
                env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[network],
            )
        finally:
            os.close(network)

    def ask(self, question: dict[str, Any], watch: Callable[[], None]) -> str | None:
        """Return what was found instead of what a check promises, or None.

        Raises:
            NoAnswerError: it did not answer in time, or ended; this one is of no use any more.

        """
        process = self._process
        assert process.stdin is not None  # noqa: S101 - both are pipes, see above
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            raise NoAnswerError("the client ended") from None
        line = b""
        ends = time.monotonic() + ANSWER_S
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if time.monotonic() > ends:
                    raise NoAnswerError(f"there is no whole answer after {ANSWER_S} s")
                if not selector.select(0.5):
                    watch()
                    continue
                piece = os.read(process.stdout.fileno(), 1 << 16)
                line += piece
                if not piece or len(line) > _ANSWER:
                    raise NoAnswerError("the client ended: the answer is more than it can take")
        unmet = json.loads(line)["unmet"]
        return None if unmet is None else str(unmet)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # What was not read yet.
                with suppress(OSError):
                    pipe.close()
        self._process.wait()


def enter(network: int) -> None:
    """Enter a network namespace by its descriptor.

    Raises:
        OSError: this process may not.

    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0:
        # Its owner, a user namespace that we made, gives the right to enter it.
        owner = ioctl(network, _OWNER_OF_NAMESPACE)
        _setns(libc, owner)
        os.close(owner)
    _setns(libc, network)
    os.close(network)


def _setns(libc: ctypes.CDLL, namespace: int) -> None:
    if libc.setns(namespace, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def main() -> None:
    """Answer until there are no more questions, or become the program that is named."""
    enter(int(sys.argv[1]))
    if sys.argv[2:]:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - a program beside the image's services
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from images.check.verbs import UnmetError, ask_server  # noqa: PLC0415
    from images.recipe.checks import CHECK  # noqa: PLC0415 - after the namespace: an import may start threads

    for line in sys.stdin:
        question = json.loads(line)
        try:
            ask_server(CHECK.validate_python(question["check"]), question["token"])
        except UnmetError as error:
            unmet: str | None = str(error)[:2000]
        except MemoryError:
            unmet = "its answer is more than the memory for it"
        else:
            unmet = None
        print(json.dumps({"unmet": unmet}), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
