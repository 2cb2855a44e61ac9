"""Write the pages that are made of the code: ``./noxw -s run -- python -m docs.reference``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from docs.reference.clients_page import clients_page
from docs.reference.commands_page import commands_page
from docs.reference.recipe_page import recipe_reference
from docs.reference.settings_page import settings_page
from docs.reference.tool_calls import EXAMPLES, listed, record, tool_calls

HERE = Path(__file__).parent


def pages() -> dict[str, str]:
    """Return the text of each of these pages, by its file's name."""
    return {
        "clients.md": clients_page(),
        "commands.md": commands_page(),
        "recipes.md": recipe_reference(),
        "settings.md": settings_page(),
        "tool-calls.md": tool_calls(listed(), json.loads(EXAMPLES.read_text(encoding="utf-8"))),
    }


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(
        prog="python -m docs.reference", description="Write the pages of docs/reference/ that are made of the code."
    )
    parser.add_argument("--calls", action="store_true", help="make the example calls of tools again, on a new server")
    if parser.parse_args().calls:
        record()
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
