"""What was meant by a name that nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

_LONGEST = 60  # characters of an unknown name that are repeated
# What agents call things elsewhere: names of one meaning.
_ALIKE = (
    {"path", "notebook", "notebook_path", "file", "filename", "file_path", "filepath", "uri"},
    {"source", "content", "code", "text", "new_source", "cell_source", "value", "body"},
    {"index", "cell_index", "position", "cell_number", "cell", "idx"},
    {"cell_id", "id", "cellid", "uuid", "cell"},
    {"cell_ids", "ids", "cells"},
    {"cell_type", "type", "kind"},
    {"old", "old_str", "old_string", "find", "search", "from"},
    {"new", "new_str", "new_string", "replace_with", "replacement", "to"},
    {"all", "replace_all", "every", "global"},
    {"timeout", "wait", "seconds", "max_wait", "timeout_seconds"},
    {"pattern", "query", "glob", "search", "regex", "q"},
    {"folder", "directory", "dir", "root", "path"},
    {"limit", "max", "max_results", "count", "n"},
    {"edits", "operations", "changes", "ops"},
    {"op", "operation", "action", "command", "kind", "type"},
    {"line", "at_line", "line_number", "at"},
    {"expected", "revision", "expected_revision"},
)


def meant(name: str, known: Collection[str]) -> str | None:
    """Return the known name that an unknown one most likely stands for, None if none is near."""
    plain = name.lower().replace("-", "_")
    for each in known:
        if each.replace("_", "") == plain.replace("_", ""):
            return each
    near = get_close_matches(plain, known, n=1, cutoff=0.85)  # a slip of the fingers
    if near:
        return near[0]
    for alike in _ALIKE:
        if plain in alike:
            found = next((each for each in known if each in alike), None)
            if found is not None:
                return found
    near = get_close_matches(plain, known, n=1, cutoff=0.6)
    return near[0] if near else None


def unknown_names(names: Iterable[str], known: Collection[str]) -> str:
    """Return a sentence that names what is unknown, what was meant, and what there is."""
    told = []
    for name in names:
        guess = meant(name, known)
        told.append(f"{name[:_LONGEST]!r}" + (f" (did you mean {guess!r}?)" if guess else ""))
    return f"Unknown: {', '.join(told[:5])}. It takes {', '.join(known) or 'none'}."
