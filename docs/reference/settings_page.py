"""The page of the extension's settings, docs/reference/settings.md, made from its traits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from traitlets import Bool, Dict, Enum, Float, Int, List, Union

from jupyter_mcp.app import JupyterMCP

_HEAD = """\
# Settings

<!-- Made by `./noxw -s run -- python -m docs.reference` from the traits of JupyterMCP; do not edit. -->

All settings are traits of `JupyterMCP`, in the three forms that Jupyter has; there are no variables for them.
`jupyter --paths` lists the folders where it looks for configuration. A setting holds from the next start.

| form | for example |
| --- | --- |
| a line in `jupyter_server_config.py` | `c.JupyterMCP.max_kernels = 5` |
| a file in `jupyter_server_config.d/` that ends in `.json` | `{"JupyterMCP": {"max_kernels": 5}}` |
| a flag of `jupyter lab` or `jupyter server` | `--JupyterMCP.max_kernels=5` |

Times are in seconds and sizes in bytes, unless the text says otherwise. Shorter: [the tools](tools.md#settings).
"""


def settings_page() -> str:
    """Return the page's text."""
    return "\n".join([_HEAD, *_settings()]).rstrip() + "\n"


def _settings() -> Iterator[str]:
    traits = JupyterMCP.class_own_traits(config=True)
    for name, trait in sorted(traits.items()):
        yield from (f"## {name}", "", f"{_type(trait)}; default: {_default(trait)}.", "", _said(trait.help), "")


def _said(text: str) -> str:
    return " ".join(text.split())


def _default(trait: Any) -> str:
    value = trait.default()
    return f"`{value!r}`" if value not in (None, "", {}) else "none"


def _type(trait: Any) -> str:
    known = {Bool: "`True` or `False`", Int: "Whole number", Float: "Number", Dict: "Dictionary", List: "List"}
    if isinstance(trait, Enum):
        return "One of " + ", ".join(f"`{value}`" for value in trait.values or ())
    if isinstance(trait, Union):
        return " or ".join(_type(one).lower() for one in trait.trait_types).capitalize()
    found = next((words for kind, words in known.items() if isinstance(trait, kind)), "Text")
    return f"{found}, or `None`" if trait.allow_none else found
