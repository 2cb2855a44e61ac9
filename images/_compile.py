"""Run by the locked interpreter, never imported: compile sources to unchecked-hash pycs (PEP 552).

Input on stdin, one JSON list a line: ``[source file, path in the image, output file]``. Each source is compiled in a
child forked from one warm process, because marshal's output depends on what else the process has seen: forked afresh,
a pyc is a function of the source and its path alone, in whatever order and company it is compiled.
"""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import sys
import warnings
from pathlib import Path

UNCHECKED_HASH = (0b01).to_bytes(4, "little")


def compile_one(source: str, path: str, output: str) -> None:
    """Compile one source; one that is no Python of this version gets no pyc, since importing it fails all the same."""
    text = Path(source).read_bytes()
    try:
        code = compile(text, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(text)
    Path(output).write_bytes(head + marshal.dumps(code))


def main() -> None:
    """Compile what stdin names, each in a process of its own."""
    warnings.simplefilter("ignore")
    compile("x = 1", "warm", "exec")
    for line in sys.stdin.read().splitlines():
        source, path, output = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                compile_one(source, path, output)
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"could not compile {path}")


main()
