"""What keeps a container's start short: services begin at once, and the server imports nothing that it seldom uses."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

PARTS = Path(__file__).parents[4] / "images" / "parts"
LATER = PARTS / "jupyter" / "rootfs" / "usr" / "local" / "lib" / "server" / "later.py"
START = PARTS / "supervisord" / "rootfs" / "usr" / "local" / "bin" / "start-services"

SOCKET = "/tmp/supervisor.sock"  # noqa: S108 - as the script has it
PROGRAM = """
import sys
import jsonschema
assert "lark" not in sys.modules, "its parser is not made"
print(__name__, sys.argv)
check = jsonschema.FormatChecker().conforms
print(check("https://example.org/é", "iri"), check("no iri", "iri"))
assert "lark" in sys.modules
import rfc3987_syntax.utils, rfc3987_syntax
print(rfc3987_syntax.is_valid_syntax("iri", "https://example.org/"), rfc3987_syntax.utils.__name__)
"""


def test_what_is_seldom_used_is_imported_when_it_is_asked_and_answers_as_ever(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, LATER, program, "--word"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"__main__ {[str(program), '--word']}",
        "True False",
        "True rfc3987_syntax.utils",
    ]


def test_another_name_of_it_is_found_too_and_what_is_not_there_is_not(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(
        "from rfc3987_syntax import is_valid_syntax_iri_reference as one\nprint(one('a'))\n"
        "try:\n    from rfc3987_syntax import nothing\nexcept ImportError:\n    print('not there')\n"
    )
    done = subprocess.run([sys.executable, LATER, program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["True", "not there"], done.stderr


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
