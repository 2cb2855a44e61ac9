"""Outputs in brief: what every tool shows of a cell's outputs, small, readable, with pictures as MCP image blocks.

For tools that show outputs:

    shown = await in_brief(cell["outputs"], cell["id"])            # or with another Budget, e.g. LISTED
    return reply(..., pictures=shown.pictures)                     # shown.outputs is nbformat, without bytes

`outputs_reply(shown)` is the list that execute_cell returns.

`shown.outputs` has an output's place in the cell's list at the same place, unless it says that some are left out. A
form that is no text (a picture, a plot, a widget) is a marker there, which says what it is and the call of get_output
that gets it. `shown.text()` is the same as one text, for replies that list many cells. Markers and notices are only in
the reply: they never go into the document.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp.types import ImageContent

from jupyter_mcp.advice import either
from jupyter_mcp.kernels.messages import Output

from .pictures import NoPictureError, Picture, picture
from .plain_text import without_codes
from .readable import (
    Readable,
    as_text,
    frames,
    is_binary,
    joined,
    kilobytes,
    readable,
    traceback_lines,
    without_data_uris,
)

_INLINE = 20_000  # characters of outputs that are not worth a thread
_LEAST = 200  # characters that each output may have, however many there are
_METADATA = 300  # characters of an output's metadata, which seldom say anything to a model
_NAME = 200  # characters of a MIME type or an exception's name
_FORMS = 20  # of an output that are named
_KEPT = ("output_type", "name", "ename", "execution_count")  # beside texts, data and metadata
_FRAMES = 6  # of a traceback: the first two and the last four
_MOST_BASE64 = 900_000  # characters of all pictures of a reply


@dataclass(frozen=True)
class Budget:
    """How much of the outputs of a cell is shown: characters of one and of all, how many of them, how many pictures."""

    each: int = 3000
    all: int = 6000
    count: int = 40
    pictures: int = 4


CELL = Budget()  # of one cell
LISTED = Budget(each=500, all=1000, count=10, pictures=0)  # of each cell, where many are shown


@dataclass(frozen=True)
class Brief:
    """Outputs in brief, as nbformat; the pictures go into the reply's content; `left_out` tells if anything is cut."""

    outputs: list[Output]
    pictures: list[ImageContent] = field(default_factory=list)
    left_out: bool = False

    def text(self) -> str:
        """Return the outputs as one text."""
        return "\n".join(part.rstrip("\n") for part in map(_as_text, self.outputs) if part)


def get_output_call(cell_id: str, output: int, *, start: int = 0, mime: str = "") -> str:
    """Return the call that gets an output whole, as markers and notices name it."""
    if either("get_output", "") == "":
        return either('get_notebook(…, outputs="full") has its text, the notebook all', "the notebook has it")
    more = f", start={start}" if start else ""
    form = f', mime_type="{mime}"' if mime else ""
    return f'get_output(cell_id="{cell_id}", output={output}{more}{form})'


def cut(text: str, most: int, call: str, *, length: int | None = None) -> str:
    """Return a text of at most about `most` characters: its head, a notice that names `call`, and its tail.

    `call` has a `{start}` where the first character left out goes. `length` is that of the whole, if `text` is not it.
    """
    total = len(text) if length is None else length
    if total <= most and len(text) <= most:
        return text
    head = _line_end(text, most * 3 // 5)
    tail = _line_start(text, len(text) - (most - most * 3 // 5))
    left_out = total - head - (len(text) - tail)
    notice = f"[{left_out} of {total} characters left out: {call.replace('{start}', str(head))}]"
    return f"{text[:head].rstrip(chr(10))}\n{notice}\n{text[tail:]}"


def _line_end(text: str, at: int) -> int:
    found = text.rfind("\n", at * 2 // 3, at) + 1
    return found or at


def _line_start(text: str, at: int) -> int:
    found = text.find("\n", at, at + (len(text) - at) // 3) + 1
    return found or at


def outputs_reply(shown: Brief) -> list[dict[str, Any]]:
    """Return outputs in brief as execute_cell returns them: `type`, and the rest as `content`."""
    return [
        {"type": one["output_type"], "content": {key: item for key, item in one.items() if key != "output_type"}}
        for one in shown.outputs
    ]


async def in_brief(outputs: Sequence[Output], cell_id: str, budget: Budget = CELL) -> Brief:
    """Return a cell's outputs in brief; large ones are worked on in a thread."""
    if _weight(outputs) <= _INLINE:
        return brief(outputs, cell_id, budget)
    return await asyncio.to_thread(brief, outputs, cell_id, budget)


def _weight(outputs: Sequence[Output]) -> int:
    """Return about how many characters the outputs have; any picture or object counts as too many."""
    weight = 0
    for output in outputs:
        data = output.get("data")
        values = list(data.values()) if isinstance(data, dict) else [output.get("text"), output.get("traceback")]
        for value in values:
            if isinstance(value, dict):
                return _INLINE + 1
            weight += sum(len(str(one)) for one in value) if isinstance(value, list) else len(str(value or ""))
        if isinstance(data, dict) and any(mime.startswith("image/") for mime in data):
            return _INLINE + 1
    return weight


def brief(outputs: Sequence[Output], cell_id: str, budget: Budget = CELL) -> Brief:
    """Return a cell's outputs in brief; `in_brief` says when this is done in a thread."""
    first, last = _ends(len(outputs), budget.count)
    places = [*range(first), *range(last, len(outputs))]
    found = {at: readable(outputs[at]) for at in places}
    each = _share([one.length for one in found.values()], budget)
    pictures: list[ImageContent] = []
    shown: list[Output] = []
    cut_any = last > first
    for at in places:
        if at == last and last > first:
            shown.append(
                _notice(f"[{last - first} of {len(outputs)} outputs left out: {_call(cell_id, first)} and on]\n")
            )
        shown.append(_one(outputs[at], found[at], _Room(cell_id, at, each, budget.pictures, pictures)))
        cut_any = cut_any or found[at].length > each or bool(found[at].marked) or found[at].picture is not None
    return Brief(shown, pictures, cut_any)


def in_full(outputs: Sequence[Output], cell_id: str) -> list[Output]:
    """Return a cell's outputs whole, in all their forms; what is bytes is a marker, and colours are gone."""
    return [_whole(output, cell_id, at) for at, output in enumerate(outputs)]


def _whole(output: Output, cell_id: str, at: int) -> Output:
    kind, data = output.get("output_type"), output.get("data")
    if kind == "stream":
        return {**output, "text": without_codes(joined(output.get("text")))}
    if kind == "error":
        return {**output, "evalue": without_codes(str(output.get("evalue", ""))), "traceback": traceback_lines(output)}
    forms = data if isinstance(data, dict) else {}
    return {**output, "data": {mime: _form(mime, value, cell_id, at) for mime, value in forms.items()}}


def _form(mime: str, value: Any, cell_id: str, at: int) -> Any:
    if is_binary(mime):
        return f"[{mime}, {kilobytes(len(joined(value)) * 3 // 4)}: {get_output_call(cell_id, at)}]"
    text = as_text(mime, value)
    return value if not isinstance(value, str | list) or mime.endswith("json") else without_data_uris(text)


def _ends(total: int, most: int) -> tuple[int, int]:
    """Return how many first outputs are shown, and where the last ones begin."""
    if total <= most:
        return total, total
    return most * 2 // 3, total - (most - most * 2 // 3)


def _share(lengths: list[int], budget: Budget) -> int:
    """Return how long an output may be, so that all are within the budget."""
    each = budget.each
    while each > _LEAST and sum(min(one, each) for one in lengths) > budget.all:
        each = max(_LEAST, each * 3 // 4)
    return each


def _notice(text: str) -> Output:
    return {"output_type": "stream", "name": "notice", "text": text}


def _call(cell_id: str, output: int) -> str:
    return get_output_call(cell_id, output)


@dataclass(frozen=True)
class _Room:
    """Where an output is, and what it may take."""

    cell_id: str
    at: int
    each: int
    most_pictures: int
    pictures: list[ImageContent]

    def cut(self, text: str, length: int | None = None) -> str:
        call = get_output_call(self.cell_id, self.at, start=-1).replace("start=-1", "start={start}")
        return cut(text, self.each, call, length=length)

    def marker(self, what: str, mime: str = "") -> str:
        return f"[{what}: {get_output_call(self.cell_id, self.at, mime=mime)}]"


def _one(output: Output, found: Readable, room: _Room) -> Output:
    kind = output.get("output_type")
    shown: Output = {key: _of(output[key]) for key in _KEPT if key in output}  # others are no part of nbformat
    if kind == "stream":
        return {**shown, "text": room.cut(found.text, found.length)}
    if kind == "error":
        return {**shown, "evalue": _short(str(output.get("evalue", "")), room), "traceback": _traceback(output, room)}
    data: dict[str, Any] = {}
    if found.mime_type:
        data[found.mime_type] = room.cut(found.text, found.length)
    if found.picture is not None:
        data[found.picture[0]] = _picture(*found.picture, room)
    for mime, what in found.marked[:_FORMS]:
        data[_of(mime)] = room.marker(what, mime if mime == _of(mime) else "")
    metadata = output.get("metadata")
    shown |= {"data": data, "metadata": metadata if len(str(metadata)) <= _METADATA else {}}
    # The same in other words: a model that wants one of these asks for it by its type.
    return {**shown, "other_forms": [_of(mime) for mime in found.others[:_FORMS]]} if found.others else shown


def _of(name: Any) -> Any:
    """Return a name or a number, short: a kernel or a file may say anything."""
    return name if name is None or isinstance(name, int | float) else str(name)[:_NAME]


def _short(text: str, room: _Room) -> str:
    return room.cut(without_codes(text))


def _traceback(output: Output, room: _Room) -> list[str]:
    """Return what was raised, then the frames in brief."""
    raised = without_codes(f"{_of(output.get('ename', 'Error'))}: {output.get('evalue', '')}").removesuffix(": ")
    lines = traceback_lines(output)
    where = frames(lines)
    if not where:  # of another language or library: its end says most
        rest = room.cut("\n".join(line for line in lines if line.strip()))
        return [room.cut(raised), rest] if rest and rest != raised else [room.cut(raised)]
    if len(where) > _FRAMES:
        notice = f"[{len(where) - _FRAMES} frames left out: {_call(room.cell_id, room.at)}]"
        where = [*where[:2], notice, *where[2 - _FRAMES :]]
    return [room.cut(raised), *(line if len(line) <= _METADATA else f"{line[:_METADATA]} …" for line in where)]


def _picture(mime: str, data: str, room: _Room) -> str:
    """Add the picture to the reply, and return its marker."""
    size = kilobytes(len(data) * 3 // 4)
    if len(room.pictures) >= room.most_pictures:
        return room.marker(f"{mime}, {size}")
    try:
        found: Picture = picture(data)
    except NoPictureError as error:
        return f"[{mime}, {size}: {error}]"
    what = f"{mime}, {found.width}x{found.height}, {kilobytes(found.size)}"
    if sum(len(one.data) for one in room.pictures) + len(found.data) > _MOST_BASE64:
        return room.marker(what)
    room.pictures.append(found.block())
    return room.marker(f"{what}, image {len(room.pictures)} of this reply, also by")


def _as_text(output: Output) -> str:
    if output["output_type"] == "stream":
        return joined(output["text"])
    if output["output_type"] == "error":
        return "\n".join(output["traceback"])
    data: dict[str, Any] = output["data"]
    return "\n".join(str(value) for value in data.values())
