# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2026.2", "uv>=0.9"]
# ///
"""The front door: `./noxw --help` lists the sessions. The work is in the packages beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
# A nox that is not started by ./noxw looks for modules elsewhere.
sys.path.insert(0, str(ROOT))

from door.bounds import LOWEST, NEWEST, VERSIONS  # noqa: E402
from door.jupyter_data import rooms_database  # noqa: E402
from door.running import DOCS, LAB, TOOLS, is_root, prepare, run  # noqa: E402
from door.sessions import session as declared  # noqa: E402

nox.needs_version = ">=2026.2"
# For the sessions that need an environment of their own; the others share those of door/environments.py.
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = True

_WORKFLOWS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
LINT = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("lint-imports", "--no-logo", "--no-cache"),
    ("zizmor", "--offline", "--quiet", ".github"),
    ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *_WORKFLOWS),
    ("mypy", "door", "env", "images", "jupyter_mcp", "release", "benchmarks", "tests", "noxfile.py"),
)


@declared("lab", usage=" [-- OPTIONS OF JUPYTER LAB]")
def lab(session: nox.Session) -> None:
    """Start JupyterLab with MCP at /mcp on loopback; prints a line for MCP clients: -- [options of jupyter lab].

    Its notebooks are in workspace/, and its token in .nox/lab/token, the same at each start. %pip adds packages beside
    the locked ones, until the locks change. Another port: ./noxw -s lab -- --port 8890
    All options: ./noxw -s lab -- --help-all
    """
    workspace = ROOT / "workspace"
    workspace.mkdir(exist_ok=True)
    # In a container one is often root; the server still listens on loopback only, and asks for its token.
    root = ["--allow-root"] if is_root() else []
    # What was deleted is in the rooms' history for a while: not in a folder that is shared or committed.
    history = f"--SQLiteYStore.db_path={rooms_database()}"
    arguments = ["--ServerApp.ip=127.0.0.1", "--no-browser", history, *root, *session.posargs]
    run(session, LAB, ("python", "-m", "door.lab", str(workspace), *arguments), project=True)


@declared("lock", program=("env", "lock"))
def lock(session: nox.Session) -> None:
    """Resolve the specs into the locks: -- [base|wheels|tools|conda|cuda | --recipe DIR] [--upgrade NAME...]."""
    run(session, TOOLS, ("python", "-m", "env", "lock", *session.posargs))


@declared("verify", program=("env", "verify"))
def verify(session: nox.Session) -> None:
    """Check that every lock answers its spec and holds what it promises, on both platforms: -- [--offline]."""
    run(session, TOOLS, ("python", "-m", "env", "verify", *session.posargs))


@declared("fetch", program=("env", "fetch"))
def fetch(session: nox.Session) -> None:
    """Download what the locks name into the store: -- [--recipe DIR] [--platform LIST] [--env NAME] [--check].

    All that the other sessions run in is made too, so that they need no network afterwards.
    """
    run(session, TOOLS, ("python", "-m", "env", "fetch", *session.posargs))
    prepare(session, LAB)


@declared("store", program=("env", "store"))
def store(session: nox.Session) -> None:
    """Look after the store: -- check|copy|prune."""
    run(session, TOOLS, ("python", "-m", "env", "store", *session.posargs))


@declared("package", program=("release.package",))
def package(session: nox.Session) -> None:
    """Build the wheel and the sdist of jupyter-mcp-rooms into dist/, of what is here."""
    run(session, TOOLS, ("python", "-m", "release.package", *session.posargs))


@declared("release", program=("release",))
def release(session: nox.Session) -> None:
    """Make a release in dist/release, wheel to images, or try whether one can be made: -- [--check]."""
    run(session, TOOLS, ("python", "-m", "release", *session.posargs))


@declared("build-image", program=("images", "build"))
def build_image(session: nox.Session) -> None:
    """Build OCI images: -- [IMAGE] [--platform linux/amd64,linux/arm64] [--env NAME] [--plan] [--output DIR]."""
    run(session, TOOLS, ("python", "-m", "images", "build", *session.posargs))


@declared("test-image", program=("images", "check"))
def test_image(session: nox.Session) -> None:
    """Run each platform's image and drive it with an MCP client: -- [IMAGE or DIR] [--platform LIST]."""
    run(session, LAB, ("python", "-m", "images", "check", *session.posargs))


@declared("images", program=("images",))
def images(session: nox.Session) -> None:
    """Any other command on images: -- verify|size|diff|golden|export|push|discover|mcp... (-- --help lists them)."""
    run(session, LAB, ("python", "-m", "images", *session.posargs))


@declared("tests", default=True, usage=" [-- ARGUMENTS OF PYTEST]")
def tests(session: nox.Session) -> None:
    """Run the tests against the installed wheel, all of them in two processes: -- [pytest arguments].

    One folder: ./noxw -s tests -- tests/unit
    Those of a name: ./noxw -s tests -- -k journal
    Also those that take minutes: ./noxw -s tests -- --slow (half an hour and more: --long)
    """
    arguments = session.posargs or ("--numprocesses=2", "--dist=loadgroup")
    run(session, LAB, ("python", "-m", "pytest", *arguments), project=True)


_OF_THE_EXTENSION = ("tests/unit/jupyter_mcp", "tests/live")


@declared("tests-lowest", usage=" [-- ARGUMENTS OF PYTEST]")
def tests_lowest(session: nox.Session) -> None:
    """Run the extension's tests with the lowest versions that it says it works with: -- [pytest arguments].

    Without arguments: tests/unit/jupyter_mcp and tests/live. Resolved anew when pyproject.toml changed; needs PyPI.
    """
    arguments = session.posargs or _OF_THE_EXTENSION
    # Old releases warn of the Python and the packages that came after them; that is not ours to mend.
    run(session, LOWEST, VERSIONS, ("python", "-m", "pytest", "-W", "default", *arguments), project=True)


@declared("tests-newest", usage=" [-- ARGUMENTS OF PYTEST]")
def tests_newest(session: nox.Session) -> None:
    """Run the extension's tests with the newest versions, pre-releases of jupyter-collaboration too: -- [arguments].

    Without arguments: tests/unit/jupyter_mcp and tests/live. Resolved anew each day; needs PyPI.
    """
    run(session, NEWEST, VERSIONS, ("python", "-m", "pytest", *(session.posargs or _OF_THE_EXTENSION)), project=True)


@declared("soak", program=("tests.soak",))
def soak(session: nox.Session) -> None:
    """Use one server hard for half an hour: agents, browsers, dying kernels, full disks, kills; tells what was lost.

    -- [--minutes N] [--agents N] [--browsers N] [--life SECONDS]
    """
    run(session, LAB, ("python", "-m", "tests.soak", *session.posargs), project=True)


@declared("fresh", program=("tests.fresh",))
def fresh(session: nox.Session) -> None:
    """Build the image and run the tests on a new Debian with Python and nothing else; needs root and debootstrap."""
    run(session, LAB, ("python", "-m", "tests.fresh", *session.posargs))


@declared("conformance", program=("tests.conformance",))
def conformance(session: nox.Session) -> None:
    """Run the MCP conformance suites through the bridge and on uvicorn, and drive the tools with the inspector."""
    folder = ROOT / "tests" / "conformance"
    # Node >= 22 is one of the locked packages; the npm that is here only has to unpack them.
    npm = ("npm", "ci", "--ignore-scripts", "--loglevel=error", f"--prefix={folder}")
    suites = ("python", "-m", "tests.conformance", *session.posargs)
    run(session, LAB, npm, ("python", "-m", "pytest", str(folder)), suites, project=True)


@declared("hosts", program=("tests.hosts",))
def hosts(session: nox.Session) -> None:
    """Run Codex, OpenCode and Gemini CLI against a scripted model, and write docs/reference/hosts.md; needs npm."""
    npm = ("npm", "ci", "--ignore-scripts", "--loglevel=error", f"--prefix={ROOT / 'tests' / 'hosts'}")
    run(session, LAB, npm, ("python", "-m", "tests.hosts", *session.posargs), project=True)


@declared("sdks")
def sdks(session: nox.Session) -> None:
    """Test the tools with MCP's TypeScript SDKs and inspector, in the locked Node; needs npm."""
    npm = ("npm", "ci", "--ignore-scripts", "--loglevel=error", f"--prefix={ROOT / 'tests' / 'sdks'}")
    run(session, LAB, npm, ("python", "-m", "pytest", "tests/sdks", *session.posargs), project=True)


@declared("labextension", usage=" [-- --check]")
def labextension(session: nox.Session) -> None:
    """Build JupyterLab's extension into jupyter_mcp/labextension, with the locked Node; needs npm: -- [--check]."""
    run(session, LAB, ("python", "labextension/build.py", *session.posargs))


@declared("bench", program=("benchmarks",))
def bench(session: nox.Session) -> None:
    """Measure the tools side by side with their peers': -- [--subjects LIST] [--measures LIST] [--sizes LIST]."""
    run(session, LAB, ("python", "-m", "benchmarks", *session.posargs), project=True)


@declared("lint", default=True)
def lint(session: nox.Session) -> None:
    """Check formatting, style, types, the direction of imports, and the workflow files."""
    run(session, LAB, *LINT)


@declared("run", usage=" -- PROGRAM [ARGUMENTS]")
def run_program(session: nox.Session) -> None:
    """Run a program in the environment of the tests: -- PROGRAM [ARGUMENTS].

    Example: ./noxw -s run -- python -m benchmarks.sizing
    """
    run(session, LAB, tuple(session.posargs or ("python",)), project=True)


@declared("docs", program=("docs.site",))
def docs(session: nox.Session) -> None:
    """Build the documentation's site into dist/docs, and check every link of it: -- [--check] [--serve] [--open]."""
    run(session, DOCS, ("python", "-m", "docs.site", *session.posargs))


@declared("picture")
def picture(session: nox.Session) -> None:
    """Take the README's picture again, in Chromium on a real server."""
    run(session, LAB, ("python", "docs/pictures/take.py"), project=True)


if __name__ == "__main__":
    from door.main import main

    sys.exit(main())
