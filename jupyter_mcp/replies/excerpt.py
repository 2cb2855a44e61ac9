"""What an agent wants to see of a notebook: a range of cells, an outline, outputs in brief, within a budget."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mcp.types import ImageContent

from jupyter_mcp.advice import either
from jupyter_mcp.errors import CellMissingError
from jupyter_mcp.rooms.live import revision

from .brief import LISTED, Brief, Budget, brief, in_brief, in_full
from .pictures import PICTURES
from .plain_text import without_codes
from .readable import joined, kilobytes

HEADING = 100  # characters of a cell that an outline shows
_OUTPUTS = 24_000  # characters of all outputs of a notebook, where no budget is given
_LEAST_OUTPUTS = 300  # characters of the outputs of each cell, however many there are
_LARGEST = 4000  # characters of JSON of one key of metadata; the state of widgets has megabytes
_MOST_METADATA = 5 * _LARGEST  # characters of all keys
_KEY = 200  # characters of the name of one
_CELLS = {"id", "cell_type", "source", "metadata", "outputs", "attachments", "execution_count", "index", "revision"}
_ERROR = 200  # characters
_HERE = 400  # cells that are not worth a thread
_LEAST_CELL = 500  # characters of a source that is cut

Outputs = Literal["none", "brief", "full"]


@dataclass(frozen=True)
class Wanted:
    """What of a notebook is wanted; `start` may count from the end, no `count` means to the end."""

    start: int = 0
    count: int | None = None
    outputs: Outputs = "brief"
    outline: bool = False
    max_chars: int | None = None


async def excerpt(notebook: dict[str, Any], wanted: Wanted, states: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the wanted part as nbformat, each cell with its `revision`; what was left out is in `left_out`.

    Where less than all is wanted, cells have their `index` too.

    `states` says of cells, by id, what their runs are doing. Raises CellMissingError.
    """
    cells: list[dict[str, Any]] = notebook["cells"]
    total = len(cells)
    start = wanted.start + total if wanted.start < 0 else wanted.start
    if not 0 <= start <= total:
        raise CellMissingError(f"Can't start at cell {wanted.start}: the notebook has {total}, 0 to {total - 1}.")
    end = total if wanted.count is None else min(total, start + wanted.count)
    work = _Excerpt(notebook, wanted, states, start, end)
    return work.made() if end - start <= _HERE and _is_light(cells[start:end]) else await asyncio.to_thread(work.made)


def _is_light(cells: list[dict[str, Any]]) -> bool:
    """Return whether there is little in the outputs to be read."""
    texts = 0
    for cell in cells:
        for output in cell.get("outputs") or ():
            if "data" in output and set(output["data"]) - {"text/plain"}:
                return False
            texts += len(str(output.get("text", ""))) + 1000
    return texts < 100_000  # noqa: PLR2004 - characters that take a millisecond


@dataclass
class _Excerpt:
    notebook: dict[str, Any]
    wanted: Wanted
    states: Mapping[str, dict[str, Any]]
    start: int
    end: int

    def made(self) -> dict[str, Any]:
        wanted, cells = self.wanted, self.notebook["cells"]
        most = wanted.max_chars
        shown = [self._cell(cells[at], at) for at in range(self.start, self.end)]
        left_out: list[str] = []
        metadata = _small_metadata(self.notebook.get("metadata", {}))
        reply = {**self.notebook, "metadata": metadata}
        if most is not None:
            shown = self._within(shown, most - len(_json(metadata)), left_out)
        elif any(cell.pop("_cut", False) for cell in shown):
            left_out.append(_not_whole())
        for cell in shown:
            cell.pop("_cut", None)
        reply["cells"] = shown
        if wanted != Wanted():
            reply["cell_count"] = len(cells)
        if left_out:
            reply["left_out"] = "; ".join(left_out)
        return reply

    def _cell(self, cell: dict[str, Any], at: int) -> dict[str, Any]:
        outputs: list[dict[str, Any]] = cell.get("outputs") or []
        more: dict[str, Any] = {"revision": revision(cell["cell_type"], cell["source"])}
        if self.wanted != Wanted():  # of the whole, a cell's place says its index
            more = {"index": at, **more}
        failed = next((one for one in outputs if one.get("output_type") == "error"), None)
        if failed is not None:
            more["error"] = without_codes(f"{failed.get('ename')}: {failed.get('evalue')}")[:_ERROR]
        more |= self.states.get(str(cell.get("id")), {})
        if self.wanted.outline:
            kept: dict[str, Any] = {
                key: cell[key] for key in ("id", "cell_type", "execution_count", "state") if key in cell
            }
            return {**kept, "source": heading(cell["source"]), "metadata": {}, **more}
        shown = _without_much({key: item for key, item in cell.items() if key != "outputs"})
        if "attachments" in cell:
            shown["attachments"] = _marked(cell["attachments"])
        if "outputs" in cell and self.wanted.outputs != "none":
            found = self._outputs(outputs, str(cell.get("id", "")))
            shown |= {"outputs": found.outputs, **({"_cut": True} if found.left_out else {})}
        return {**shown, **more}

    def _outputs(self, outputs: list[dict[str, Any]], cell_id: str) -> Brief:
        if not outputs or self.wanted.outputs == "full":
            return Brief(in_full(outputs, cell_id))
        return brief(outputs, cell_id, self._budget)

    @property
    def _budget(self) -> Budget:
        count = sum(bool(cell.get("outputs")) for cell in self.notebook["cells"][self.start : self.end])
        whole = _OUTPUTS if self.wanted.max_chars is None else self.wanted.max_chars // 2
        each = max(_LEAST_OUTPUTS, min(LISTED.all, whole // max(1, count)))
        return Budget(min(LISTED.each, each), each, LISTED.count, 0)

    def _within(self, shown: list[dict[str, Any]], most: int, left_out: list[str]) -> list[dict[str, Any]]:
        """Return as many of the cells as fit; outputs give way first, then the last cells."""
        sizes = [len(_json(cell)) for cell in shown]
        if sum(sizes) > most and any(cell.get("outputs") for cell in shown):
            left_out.append('outputs: get_cell gets those of one cell, outputs="full" and start/count those of some')
            for cell in shown:
                cell.pop("outputs", None)
            sizes = [len(_json(cell)) for cell in shown]
        elif any(cell.get("_cut") for cell in shown):
            left_out.append(_not_whole())
        room, kept = most, 0
        while kept < len(shown) and sizes[kept] <= room:
            room -= sizes[kept]
            kept += 1
        if kept == 0 and shown:
            shown[0]["source"] = _cut_source(shown[0], max(_LEAST_CELL, most - _LEAST_CELL))
            kept = 1
        if kept < len(shown):
            first = self.start + kept
            left_out.append(f"cells {first} to {self.end - 1}: get_notebook(start={first}), or outline=true for all")
        return shown[:kept]


def _cut_source(cell: dict[str, Any], most: int) -> str:
    source: str = cell["source"]
    if len(source) <= most:
        return source
    where = f'get_cell(cell_id="{cell.get("id", "")}")'
    return f"{source[:most]}\n[{len(source) - most} of {len(source)} characters left out: {where}]"


async def cell_in_brief(cell: dict[str, Any]) -> tuple[dict[str, Any], list[ImageContent]]:
    """Return a cell with its outputs in brief and without bytes, and its pictures."""
    pictures: list[ImageContent] = []
    cell = _without_much(cell)
    if cell.get("attachments"):
        found = await in_brief([_output_of(files) for files in cell["attachments"].values()], cell["id"])
        pictures += found.pictures
        cell = {**cell, "attachments": _marked(cell["attachments"])}
    if cell.get("outputs"):
        shown = await in_brief(cell["outputs"], cell["id"])
        pictures += shown.pictures
        cell = {**cell, "outputs": shown.outputs}
    return cell, pictures


def _output_of(files: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": files if isinstance(files, dict) else {}, "metadata": {}}


def _marked(attachments: Any) -> Any:
    """Return a cell's attachments with markers in place of the bytes."""
    if not isinstance(attachments, dict):
        return {}
    return {
        name: {mime: f"[{mime}, {kilobytes(len(joined(data)) * 3 // 4)}{_shown(mime)}]" for mime, data in files.items()}
        for name, files in attachments.items()
        if isinstance(files, dict)
    }


def _shown(mime: str) -> str:
    return ": get_cell shows it" if mime in PICTURES else ""


def _without_much(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell whose metadata, and what nbformat does not know, are short."""
    shown = {key: item if key in _CELLS else _small(key, item) for key, item in cell.items()}
    if metadata := cell.get("metadata"):
        shown["metadata"] = _small_metadata({key: item for key, item in metadata.items() if key != "trusted"})
    return shown


def _small_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata with a marker in the place of what is long, and of the last keys where there are very many."""
    if len(str(metadata)) <= _LARGEST:
        return metadata
    shown: dict[str, Any] = {}
    room = _MOST_METADATA
    for number, (key, item) in enumerate(metadata.items()):
        name, short = key[:_KEY], _small(key, item)
        room -= len(name) + len(_json(short))
        if room < 0:
            return {**shown, "…": f"[{len(metadata) - number} more keys: the resource notebook:///… has them]"}
        shown[name] = short
    return shown


def _small(key: str, item: Any) -> Any:
    size = len(item) if isinstance(item, str) else len(_json(item))
    return item if size <= _LARGEST else f"[{kilobytes(size)} left out: the resource notebook:///… has `{key[:_KEY]}`]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def heading(source: str) -> str:
    """Return the first line that says something, with an ellipsis if there is more."""
    line = next((line.rstrip() for line in source.splitlines() if line.strip()), "")
    return line if line == source.strip() and len(line) <= HEADING else f"{line[:HEADING]} …"


def _not_whole() -> str:
    how = either("get_output or get_cell gets it", "get_cell gets more of it")
    return f"of some outputs, what is not text or too long: {how}"
