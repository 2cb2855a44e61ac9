"""The command line ``python -m images``, which the nox sessions images, build-image and test-image call.

Only the standard library is needed to read it and to print its help: `entry.enter` imports what a command does.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from env.cli.entry import CommandParser, add_version, command_line, enter, paragraphs, words
from env.names import PLATFORM_EXAMPLE, STORE_DEFAULT
from images.names import ABOUT, EXPORT_FORMATS, REPORT_FORMATS, SCHEMAS, SHOWN, recipe_names

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[CommandParser]  # noqa: SLF001 - argparse gives it no other name
STDOUT = "-"
_RAW = argparse.RawDescriptionHelpFormatter
_SESSIONS = {"build": "build-image", "check": "test-image"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (env/errors.py and images/errors.py list them)."""
    given = None if arguments is None else list(arguments)
    options = parser().parse_args(given)
    # A terminated build cleans up as an interrupted one does.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return enter(options, f"./noxw -s images -- {command_line(given)}")
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = CommandParser(
        prog="./noxw -s images --",
        description="Container images (OCI), made from locks. `COMMAND --help` tells more of each.",
    )
    add_version(made)
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_build, _add_check, _add_inspect, _add_export, _add_push, _add_layouts, _add_mcp, _add_schema):
        add(commands)
    return made


def _command(commands: Commands, name: str, summary: str, description: str, *examples: str) -> argparse.ArgumentParser:
    session = f"./noxw -s {_SESSIONS[name]} --" if name in _SESSIONS else f"./noxw -s images -- {name}"
    lines = "\n".join(f"  {session} {one}".rstrip() for one in examples)
    title = "examples" if len(examples) > 1 else "example"
    return commands.add_parser(
        name,
        prog=session,
        formatter_class=_RAW,
        help=summary,
        description=paragraphs(description),
        epilog=f"{title}:\n{lines}" if lines else None,
    )


def _add_platform(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--platform", metavar="LIST", help=f"{PLATFORM_EXAMPLE} (default: all there are)")


def _add_common(parser: argparse.ArgumentParser, *, insecure: bool = False) -> None:
    _add_platform(parser)
    if insecure:
        parser.add_argument(
            "--insecure", action="store_true", help="allow plain HTTP to the registry (localhost needs no flag)"
        )
    parser.add_argument("--store", type=Path, metavar="DIR", help=f"the store (default: {STORE_DEFAULT})")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_layout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", nargs="?", default="jupyter", help=f"{_layout_or_recipe()} (default: jupyter)")


def _layout_or_recipe() -> str:
    return f"the folder of an OCI layout, or the name of a recipe that has been built: {', '.join(recipe_names())}"


def _add_token(parser: argparse.ArgumentParser, also: str = "") -> None:
    parser.add_argument("--token-file", type=Path, metavar="FILE", help=f"a file with the server's token{also}")


def _add_build(commands: Commands) -> None:
    build = _command(
        commands,
        "build",
        "build an image from the locks, and download what the store lacks",
        "Build an image for every platform on this host: no daemon, no root, no emulation. A layer that was made "
        "before is used again.",
        "",
        "jupyter --env wheels --platform linux/arm64",
        "--recipe path/to/lab --plan",
        "--from path/to/project --environment prod --environment dev",
        "--from path/to/project --with jupyter",
    )
    build.add_argument(
        "image", nargs="?", default="jupyter", help=f"the recipe: {', '.join(recipe_names())} (default: jupyter)"
    )
    source = build.add_mutually_exclusive_group()
    source.add_argument("--recipe", type=Path, metavar="DIR", help="a recipe of your own: the folder of its image.toml")
    source.add_argument(
        "--from",
        dest="project",
        type=Path,
        metavar="PROJECT",
        help="a project without a recipe: its folder, or one of its locks (pixi.lock, uv.lock, pylock.toml, "
        "conda-lock.yml, an @EXPLICIT file, a requirements.txt with hashes)",
    )
    build.add_argument(
        "--environment",
        type=words,
        action="extend",
        default=[],
        metavar="NAME",
        help="which environment of the project's lock (default: the lock's default); several, each with its kernel, by "
        "saying it again",
    )
    build.add_argument(
        "--with",
        dest="with_what",
        choices=("jupyter",),
        help="serve the project's environment with JupyterLab, collaboration and MCP: what it lacks of them is added, "
        "and nothing of it is replaced",
    )
    for name, what in (
        ("extra", "extras of the project that go in, of uv.lock or pylock.toml"),
        ("group", "dependency groups of the project that go in, of uv.lock or pylock.toml"),
        ("allow-unmet", "packages that may lack what they require"),
        ("skip-post-link", "conda packages whose post-link script the image does without"),
        ("skip-activation", "activation scripts of the project that the image does without"),
    ):
        build.add_argument(f"--{name}", type=words, default=(), metavar="LIST", help=what)
    build.add_argument(
        "--skip-debian", action="store_true", help="do without the Debian packages that the project's apt.txt asks for"
    )
    build.add_argument(
        "--env",
        metavar="NAME",
        help="where packages come from: conda, wheels or cuda, as the recipe offers (default: the recipe's first whose "
        "sources answer)",
    )
    build.add_argument(
        "--output", type=Path, metavar="DIR", help="the folder of the OCI layout (default: dist/images/IMAGE)"
    )
    build.add_argument(
        "--compression",
        choices=("zstd", "gzip"),
        default="zstd",
        help="of layers (default: zstd; gzip for old runtimes)",
    )
    build.add_argument(
        "--max-layers",
        type=int,
        metavar="N",
        help="how many layers at most (default: 127, what runtimes mount); fewer where a Dockerfile of yours goes on",
    )
    build.add_argument(
        "--plan", action="store_true", help="print packages, sizes and layers; no network, nothing is built"
    )
    _add_common(build)
    build.set_defaults(run="images.cli.build:run_build", parser=build)


def _add_check(commands: Commands) -> None:
    check = _command(
        commands,
        "check",
        "run an image on each platform, and check that it does what it promises",
        "Run an image, the other platform's under qemu, and try every check that it carries in its label "
        "org.overthinkos.tests. Needs bubblewrap and user namespaces; no root. With --live nothing is run: the image's "
        "checks are tried on a server that is running already.",
        "",
        "registry.example.org/team/jupyter:1 --platform linux/amd64",
        "jupyter --live http://localhost:8888 --token-file token",
    )
    check.add_argument(
        "image",
        nargs="?",
        default="jupyter",
        help=f"{ABOUT}; with --live also a file of what `podman inspect IMAGE` prints (default: jupyter)",
    )
    check.add_argument("--format", choices=REPORT_FORMATS, default="text", help="of the result (default: text)")
    check.add_argument("--live", metavar="URL", help="try the checks on the server at this address")
    _add_token(check, ", with --live")
    _add_common(check, insecure=True)
    check.set_defaults(run="images.cli.check:run_check")


def _add_inspect(commands: Commands) -> None:
    inspect = _command(
        commands,
        "inspect",
        "print what an image is: platforms, command, ports, volumes, checks, layers",
        "Read an image's manifests and configurations; of a registry's image nothing else is downloaded. With --json "
        "the keys are those of `podman image inspect`, one entry a platform.",
        "registry.example.org/team/jupyter:1 --json",
    )
    inspect.add_argument("image", nargs="?", default="jupyter", help=f"{ABOUT} (default: jupyter)")
    _add_common(inspect, insecure=True)
    inspect.set_defaults(run="images.cli.inspect:run_inspect")


def _add_export(commands: Commands) -> None:
    export = _command(
        commands,
        "export",
        "write an image into one file, for podman, docker and skopeo to load",
        "Write an image that has been built into one file: the same bytes every time.",
        "jupyter --output jupyter.tar",
        "jupyter --format docker-archive --platform linux/amd64 --output - | docker load",
    )
    _add_layout(export)
    export.add_argument(
        "--format",
        choices=EXPORT_FORMATS,
        default=EXPORT_FORMATS[0],
        help="oci-archive holds every platform; docker-archive holds one, for `docker load` (default: oci-archive)",
    )
    export.add_argument(
        "--output", type=_output, metavar="FILE", required=True, help="the file to write, or - for standard output"
    )
    _add_platform(export)
    export.add_argument(
        "--referrers",
        action="store_true",
        help="with bills of materials, provenance and signatures in the oci-archive; its reader then needs the image's "
        "name",
    )
    export.add_argument("--json", action="store_true", help="print the result as JSON")
    export.set_defaults(run="images.cli.export:run_export")


def _output(name: str) -> str:
    if name == STDOUT and sys.stdout.isatty():
        raise argparse.ArgumentTypeError("a terminal can't take an archive: pipe it on, or name a file")
    return name


def _add_push(commands: Commands) -> None:
    push = _command(
        commands,
        "push",
        "put an image into a registry, sending only what it lacks",
        "Put an image, its index of platforms and what is attached to them into a registry. Logins are read from where "
        "`docker login` and `podman login` keep them.",
        "jupyter registry.example.org/team/jupyter:1",
        "jupyter localhost:5000/jupyter:1 --json",
    )
    _add_layout(push)
    push.add_argument("reference", metavar="REGISTRY/NAME:TAG", help="where to")
    push.add_argument(
        "--sign-with",
        metavar="COMMAND",
        help="run COMMAND REGISTRY/NAME@sha256:... for each manifest and the index, before the tag is written; "
        "e.g. 'cosign sign --yes --key cosign.key'",
    )
    _add_common(push, insecure=True)
    push.set_defaults(run="images.cli.push:run_push")


def _add_layouts(commands: Commands) -> None:
    verify = _command(
        commands,
        "verify",
        "check a layout against itself, offline",
        "Check that every digest and diff_id of a layout is right, and that each bill of materials lists just what is "
        "in its image. Exit code 1 if not.",
        "dist/images/jupyter",
    )
    _add_layout(verify)
    verify.set_defaults(run="images.cli.layouts:run_verify")

    size = _command(
        commands,
        "size",
        "list what an image holds, the largest first",
        "List packages and folders of an image by the bytes that their files have, the largest first.",
        "jupyter --platform linux/amd64 --all",
    )
    _add_layout(size)
    _add_platform(size)
    size.add_argument("--all", action="store_true", help=f"list everything, not only the {SHOWN} largest")
    size.add_argument("--json", action="store_true", help="print bytes by folder as JSON")
    size.set_defaults(run="images.cli.layouts:run_size")

    diff = _command(
        commands,
        "diff",
        "list the files that differ between two layouts",
        "Compare two layouts file by file: type, mode, owner, time, size and content. Exit code 1 if they differ.",
        "dist/images/jupyter /mnt/theirs --platform linux/arm64",
    )
    diff.add_argument("one", help=_layout_or_recipe())
    diff.add_argument("other", help="the folder of another layout, or a recipe's name")
    diff.add_argument("--platform", metavar="LIST", help=f"{PLATFORM_EXAMPLE} (default: all that both have)")
    diff.set_defaults(run="images.cli.layouts:run_diff")

    changes = _command(
        commands,
        "changes",
        "print what changes between two plans, in Markdown: versions, sizes, digests",
        "Compare two plans of an image, as `build --plan --json` prints them, and print in Markdown which packages "
        "change, with versions, sizes and digests, and how much of the image an update pulls.",
        "before.json after.json",
    )
    changes.add_argument("before", type=Path, metavar="BEFORE", help="the plan of before, a file")
    changes.add_argument("after", type=Path, metavar="AFTER", help="the plan of now, a file")
    changes.set_defaults(run="images.cli.layouts:run_changes")

    golden = _command(
        commands,
        "golden",
        "compare a built image with the diff_ids that are committed beside its recipe",
        "Compare the layers of a built image with the diff_ids in golden-ENVIRONMENT.json beside its recipe. Exit code "
        "1 if they differ.",
        "dist/images/jupyter --recipe jupyter",
    )
    _add_layout(golden)
    golden.add_argument(
        "--recipe", default="jupyter", metavar="NAME", help="the recipe it is built from (default: jupyter)"
    )
    golden.add_argument("--write", action="store_true", help="write what is there as what is expected from now on")
    golden.set_defaults(run="images.cli.layouts:run_golden")


def _add_mcp(commands: Commands) -> None:
    mcp = _command(
        commands,
        "mcp",
        "ask a running MCP server: ping, list-tools, list-resources, call, read",
        "Ask an MCP server one question, and print the answer as JSON.",
        "ping http://localhost:8888/mcp --token-file token",
        'call http://localhost:8888/mcp get_cell \'{"path": "a.ipynb", "index": 0}\' --token-file token',
    )
    mcp.add_argument(
        "question",
        choices=("ping", "list-tools", "list-resources", "call", "read"),
        metavar="QUESTION",
        help="ping: whether it answers; list-tools, list-resources: what it offers; call: run the tool NAME; read: the "
        "resource at the address NAME",
    )
    mcp.add_argument("url", metavar="URL", help="the server, e.g. http://localhost:8888/mcp")
    mcp.add_argument("name", nargs="?", metavar="NAME", help="the tool to call, or the address of the resource to read")
    mcp.add_argument(
        "arguments", nargs="?", default="{}", metavar="JSON", help="the tool's arguments, a JSON object (default: {})"
    )
    _add_token(mcp)
    mcp.add_argument("--timeout", type=float, default=60, metavar="SECONDS", help="(default: 60)")
    mcp.set_defaults(run="images.cli.check:run_mcp", parser=mcp)

    discover = _command(
        commands,
        "discover",
        "print which MCP servers images or containers offer, for a client's configuration",
        "Resolve the label org.overthinkos.mcp_provides of images or containers, and print the servers as the variable "
        "OV_MCP_SERVERS or as a client's configuration.",
        "ov-jupyter=jupyter --for claude --token '${JUPYTER_TOKEN}'",
    )
    discover.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help=f"NAME=IMAGE, with the container's name, or a file of what `podman inspect CONTAINER...` prints; IMAGE is "
        f"{ABOUT} (default: the variable OV_MCP_SERVERS)",
    )
    discover.add_argument(
        "--same-pod", action="store_true", help="the client is in the server's container or pod: localhost"
    )
    discover.add_argument(
        "--for",
        dest="client",
        choices=("fastmcp", "claude", "vscode", "open-webui"),
        help="print the configuration of this client (default: the value of OV_MCP_SERVERS)",
    )
    discover.add_argument("--token", metavar="TEXT", help="a token, or better a reference to one, for --for")
    discover.set_defaults(run="images.cli.check:run_discover")


def _add_schema(commands: Commands) -> None:
    schema = _command(
        commands,
        "schema",
        "print the JSON schema of image.toml or part.toml, or their reference page",
        "Print the JSON schema of a recipe's image.toml (image) or of a part.toml (part), for editors; or the "
        "reference page of both (reference).",
        "image",
    )
    schema.add_argument("name", choices=SCHEMAS, metavar="NAME", help=f"{', '.join(SCHEMAS)}")
    schema.set_defaults(run="images.cli.layouts:run_schema")
