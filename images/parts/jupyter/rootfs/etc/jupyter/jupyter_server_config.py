"""Keep what must outlive the container in the workspace's volume: /etc/start.d/20-workspace.sh says where."""

import os

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - traitlets gives it to configuration files

if state := os.environ.get("JUPYTER_STATE_DIR"):
    c.JupyterMCP.journal_dir = state
    c.BaseFileIdManager.db_path = f"{state}/file-ids.db"
    c.SQLiteYStore.db_path = f"{state}/rooms.db"

# What a stop may take, so that all of it fits into the ten seconds that container runtimes give.
c.JupyterMCP.interrupt_grace = 3
c.KernelManager.shutdown_wait_time = 2
