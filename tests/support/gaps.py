"""A notebook's history in which updates are missing, as earlier versions could leave it in a store.

Run as a program it loads such a store and hands the document on, as a room does: pycrdt 0.14 may end the process there.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

from pycrdt import Array, Doc, Map, Text
from pycrdt.store import SQLiteYStore

from jupyter_mcp.rooms.batched_store import batched

SEED = 1135  # one of few with which pycrdt 0.14.13 fails if the updates are applied one by one
LOADS = 300  # of which it then fails in one of a hundred


def history(seed: int) -> tuple[list[bytes], Any]:
    """Return updates of two people without some in their midst, which a later one brings; and the cells at the end."""
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    docs: list[Doc[Any]] = [Doc(client_id=1), Doc(client_id=2)]
    updates: list[bytes] = []
    for doc in docs:
        doc.get("cells", type=Array)
        doc.observe(lambda event: updates.append(event.update))
    for turn in range(chance.choice([30, 80, 200])):
        mine = chance.randrange(2)
        _edit(docs[mine], turn, chance)
        known = len(updates)
        docs[1 - mine].apply_update(docs[mine].get_update(docs[1 - mine].get_state()))
        del updates[known:]
    at = chance.randrange(len(updates) - 12)
    missing = range(at, at + chance.randrange(1, 12))
    kept = [update for number, update in enumerate(updates) if number not in missing]
    cut = chance.randrange(len(kept))
    return [*kept[:cut], docs[0].get_update(), *kept[cut:]], _cells(docs[0])


def _edit(doc: Doc[Any], turn: int, chance: random.Random) -> None:
    cells: Array[Any] = doc.get("cells", type=Array)
    draw = chance.random()
    if draw < 0.45 or not len(cells):
        parts = {"source": Text("print(1)"), "outputs": Array([]), "metadata": Map({"trusted": True})}
        cells.insert(chance.randrange(len(cells) + 1), Map({"id": f"c{turn}", **parts}))
        return
    at = chance.randrange(len(cells))
    if draw < 0.6:
        del cells[at]
    elif draw < 0.8:
        with doc.transaction():
            outputs = cells[at]["outputs"]
            del outputs[0 : len(outputs)]
            outputs.append(Map({"output_type": "stream", "name": "stdout", "text": Array(["hello"])}))
    else:
        cells[at]["state"] = chance.choice(["idle", "running"])


def _cells(doc: Doc[Any]) -> Any:
    return json.loads(str(doc.get("cells", type=Array)))


async def _load(path: str, expected: Any) -> None:
    class Stored(SQLiteYStore):
        db_path = path

    async with batched(Stored, None)("a.y") as store:
        for _ in range(LOADS):
            doc: Doc[Any] = Doc()
            await store.apply_updates(doc)
            doc.get_update()
        assert _cells(doc) == expected


if __name__ == "__main__":
    asyncio.run(_load(sys.argv[1], history(int(sys.argv[2]))[1]))
