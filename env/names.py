"""Names that people type. Only the standard library is needed here, so that help is there before any environment is."""

from __future__ import annotations

TARGETS = ("base", "wheels", "tools", "conda", "cuda")
"""What `lock` makes, one by one."""
ENVIRONMENT_NAMES = ("conda", "cuda", "wheels")
"""Where packages come from: the keys of `environments.ENVIRONMENTS`."""
ENVIRONMENT = "wheels"
"""The environment whose files are fetched where none is named."""
RECORDS_VARIABLE = "JUPYTER_MCP_CONDA_RECORDS"
"""Names a folder of conda records that is solved against, instead of the channel."""
PLATFORM_EXAMPLE = "comma-separated, e.g. linux/amd64,linux/arm64"
STORE_DEFAULT = "$JUPYTER_MCP_STORE, else jupyter-mcp/store in the cache folder"
