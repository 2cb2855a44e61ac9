# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2026.2", "uv>=0.9"]
# ///
"""The front door: `./noxw -l` lists the sessions. They are thin; the work is in env/, images/ and jupyter_mcp/."""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2026.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
LOCKS = ROOT / "env" / "locks"


def install_locked(session: nox.Session, *locks: str) -> None:
    """Install hash-locked requirements, once for each content of the locks."""
    stamp = Path(session.virtualenv.location) / "locks.txt"
    wanted = "".join((LOCKS / lock).read_text() for lock in locks)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    files = [word for lock in locks for word in ("-r", str(LOCKS / lock))]
    session.install("--require-hashes", "--only-binary", ":all:", *files, silent=True)
    stamp.write_text(wanted)


def install_project(session: nox.Session, *locks: str) -> None:
    """Install the locks, and the project's wheel over them, as a user's environment has it."""
    install_locked(session, *locks)
    session.run("python", "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist", silent=True)
    wheel = max((ROOT / "dist").glob("jupyter_mcp-*.whl"), key=lambda path: path.stat().st_mtime)
    session.install("--no-deps", "--reinstall-package", "jupyter-mcp", str(wheel), silent=True)


@nox.session(name="lab", default=False)
def lab(session: nox.Session) -> None:
    """Start JupyterLab with MCP at /mcp on loopback, from the locked wheels; prints the URL with its token."""
    install_project(session, "lab.txt", "tools.txt")
    workspace = ROOT / "workspace"
    workspace.mkdir(exist_ok=True)
    arguments = session.posargs or ["--ServerApp.ip=127.0.0.1", "--no-browser"]
    session.run("jupyter", "lab", f"--ServerApp.root_dir={workspace}", *arguments)


@nox.session(name="lock", default=False)
def lock(session: nox.Session) -> None:
    """Resolve the specs into env/locks/: -- [base|wheels|tools|conda] [--upgrade NAME...] [--exclude-newer DATE]."""
    install_locked(session, "tools.txt")
    session.run("python", "-m", "env", "lock", *session.posargs)


@nox.session(name="fetch", default=False)
def fetch(session: nox.Session) -> None:
    """Download what the locks name into the store: -- [--platform LIST] [--env NAME] [--store DIR] [--check]."""
    install_locked(session, "tools.txt")
    session.run("python", "-m", "env", "fetch", *session.posargs)


@nox.session(name="package", default=False)
def package(session: nox.Session) -> None:
    """Build the wheel and the sdist of jupyter-mcp into dist/."""
    install_locked(session, "tools.txt")
    session.run("python", "-m", "hatchling", "build", "--directory", "dist", env={"SOURCE_DATE_EPOCH": _epoch()})


@nox.session(name="build-image", default=False)
def build_image(session: nox.Session) -> None:
    """Build OCI images: -- [IMAGE] [--platform linux/amd64,linux/arm64] [--env wheels] [--output DIR]."""
    install_locked(session, "tools.txt")
    session.run("python", "-m", "images", "build", *session.posargs)


@nox.session(name="test-image", default=False)
def test_image(session: nox.Session) -> None:
    """Run each platform's image and drive it with an MCP client: -- [IMAGE or DIR] [--platform LIST]."""
    install_locked(session, "lab.txt", "tools.txt")
    session.run("python", "-m", "images", "check", *session.posargs)


@nox.session(name="tests")
def tests(session: nox.Session) -> None:
    """Run the tests against the installed wheel: -- [pytest arguments]."""
    install_project(session, "lab.txt", "tools.txt")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(name="conformance", default=False)
def conformance(session: nox.Session) -> None:
    """Run the MCP conformance suites through the bridge and on uvicorn, and drive the tools with the inspector."""
    install_project(session, "lab.txt", "tools.txt")
    folder = ROOT / "tests" / "conformance"
    # Node >= 22 is one of the locked packages; the npm that is here only has to unpack them.
    session.run("npm", "ci", "--ignore-scripts", "--loglevel=error", f"--prefix={folder}", external=True)
    session.run("python", "-m", "pytest", str(folder))
    session.run("python", "-m", "tests.conformance", *session.posargs)


@nox.session(name="bench", default=False)
def bench(session: nox.Session) -> None:
    """Measure the tools side by side with their peers': -- [--subjects LIST] [--measures LIST] [--sizes LIST]."""
    install_project(session, "lab.txt", "tools.txt")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(name="lint")
def lint(session: nox.Session) -> None:
    """Check formatting, style and types."""
    install_project(session, "lab.txt", "tools.txt")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy", "env", "images", "jupyter_mcp")


def _epoch() -> str:
    """Give the time that built files carry: SOURCE_DATE_EPOCH, or that of the last commit."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return epoch
    return "1793491200"


if __name__ == "__main__":
    nox.main()
