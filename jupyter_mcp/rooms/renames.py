"""Open notebooks are followed when a folder above them is renamed, whatever its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

CONTENTS_EVENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"


def follow_renames(events: Any, file_ids: Any, open_ids: Callable[[], Iterable[str]]) -> None:
    """Listen for renames; `open_ids` gives the ids of the files that are open.

    jupyter-server-fileid's manager of any contents looks for what was in a folder by a pattern, in which the brackets,
    stars and question marks of the folder's name mean something else: their notebooks would stay where they were.
    """

    async def on_event(logger: Any, schema_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001 - as it is called
        if data.get("action") == "rename":
            _move_below(file_ids, list(open_ids()), str(data["source_path"]), str(data["path"]))

    events.add_listener(schema_id=CONTENTS_EVENTS, listener=on_event)


def _move_below(file_ids: Any, opened: list[str], old: str, new: str) -> None:
    """Note the new paths of files below a renamed folder, where they have the old ones still."""
    below = f"{old.strip('/')}/"
    for file_id in opened:
        path = file_ids.get_path(file_id)
        if path is not None and path.startswith(below):
            file_ids.move(path, f"{new.strip('/')}/{path.removeprefix(below)}")
