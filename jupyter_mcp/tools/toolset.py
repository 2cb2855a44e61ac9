"""Which of the tools a server offers: all, the first thirteen, those that only read, or some by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fastmcp.tools import Tool

from jupyter_mcp.suggestions import unknown_names

THIRTEEN = (
    "list_notebooks",
    "get_notebook",
    "create_notebook",
    "get_cell",
    "update_cell",
    "insert_cell",
    "delete_cell",
    "execute_cell",
    "open_notebook_session",
    "close_notebook_session",
    "watch_notebook",
    "get_active_users",
    "get_active_sessions",
)


class Toolset:
    """What the setting `tools` means: "all", "thirteen", "readers", or names, in a list or with commas."""

    def __init__(self, setting: str | Sequence[str] = "all") -> None:
        names = setting.replace(",", " ").split() if isinstance(setting, str) else list(setting)
        self._words = [name for name in names if name in ("all", "thirteen", "readers")]
        self._names = set(names) - set(self._words)
        if "thirteen" in self._words:
            self._names |= set(THIRTEEN)

    def offers(self, tool: Tool) -> bool:
        """Return whether a tool is among them."""
        reads = tool.annotations is not None and tool.annotations.read_only_hint is True
        return "all" in self._words or tool.name in self._names or ("readers" in self._words and reads)

    def unknown(self, known: Collection[str]) -> str:
        """Return a sentence about names that are no tools; empty if there are none."""
        unknown = sorted(self._names - set(known) - set(THIRTEEN))
        return unknown_names(unknown, ["all", "thirteen", "readers", *known]) if unknown else ""
