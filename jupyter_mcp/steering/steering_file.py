"""The file in which people's rules for agents outlive the server: a small JSON, written beside and put in place."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_mcp.rooms.owner_only import open_private, private_folder

_LARGEST = 4 << 20  # bytes


class SteeringFile:
    """The rules of one server root."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Any]:
        """Return the rules, none if there is no file. Raises OSError, or ValueError for what is no such file."""
        try:
            fd = open_private(self.path)
        except FileNotFoundError:
            return []
        with os.fdopen(fd, "rb") as file:
            found = json.loads(file.read(_LARGEST))
        rules = found.get("rules") if isinstance(found, dict) else None
        if not isinstance(rules, list):
            raise ValueError("it holds no rules")  # noqa: TRY004 - of a file, not of a caller
        return rules

    def write(self, rules: list[dict[str, Any]]) -> None:
        """Replace the file by one with these rules. Raises OSError, and leaves the old one then."""
        private_folder(self.path.parent)
        fd, name = tempfile.mkstemp(prefix=f".{self.path.name}-", dir=self.path.parent)  # mode 0600
        try:
            with os.fdopen(fd, "w") as file:
                json.dump({"rules": rules}, file, indent=1)
                file.flush()
                os.fsync(fd)
            Path(name).replace(self.path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
