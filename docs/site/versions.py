"""The versions of the site that lie side by side in a folder: a list for their pages, and the way to the newest."""

from __future__ import annotations

import json
import re
from pathlib import Path

_REDIRECT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>jupyter-mcp</title>
<meta http-equiv="refresh" content="0; url={version}/index.html"></head>
<body><a href="{version}/index.html">jupyter-mcp {version}</a></body></html>
"""


def write_versions(output: Path) -> None:
    """Write `versions.js`, which every version's pages read, and an index.html that leads to the newest release."""
    names = sorted((site.parent.name for site in output.glob("[!.]*/index.html")), key=_order, reverse=True)
    (output / "versions.js").write_text(f"window.docsVersions = {json.dumps(names)};\n", encoding="utf-8")
    (output / "index.html").write_text(_REDIRECT.format(version=names[0]), encoding="utf-8")


def _order(name: str) -> tuple[bool, list[int], str]:
    # A name that is no number, main say, comes after all releases.
    numbers = [int(number) for number in re.findall(r"\d+", name)]
    return (name[:1].isdigit(), numbers, name)
