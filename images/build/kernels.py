"""Jupyter's kernels of an image with several environments: each is registered under its environment's name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from images.errors import KernelNameError
from images.rootfs.wheels import PREFIX

KERNEL = "ipykernel"
"""The package that makes a Python a kernel."""
NATIVE = "python3"
"""What Jupyter calls the kernel of its own Python."""
PLACE = "/usr/local/share/jupyter/kernels"
"""Where every Jupyter looks, whichever environment it is of (jupyter_core's SYSTEM_JUPYTER_PATH)."""
_LAUNCH = ("-m", "ipykernel_launcher", "-f", "{connection_file}")
# What people add lies over the first environment, and the server knows where (start.d/35-packages.sh).
_FIRST = """\
own=${JUPYTER_PACKAGES_DIR:-}
[ -z "$own" ] || export VIRTUAL_ENV="$own" PATH="$own/bin:$PATH"
exec "${own:-%s}/bin/python" -m ipykernel_launcher -f "$1"
"""


def require_apart(names: Sequence[str], path: Path) -> None:
    """Refuse environments whose kernels would have one name; Jupyter does not tell capitals from small letters.

    Raises:
        KernelNameError: two have.

    """
    seen: dict[str, str] = {}
    for number, name in enumerate(names):
        kernel = name.lower()
        if kernel in seen:
            raise KernelNameError(path, seen[kernel], name)
        if kernel == NATIVE and number:
            raise KernelNameError(path, f"{names[0]} (the first, whose kernel is {NATIVE})", name)
        seen[kernel] = name


def kernels_of(
    name: str,
    prefix: str,
    python: str,
    packages: Sequence[str],
    brought: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, dict[str, Any]]:
    """Return the kernel specs of an environment, by the name that Jupyter gets.

    `python` is the version of its Python, if it has one, `packages` are the names of what it has, `brought` the kernels
    that its conda packages have, and `variables` what activating it sets.
    """
    found: dict[str, dict[str, Any]] = {}
    if python and KERNEL in packages:
        minor = ".".join(python.split(".")[:2])
        argv = [f"{prefix}/bin/python", *_LAUNCH]
        if prefix == PREFIX:
            argv = ["/bin/sh", "-c", _FIRST % prefix, name, "{connection_file}"]
        found[name.lower()] = {
            "argv": argv,
            "display_name": f"Python {minor} ({name})",
            "language": "python",
            "metadata": {"debugger": True},
        }
    others = {kernel: spec for kernel, spec in brought.items() if not re.fullmatch(r"python\d*", kernel)}
    for kernel, spec in sorted(others.items()):
        said = spec.get("argv")
        words = [str(word) for word in said] if isinstance(said, list) else []
        if not words:
            continue
        own = name if not found and len(others) == 1 else f"{name}-{kernel}"
        program = words[0] if words[0].startswith("/") else f"{prefix}/bin/{words[0]}"
        shown = f"{spec.get('display_name', kernel)} ({name})"
        found[own.lower()] = {**spec, "argv": [program, *words[1:]], "display_name": shown}
    if prefix != PREFIX:
        # A server's own settings are those of the first environment; jupyter_client fills in ${PATH}.
        env = {
            **{key: value.replace("$", "$$") for key, value in variables.items()},
            "PATH": f"{prefix}/bin:${{PATH}}",
            "PYTHONPATH": "/usr/local/lib/no-packages",
            "VIRTUAL_ENV": "",
            "JUPYTER_NO_PACKAGES": f"environment {name} has what its lock says: ask for more there, and lock again",
        }
        found = {kernel: {**spec, "env": {**spec.get("env", {}), **env}} for kernel, spec in found.items()}
    return found


def written(specs: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the files of kernel specs: paths in the image, and texts."""
    for name, spec in sorted(specs.items()):
        yield f"{PLACE}/{name}/kernel.json", json.dumps(spec, indent=1, sort_keys=True) + "\n"


def promises(name: str, prefix: str, python: str, kernels: Sequence[str], *, serves: bool) -> Iterator[dict[str, Any]]:
    """Yield the checks that an image with this environment carries, as a recipe would have them.

    Where the image `serves` Jupyter, each kernel of a Python is started and asked where it is.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    known = f"environment-{plain}"
    if prefix != PREFIX:
        yield {"id": known, "scope": "build", "file": prefix, "type": "directory"}
    if python:
        command = [f"{prefix}/bin/python", "-c", "import sys; print(sys.prefix)"]
        yield {"id": f"{known}-python", "scope": "build", "command": command, "stdout": {"contains": prefix}}
    if serves and python and name.lower() in kernels:
        asks = "import json, os; os.chdir(os.environ.get('TMPDIR', '/tmp')); "
        asks += "from jupyter_client.manager import run_kernel\n"
        asks += f"with run_kernel(kernel_name={name.lower()!r}) as k: "
        asks += "k.execute_interactive('import sys; print(sys.prefix)', timeout=120)"
        command = [f"{PREFIX}/bin/python", "-c", asks]
        yield {"id": f"kernel-{plain}", "scope": "build", "command": command, "stdout": {"contains": prefix}}
