"""Refuse what would change packages, and say why; all else is pip's own."""

from __future__ import annotations

import os
import runpy
import sys

CHANGES = ("install", "uninstall")


def main() -> None:
    """Run pip, unless it is asked to change something."""
    if any(word in CHANGES for word in sys.argv[1:]):
        print(f"ERROR: {os.environ.get('JUPYTER_NO_PACKAGES', 'no packages can be added here')}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - as sys.path has it
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]  # noqa: PTH100
    del sys.modules["pip"]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
