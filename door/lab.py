"""Run JupyterLab for `./noxw -s lab`: with packages of one's own over the locked ones, and a token that is kept.

It runs in the environment of the session, as ``python -m door.lab FOLDER OPTIONS``, and becomes JupyterLab. What `%pip`
adds goes into an environment that lies over the session's, in its folder, and ends with it.
"""

from __future__ import annotations

import json
import os
import runpy
import secrets
import stat
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
OF_THE_IMAGE = ROOT / "images" / "parts" / "jupyter" / "rootfs" / "usr" / "local" / "lib"
LAYERED = OF_THE_IMAGE / "user-packages" / "layered.py"
LATER = OF_THE_IMAGE / "server" / "later.py"
TOKEN = ROOT / ".nox" / "lab" / "token"
_BETWEEN_S = 0.1
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def main(words: Sequence[str]) -> None:
    """Become JupyterLab on the folder that is the first word; the others are its own options."""
    folder, *options = words
    added = Path(sys.prefix) / "added"
    variables = os.environ | _variables(added)
    # Without its bytecode, which is in the environment, JupyterLab takes twice as long to start.
    kernels = {_NO_BYTECODE: variables.pop(_NO_BYTECODE)} if _NO_BYTECODE in variables else {}
    runpy.run_path(str(LAYERED))["lay"](added / "packages", added / "jupyter", kernels)
    if not {"JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE"} & variables.keys():
        variables["JUPYTER_TOKEN_FILE"] = str(kept_token(TOKEN))
    pid = os.getpid()
    if os.fork() == 0:
        _announce(pid)
        os._exit(0)
    lab = (sys.executable, str(LATER), f"{sys.prefix}/bin/jupyter-lab")
    os.execve(sys.executable, [*lab, f"--ServerApp.root_dir={folder}", *options], variables)  # noqa: S606 - itself, so that signals reach it


def _variables(added: Path) -> dict[str, str]:
    packages = added / "packages"
    paths = [str(added / "jupyter"), os.environ.get("JUPYTER_PATH", ""), f"{sys.prefix}/share/jupyter"]
    return {
        "JUPYTER_PATH": os.pathsep.join(filter(None, paths)),
        "PATH": os.pathsep.join((f"{packages}/bin", os.environ.get("PATH", os.defpath))),
        # Terminals' pip and uv add to it, too.
        "VIRTUAL_ENV": str(packages),
        # As in the image.
        "PLOTLY_RENDERER": os.environ.get("PLOTLY_RENDERER", "plotly_mimetype"),
    }


def kept_token(path: Path) -> Path:
    """Return the path, with a token in it that nobody else can read: what clients were configured with goes on."""
    if path.is_symlink() or (path.exists() and (stat.S_IMODE(path.stat().st_mode) & 0o077 or not _text(path))):
        _say(f"{path} could be read by others or is no token, and is replaced")
        path.unlink()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # readable by the user alone
        new = Path(name)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            # Not replace: of two that start at once, the first one's counts.
            os.link(new, path)
        except FileExistsError:
            pass
        finally:
            new.unlink()
    return path


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()


def announcement(info: Mapping[str, Any], *, private: bool) -> list[str]:
    """Return what is said of a running server, the line for MCP clients last; the token itself only in `private`."""
    url, token = str(info["url"]), str(info.get("token") or "")
    shown = token if private else "${JUPYTER_TOKEN}"
    entry: dict[str, Any] = {"type": "http", "url": f"{url}mcp"}
    if token:
        entry["headers"] = {"Authorization": f"Bearer {shown}"}
    page = f"{url}lab?token={token}" if token and private else f"{url}lab"
    where = f" (the token is in {TOKEN})" if token and not private else ""
    return [
        f"JupyterLab: {page}{where}",
        "for an MCP client, as .mcp.json or in its settings:",
        json.dumps({"mcpServers": {"jupyter": entry}}),
    ]


def _announce(pid: int) -> None:
    """Wait until the server with this process id answers, and say so; nothing is said of one that ends before."""
    from jupyter_core.paths import jupyter_runtime_dir  # noqa: PLC0415 - the tests of this module need no Jupyter

    path = Path(jupyter_runtime_dir()) / f"jpserver-{pid}.json"
    began = time.time() - 1
    while os.getppid() == pid:
        time.sleep(_BETWEEN_S)
        info = _running(path, began)
        if info is not None:
            for line in announcement(info, private=sys.stderr.isatty()):
                _say(line)
            return


def _running(path: Path, began: float) -> Mapping[str, Any] | None:
    try:
        if path.stat().st_mtime < began:
            return None  # another program's that had the same process id
        info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        with urllib.request.urlopen(f"{info['url']}api", timeout=5):  # noqa: S310 - what the server itself wrote
            return info
    except urllib.error.HTTPError:
        return info
    except (OSError, ValueError, LookupError):
        return None


def _say(text: str) -> None:
    print(f"noxw: {text}", file=sys.stderr, flush=True)  # noqa: T201 - there is no rich here


if __name__ == "__main__":
    main(sys.argv[1:])
