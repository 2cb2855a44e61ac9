"""What keeps a container's start short: its services begin at once."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

PARTS = Path(__file__).parents[4] / "images" / "parts"
START = PARTS / "supervisord" / "rootfs" / "usr" / "local" / "bin" / "start-services"

SOCKET = "/tmp/supervisor.sock"  # noqa: S108 - as the script has it


def test_supervisord_is_asked_something_as_soon_as_it_listens(tmp_path: Path) -> None:
    """It looks for what to start after a second, or when it is asked."""
    place = tmp_path / "s"
    script = tmp_path / "start-services"
    text = START.read_text().replace(SOCKET, str(place)).replace("/etc/start.d", str(tmp_path / "start.d"))
    script.write_text(text)
    script.chmod(0o755)
    (tmp_path / "start.d").mkdir()
    (tmp_path / "start.d" / "10.sh").write_text("")
    (tmp_path / "supervisord").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "supervisord").chmod(0o755)
    # What a container that was killed leaves behind.
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place))
    started = subprocess.Popen(["sh", script], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    try:
        place.unlink()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.settimeout(60)
            listening.bind(str(place))
            listening.listen()
            asking, _ = listening.accept()
            with asking:
                assert asking.recv(100).startswith(b"GET / HTTP/1.1")
                asking.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    finally:
        started.terminate()
        started.wait()
