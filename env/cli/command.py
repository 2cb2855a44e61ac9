"""How a command ends: with success, with one line and the exit code of its cause, or interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console

from env.errors import EnvError

INTERRUPTED = 130


def start(function: Callable[[Any, Console], None], options: Any) -> int:
    """Run a command with its options; what it says on the way goes to standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    return run(lambda: function(options, console), console)


def run(action: Callable[[], None], console: Console) -> int:
    """Run `action`; an error becomes one line on `console` and its exit code, Ctrl-C becomes 130."""
    try:
        action()
    except EnvError as error:
        console.print(f"error: {error}", style="red", markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        console.print("interrupted: nothing was left half-made; run it again to go on where it stopped")
        return INTERRUPTED
    return 0
