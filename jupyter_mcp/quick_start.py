"""Run a command of Jupyter's without the second that a library takes at its import for what is hardly ever asked for.

`python -P -m jupyter_mcp.quick_start jupyter-lab …` does what `jupyter-lab …` does. jsonschema, which every Jupyter
server imports, imports rfc3987-syntax (1.1) for formats that no schema of Jupyter's has, and that builds 38 parsers at
once: 1.0 of the 3.5 seconds of processor time until JupyterLab answers. Here they are built when the first IRI is
checked. docs/explanation/upstream.md has what was asked for.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final

_LATE: Final = "rfc3987_syntax"
_CHECK: Final = "is_valid_syntax"


class _Late(ModuleType):
    """Stands for a module until something of it is used; its one function may be had before that."""

    def __getattr__(self, name: str) -> Any:
        if name == _CHECK:
            return _check
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_loaded(), name)


def _check(*arguments: Any, **options: Any) -> Any:
    return getattr(_loaded(), _CHECK)(*arguments, **options)


def _loaded() -> ModuleType:
    """Return the real module, which takes the place of the one that stood for it."""
    if isinstance(sys.modules.get(_LATE), _Late):
        del sys.modules[_LATE]
    return importlib.import_module(_LATE)


def put_off() -> None:
    """Have rfc3987-syntax loaded at its first use. Does nothing where it is not installed, or loaded already."""
    if _LATE in sys.modules or (spec := importlib.util.find_spec(_LATE)) is None:
        return
    module = _Late(_LATE)
    module.__spec__, module.__file__, module.__path__ = spec, spec.origin, spec.submodule_search_locations or []
    sys.modules[_LATE] = module


def main(words: Sequence[str]) -> Any:
    """Run the console script that the first word names; the others are its arguments."""
    scripts = importlib.metadata.entry_points(group="console_scripts")
    if not words or words[0] not in scripts.names:
        wanted = f"{words[0]!r} is no command of this environment" if words else "a command is missing"
        sys.stderr.write(f"quick_start: {wanted}; name one, e.g. jupyter-lab or jupyterhub-singleuser\n")
        return 2
    put_off()
    sys.argv = list(words)
    return scripts[words[0]].load()()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
