"""Keep what must outlive the container in the workspace's volume: /etc/start.d says where."""

import hashlib
import hmac
import os
from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - traitlets gives it to configuration files

if state := os.environ.get("JUPYTER_STATE_DIR"):
    c.JupyterMCP.journal_dir = state
    c.BaseFileIdManager.db_path = f"{state}/file-ids.db"
    c.SQLiteYStore.db_path = f"{state}/rooms.db"

if private := os.environ.get("JUPYTER_PRIVATE_DIR"):
    # Which notebooks are one's own: their outputs are shown without asking.
    c.NotebookNotary.db_file = f"{private}/nbsignatures.db"
    c.NotebookNotary.secret_file = f"{private}/notebook_secret"
    # Who is logged in stays so, under the same name, until the token changes.
    token = os.environ.get("JUPYTER_TOKEN_FILE")
    c.ServerApp.cookie_secret = hmac.new(
        Path(private, "cookie_secret").read_bytes(), Path(token).read_bytes() if token else b"", hashlib.sha256
    ).digest()

c.ServerApp.terminado_settings = {"shell_command": ["/usr/local/bin/workspace-shell"]}
if opens := os.environ.get("JUPYTER_OPENS"):
    c.LabApp.default_url = f"/lab/tree/{opens}"

# What a stop may take, so that all of it fits into the ten seconds that container runtimes give.
c.JupyterMCP.interrupt_grace = 3
c.KernelManager.shutdown_wait_time = 2
