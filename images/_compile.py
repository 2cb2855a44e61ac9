"""Run by the locked interpreter, never imported: compile sources to unchecked-hash pycs (PEP 552).

Input on stdin, one JSON list a line: ``[source file, path in the image, output file]``. Each source is compiled in a
child forked from one warm process, because marshal's output depends on what else the process has seen: forked afresh,
a pyc is a function of the source and its path alone, in whatever order and company it is compiled.
"""

import importlib._bootstrap_external as bootstrap
import importlib.util
import json
import os
import sys
import warnings


def compile_one(source, path, output):
    with open(source, "rb") as file:
        text = file.read()
    try:
        code = compile(text, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return  # templates and tests of other versions: importing them would fail in the same way
    pyc = bootstrap._code_to_hash_pyc(code, importlib.util.source_hash(text), False)
    with open(output, "wb") as file:
        file.write(pyc)


def main():
    warnings.simplefilter("ignore")
    jobs = [json.loads(line) for line in sys.stdin]
    compile("x = 1", "warm", "exec")
    for job in jobs:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                compile_one(*job)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit("could not compile " + job[1])


main()
