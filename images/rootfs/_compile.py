"""Run by the locked interpreter, never imported: compile sources to unchecked-hash pycs (PEP 552).

Input on stdin: source file, path in the image and output file, each ended by a NUL, once and again.

What marshal writes depends on which equal strings the process happens to have interned, so three things are fixed.
Only built-in and frozen modules are imported, and no pyc of the interpreter's own library is read or written, so that
the process starts the same way every time. Each source is compiled in a child forked from that one process, so that a
pyc is a function of the source and its path alone, in whatever order and company it is compiled.
"""

from __future__ import annotations

import _imp
import _warnings
import marshal
import os
import sys
from importlib.machinery import SourceFileLoader

UNCHECKED_HASH = (0b01).to_bytes(4, "little")


def compile_one(source: str, path: str, output: str, magic: bytes) -> None:
    """Compile one source; one that is no Python of this version gets no pyc, since importing it fails all the same."""
    with open(source, "rb") as file:  # noqa: PTH123 - pathlib would intern the parts of its paths
        text = file.read()
    try:
        code = compile(text, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return
    source_hash = _imp.source_hash(int.from_bytes(magic, "little"), text)
    with open(output, "wb") as file:  # noqa: PTH123 - as above
        file.write(magic + UNCHECKED_HASH + source_hash + marshal.dumps(code))


def main() -> None:
    """Compile what stdin names, each in a process of its own."""
    # The frozen importer's own; `importlib.util` would import more.
    magic = sys.modules[SourceFileLoader.__module__].MAGIC_NUMBER
    # What the C code asks as long as the `warnings` module is not imported.
    _warnings.filters.insert(0, ("ignore", None, Warning, None, 0))
    compile("x = 1", "warm", "exec")
    words = sys.stdin.read().split("\0")[:-1]
    for source, path, output in zip(words[::3], words[1::3], words[2::3], strict=True):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                compile_one(source, path, output, magic)
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"could not compile {path}")


main()
