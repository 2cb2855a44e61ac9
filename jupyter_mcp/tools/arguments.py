"""The arguments of a call, before its tool checks them one by one."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from jupyter_mcp.errors import BadArgumentError
from jupyter_mcp.suggestions import unknown_names

_MOST, _LONGEST = 3, 500  # faults, and characters, that are told


def known_arguments(tool: str, arguments: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments without those that are null: they count as left out. Raises BadArgumentError.

    An unknown one is refused with what was meant: a call that is done without it would do something else.
    """
    known = parameters.get("properties", {})
    if unknown := [name for name in arguments if name not in known]:
        raise BadArgumentError(f"{tool}: {unknown_names(unknown, list(known))}")
    given = {name: value for name, value in arguments.items() if value is not None}
    if missing := [name for name in parameters.get("required", ()) if name not in given]:
        raise BadArgumentError(f"{tool} needs {', '.join(f'`{name}`' for name in missing)}.")
    return given


def wrong_arguments(tool: str, error: BaseException | None) -> BadArgumentError | None:
    """Return what pydantic found wrong with a call's arguments, in one line; None if it was something else."""
    if not isinstance(error, ValidationError):
        return None
    told = [
        f"`{'.'.join(str(part) for part in one['loc']) or 'arguments'}`: {one['msg'].rstrip('.')}"
        for one in error.errors(include_url=False, include_input=False)[:_MOST]
    ]
    return BadArgumentError(f"{tool}: {'; '.join(told)[:_LONGEST]}.")
