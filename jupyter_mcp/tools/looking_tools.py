"""Tools that look around: notebooks, files, what is in them, what people look at."""

from __future__ import annotations

import posixpath
from itertools import groupby
from typing import Annotated, Any, Literal

from fastmcp.tools import ToolResult
from pydantic import BaseModel, Field

from jupyter_mcp.notebooks.finding import Found
from jupyter_mcp.notebooks.looking import Looking
from jupyter_mcp.notebooks.search import Hits, Query, Search
from jupyter_mcp.replies.replies import NotebookEntry, reply, schema

from .parameters import READS, hints
from .toolbox import Toolbox

_LONGEST = 20_000  # characters of paths in one reply

Folder = Annotated[str, Field(description="Only below it")]
Pattern = Annotated[str, Field(description="Part of a path, or a glob: *.csv, a/**/*.csv")]


class FileEntry(BaseModel):
    """A file with its size in bytes, or a folder, whose path ends in a slash."""

    path: str
    size: int = 0


class Match(BaseModel):
    """A line that matches."""

    cell_id: str
    index: int
    line: int
    text: str
    output: int = Field(default=-1)


class InNotebook(BaseModel):
    """The matches in one notebook."""

    path: str
    matches: list[Match]


class SearchReply(BaseModel):
    """What was found, and how much of it is not shown."""

    notebooks: list[InNotebook]
    searched: int
    total: int
    notice: str = ""


class Look(BaseModel):
    """What somebody looks at."""

    name: str
    path: str
    in_front: bool
    cell_id: str = ""
    index: int = -1
    line: int = 0
    selected: str = ""


def offer_looking_tools(tools: Toolbox) -> None:
    """Offer the tools that look around."""
    server, looking = tools.server, Looking(tools.notebooks)
    search = Search(looking)

    @server.tool(annotations=hints("List notebooks", **READS), output_schema=schema(list[NotebookEntry]))
    async def list_notebooks(
        folder: Folder = "", pattern: Pattern = "", limit: Annotated[int, Field(ge=1, le=1000)] = 100
    ) -> ToolResult:
        """List notebooks, not hidden ones; `more` says how many are left out."""
        await tools.admit(("read", "contents"))
        found = await looking.find_notebooks(folder, pattern)
        return _listed(
            [{"path": one.path, "name": posixpath.basename(one.path)} for one in found.entries], limit, found
        )

    @server.tool(annotations=hints("List files", **READS), output_schema=schema(list[FileEntry]))
    async def list_files(
        folder: Folder = "", pattern: Pattern = "", limit: Annotated[int, Field(ge=1, le=1000)] = 100
    ) -> ToolResult:
        """List a folder's files (size in bytes) and folders; with a pattern, files at any depth."""
        await tools.admit(("read", "contents"))
        found = await looking.find_files(folder, pattern)
        entries: list[dict[str, Any]] = [
            {"path": one.path} if one.size is None else {"path": one.path, "size": one.size} for one in found.entries
        ]
        return _listed(entries, limit, found)

    @server.tool(annotations=hints("Search notebooks", **READS), output_schema=schema(SearchReply))
    async def search_notebooks(
        pattern: Annotated[str, Field(description="Text within a line")],
        folder: Folder = "",
        within: Annotated[Literal["sources", "outputs", "all"], Field(alias="in")] = "sources",
        regex: Annotated[bool, Field(description="Python's regular expression")] = False,
        ignore_case: bool = False,
        limit: Annotated[int, Field(ge=1, le=500)] = 50,
    ) -> ToolResult:
        """Search the cells of many notebooks; gives cell ids and lines."""
        await tools.admit(("read", "contents"))
        hits = await search(Query(pattern, folder, within, regex, ignore_case, limit))
        return reply(_found(hits))

    @server.tool(annotations=hints("What people look at", **READS), output_schema=schema(list[Look]))
    async def get_context() -> ToolResult:
        """Tell what people look at: notebook in front, cell and line of the caret, selected text."""
        await tools.admit(("read", "contents"))
        return reply(looking.context())


def _listed(entries: list[dict[str, Any]], limit: int, found: Found) -> ToolResult:
    """Return a list of at most `limit` entries, and how many more there are; shorter if the paths are very long."""
    shown: list[dict[str, Any]] = []
    size = 0
    for entry in entries[:limit]:
        size += 2 * len(entry["path"])
        if shown and size > 2 * _LONGEST:
            break
        shown.append(entry)
    more = len(entries) - len(shown)
    if not more and found.complete:
        return reply(shown)
    beside: dict[str, Any] = {"more": more} if more else {}
    told = f"{more} more; narrow it by `folder` or `pattern`, or raise `limit` (at most 1000)" if more else ""
    if not found.complete:
        told = "; ".join(filter(None, (told, "not all folders were looked into: there are too many; name a `folder`")))
    return reply(shown, beside={**beside, "notice": told})


def _found(hits: Hits) -> dict[str, Any]:
    notebooks = []
    for path, matches in groupby(hits.matches, key=lambda match: str(match["path"])):
        rows = [
            {
                "cell_id": match["id"] or "",
                **{key: match[key] for key in ("index", "line", "text", "output") if key in match},
            }
            for match in matches
        ]
        notebooks.append({"path": path, "matches": rows})
    notices = list(hits.notices)
    if (more := hits.total - len(hits.matches)) > 0:
        notices.insert(0, f"{more} more matches; raise `limit`, or narrow the search")
    found: dict[str, Any] = {"notebooks": notebooks, "searched": hits.searched, "total": hits.total}
    return {**found, "notice": "; ".join(notices)} if notices else found
