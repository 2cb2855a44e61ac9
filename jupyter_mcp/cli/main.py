"""The command line of `jupyter mcp`.

Nothing is imported that a command does not need: hosts start `stdio` again and again, and help should be there at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from jupyter_mcp import __version__
from jupyter_mcp.client_formats import CLIENTS, VARIABLE

from .errors import CliError

_ALIASES = {"claude": "claude-code", "gemini-cli": "gemini", "vs-code": "vscode", "code": "vscode"}
_ABOUT = """\
Agents work in the notebooks of a Jupyter server of yours over MCP, if jupyter-mcp-rooms is installed with it.
In the folder of your notebooks:

  jupyter lab                                 start the server, if none runs
  jupyter mcp list                            see what runs
  jupyter mcp connect claude-code --write     connect a client of yours to it
"""
_CODES = """\
exit codes: 0 done, 2 a wrong command line, 65 a file that can't be used, 69 no server fits or answers,
74 a file that can't be written, 77 the token is refused, 130 interrupted
"""
_LIST = """\
Servers are found by the files that they keep in Jupyter's runtime folder (`jupyter --runtime-dir`); each is asked
whether it lives and whether MCP answers. Tokens are shown only with --show-token.
"""
_CONNECT = f"""\
Prints the configuration of an MCP client, with the file that it belongs in. With --write it is put there: what else
the file holds stays as it is, remarks too, and a file that can't be read is left alone.

The client is told to start `jupyter mcp stdio`, which finds the server by the folder: the configuration holds no token
and is good after a restart of Jupyter. With --http, or a --server on another machine, it is told the address and
reads the token from the variable {VARIABLE} where the client can do that.

clients: {", ".join(CLIENTS)}
"""
_STDIO = f"""\
Speaks MCP on standard input and output, and passes every message on to the server whose root holds the folder. The
token comes from the server's own file. When the server is started anew, it is found again.

For a server on another machine: --server URL, with its token in {VARIABLE} or in the file that {VARIABLE}_FILE names.
Clients start this by themselves: `jupyter mcp connect CLIENT` tells them to.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    plain = argparse.RawDescriptionHelpFormatter
    main = argparse.ArgumentParser(
        prog="jupyter mcp", description=_ABOUT, epilog=_CODES, formatter_class=plain, allow_abbrev=False
    )
    main.add_argument("--version", action="version", version=f"jupyter-mcp-rooms {__version__}")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, about: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=summary, description=about, epilog=_CODES, formatter_class=plain, allow_abbrev=False
        )

    listed = command("list", "the running servers, and whether MCP answers there", _LIST)
    listed.add_argument("--json", action="store_true", help="print a JSON list")
    listed.add_argument("--show-token", action="store_true", help="print the servers' tokens too")

    connected = command("connect", "print or write the configuration of a client", _CONNECT)
    connected.add_argument("client", type=_client, metavar="CLIENT", help="one of those above")
    connected.add_argument("--write", action="store_true", help="put it into the client's file")
    connected.add_argument("--server", metavar="URL", help="the server's address, not the one of the folder")
    connected.add_argument("--http", action="store_true", help="give the address, not the program that finds it")
    connected.add_argument("--show-token", action="store_true", help="with --http: put the token itself into it")
    connected.add_argument(
        "--scope", choices=("project", "user"), help="the client's file for this folder, or for all that you do"
    )
    connected.add_argument("--file", type=Path, help="another file of the client's")
    connected.add_argument("--folder", type=_folder, default=".", help="the folder of the project; default: this one")

    bridged = command("stdio", "MCP on standard input and output, for clients that start programs", _STDIO)
    bridged.add_argument("--server", metavar="URL", help="the server's address, not the one of the folder")
    bridged.add_argument(
        "--folder", type=_folder, default=".", help="a folder below the server's root; default: this one"
    )
    return main


def _client(name: str) -> str:
    name = _ALIASES.get(name.lower(), name.lower())
    if name not in CLIENTS:
        raise argparse.ArgumentTypeError(f"it is one of {', '.join(CLIENTS)}")
    return name


def _folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{name} is not a folder")
    return Path(os.path.abspath(folder))  # noqa: PTH100 - links stay: their target may not be in the root's words


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    options = parser().parse_args(words)
    try:
        return _run(options)
    except CliError as error:
        print(f"jupyter mcp: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing is left to flush at the end
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _run(options: argparse.Namespace) -> int:
    if options.command == "list":
        from .listing import show  # noqa: PLC0415

        return show(as_json=options.json, token=options.show_token)
    if options.command == "stdio":
        from .stdio import serve  # noqa: PLC0415

        return serve(options.server, str(options.folder))
    from .connecting import Asked, connect  # noqa: PLC0415

    asked = Asked(options.folder, options.server, options.http, options.show_token, options.scope, options.file)
    return connect(CLIENTS[options.client], asked, write=options.write)


if __name__ == "__main__":
    sys.exit(main())
