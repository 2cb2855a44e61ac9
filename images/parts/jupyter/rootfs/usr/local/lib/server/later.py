"""Run a Python program without what it imports and seldom uses: ``python later.py PROGRAM ARGUMENT...``.

jsonschema imports rfc3987_syntax, whose parser takes 0.8 seconds of the processor to be made, to look at the format
``iri``, which no event of Jupyter's has. Here it is imported when it is first asked. Kernels are programs of their own,
and have it as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
import types
from typing import Any

SELDOM = "rfc3987_syntax"
ASKED = "is_valid_syntax"


def put_off() -> None:
    """Put a module in the place of the one that is seldom used; it becomes that at the first question."""
    found = importlib.util.find_spec(SELDOM)
    if found is None:
        return
    stand_in = types.ModuleType(SELDOM)
    stand_in.__spec__, stand_in.__path__ = found, found.submodule_search_locations  # type: ignore[assignment]

    def real() -> types.ModuleType:
        if sys.modules.get(SELDOM) is stand_in:
            del sys.modules[SELDOM]
        return importlib.import_module(SELDOM)

    def is_valid_syntax(*args: Any, **kwargs: Any) -> Any:
        return getattr(real(), ASKED)(*args, **kwargs)

    def other(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(real(), name)

    stand_in.__dict__.update({ASKED: is_valid_syntax, "__getattr__": other})
    sys.modules[SELDOM] = stand_in


def main() -> None:
    """Run the program as Python would have run it."""
    sys.argv = sys.argv[1:]
    program = sys.argv[0]
    # Python puts the folder of a script first; of this one there is nothing to import.
    sys.path[0] = program.rpartition("/")[0]
    put_off()
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
