"""The kernel that a notebook names in its metadata, as JupyterLab writes it."""

from __future__ import annotations

from typing import Any

from pycrdt import Map

from jupyter_mcp.errors import KernelUnavailableError
from jupyter_mcp.rooms.live import Live

from .cells import edit


def choose(live: Live, name: str, specs: dict[str, dict[str, Any]]) -> None:
    """Write the kernel of that name into the notebook's metadata. Raises KernelUnavailableError if there is none."""
    if name not in specs:
        raise KernelUnavailableError(
            f"This server has no kernel {name!r}; it has {', '.join(sorted(specs))}. Nothing was changed."
        )
    spec = specs[name]
    language = str(spec.get("language", ""))
    kernelspec = {"name": name, "display_name": str(spec.get("display_name", name)), "language": language}
    meta: Map[Any] = live.document.ydoc.get("meta", type=Map)
    metadata = meta.get("metadata")
    found = metadata.to_py() if isinstance(metadata, Map) else metadata
    found = found if isinstance(found, dict) else {}
    info = found.get("language_info")
    other = not isinstance(info, dict) or str(info.get("name", "")).lower() != language.lower()
    changes = {"kernelspec": kernelspec, **({"language_info": {"name": language}} if other and language else {})}
    if all(found.get(key) == value for key, value in changes.items()):
        return
    with edit(live, "kernelspec"):
        if isinstance(metadata, Map):
            for key, value in changes.items():
                metadata[key] = value
        else:
            meta["metadata"] = {**found, **changes}
