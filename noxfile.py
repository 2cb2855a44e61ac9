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
    wheel = max((ROOT / "dist").glob("jupyter_mcp_rooms-*.whl"), key=lambda path: path.stat().st_mtime)
    session.install("--no-deps", "--reinstall-package", "jupyter-mcp-rooms", str(wheel), silent=True)


@nox.session(name="lab", default=False)
def lab(session: nox.Session) -> None:
    """Start JupyterLab with MCP at /mcp on loopback; prints the URL with its token: -- [options of jupyter lab]."""
    install_project(session, "lab.txt", "tools.txt")
    workspace = ROOT / "workspace"
    workspace.mkdir(exist_ok=True)
    # In a container one is often root; the server still listens on loopback only, and asks for its token.
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    arguments = ["--ServerApp.ip=127.0.0.1", "--no-browser", *root, *session.posargs]
    session.run("jupyter", "lab", f"--ServerApp.root_dir={workspace}", *arguments)


@nox.session(name="lock", default=False)
def lock(session: nox.Session) -> None:
    """Resolve the specs into the locks: -- [base|wheels|tools|conda|cuda | --recipe DIR] [--upgrade NAME...]."""
    install_locked(session, "tools.txt")
    session.run("python", "-m", "env", "lock", *session.posargs)


@nox.session(name="verify", default=False)
def verify(session: nox.Session) -> None:
    """Check that every lock answers its spec and holds what it promises, on both platforms: -- [--offline]."""
    install_locked(session, "tools.txt")
    session.run("python", "-m", "env", "verify", *session.posargs)


@nox.session(name="fetch", default=False)
def fetch(session: nox.Session) -> None:
    """Download what the locks name into the store: -- [--recipe DIR] [--platform LIST] [--env NAME] [--check]."""
    install_locked(session, "tools.txt")
    session.run("python", "-m", "env", "fetch", *session.posargs)


@nox.session(name="package", default=False)
def package(session: nox.Session) -> None:
    """Build the wheel and the sdist of jupyter-mcp-rooms into dist/."""
    install_locked(session, "tools.txt")
    session.run("python", "-m", "hatchling", "build", "--directory", "dist", env={"SOURCE_DATE_EPOCH": _epoch()})


@nox.session(name="build-image", default=False)
def build_image(session: nox.Session) -> None:
    """Build OCI images: -- [IMAGE] [--platform linux/amd64,linux/arm64] [--env NAME] [--plan] [--output DIR]."""
    install_locked(session, "tools.txt")
    session.run("python", "-m", "images", "build", *session.posargs)


@nox.session(name="test-image", default=False)
def test_image(session: nox.Session) -> None:
    """Run each platform's image and drive it with an MCP client: -- [IMAGE or DIR] [--platform LIST]."""
    install_locked(session, "lab.txt", "tools.txt")
    session.run("python", "-m", "images", "check", *session.posargs)


@nox.session(name="images", default=False)
def images(session: nox.Session) -> None:
    """Any other command on images: -- verify|size|diff|golden|export|push|discover|mcp... (-- --help lists them)."""
    install_locked(session, "lab.txt", "tools.txt")
    session.run("python", "-m", "images", *session.posargs)


@nox.session(name="tests")
def tests(session: nox.Session) -> None:
    """Run the tests against the installed wheel, all of them in two processes: -- [pytest arguments]."""
    install_project(session, "lab.txt", "tools.txt")
    session.run("python", "-m", "pytest", *(session.posargs or ("--numprocesses=2", "--dist=loadgroup")))


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
    session.run("mypy", "env", "images", "jupyter_mcp", "benchmarks")


@nox.session(name="picture", default=False)
def picture(session: nox.Session) -> None:
    """Take the README's picture again, in Chromium on a real server."""
    install_project(session, "lab.txt", "tools.txt")
    session.run("python", "docs/pictures/take.py")


def _epoch() -> str:
    """Give the time that built files carry: SOURCE_DATE_EPOCH, or that of the image recipes, 2026-11-01."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return epoch
    return "1793491200"


if __name__ == "__main__":
    nox.main()
