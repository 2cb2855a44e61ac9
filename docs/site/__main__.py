"""The command behind `./noxw -s docs`. Only the standard library: its help needs no environment."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
import webbrowser
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from docs.site.links import faults
from docs.site.staging import LinkFaultError, stage
from docs.site.versions import write_versions

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "dist" / "docs"
FAULTS_FOUND = 1
_EXAMPLES = """\
examples:
  ./noxw -s docs                    build dist/docs/VERSION; open its index.html in a browser
  ./noxw -s docs -- --serve 8000    and serve it on loopback until Ctrl+C
  ./noxw -s docs -- --check         build it elsewhere, say what is wrong, keep nothing
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the site; return 1 if a page has a warning or a link leads nowhere."""
    options = parser().parse_args(arguments)
    if options.check:
        with tempfile.TemporaryDirectory(prefix="docs-") as folder:
            return _build(Path(folder), options.version)
    code = _build(options.output, options.version)
    if code == 0 and options.open:
        webbrowser.open((options.output / options.version / "index.html").as_uri())
    if code == 0 and options.serve is not None:
        _serve(options.output, options.serve)
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="./noxw -s docs --",
        description="Build the documentation's site. Every warning, every link to a page, a file or a heading that is "
        "not there, and everything that would be loaded from another host is an error. It needs no network.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--check", action="store_true", help="build in a temporary folder, and keep nothing")
    made.add_argument("--serve", type=int, metavar="PORT", help="then serve it on 127.0.0.1 (0: a free port)")
    made.add_argument("--open", action="store_true", help="then open it in a browser")
    made.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help="default: dist/docs")
    made.add_argument(
        "--version",
        default=tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"],
        metavar="NAME",
        help="the folder in it, and the site's version (default: that of pyproject.toml); other folders stay",
    )
    return made


def _build(output: Path, version: str) -> int:
    site = output / version
    with tempfile.TemporaryDirectory(prefix="docs-source-") as source:
        try:
            stage(ROOT, Path(source))
        except LinkFaultError as error:
            _say(f"error: {error}")
            return FAULTS_FOUND
        new = output / f".{version}.new"
        shutil.rmtree(new, ignore_errors=True)
        command = ("-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--fresh-env", "--nitpicky")
        places = ("--conf-dir", str(Path(__file__).parent), "--doctree-dir", f"{source}/.doctrees", source, str(new))
        settings = ("--define", f"release={version}", "--define", f"version={version}")
        if subprocess.run([sys.executable, *command, *settings, *places], cwd=ROOT, check=False).returncode:
            shutil.rmtree(new, ignore_errors=True)
            return FAULTS_FOUND
        for name in ("llms.txt", "llms-full.txt"):
            shutil.copyfile(Path(source) / name, new / name)
    found = faults(new)
    for fault in found:
        _say(f"error: {fault}")
    if found:
        shutil.rmtree(new)
        return FAULTS_FOUND
    # What was there is replaced only by a site that is whole.
    shutil.rmtree(site, ignore_errors=True)
    new.rename(site)
    write_versions(output)
    _say(f"{sum(1 for _ in site.rglob('*.html'))} pages, all links hold: {site / 'index.html'}")
    return 0


def _serve(folder: Path, port: int) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        _say(f"http://127.0.0.1:{server.server_port}/ (Ctrl+C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            _say("ended")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - there is no rich here


if __name__ == "__main__":
    sys.exit(main())
