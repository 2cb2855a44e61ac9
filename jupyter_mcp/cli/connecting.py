"""`jupyter mcp connect`: the configuration of a client, printed or written."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from jupyter_mcp.client_formats import PROGRAM, VARIABLE, Client, Entry, Http, Program

from . import config_file
from .errors import BadFileError, CliError, UsageError
from .servers import Server, for_folder, for_url
from .stdio import say

# Where Jupyter's runtime folder is; hosts start programs without most of the variables.
_WHERE = ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR")


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    folder: Path
    server: str | None = None
    http: bool = False
    token: bool = False
    scope: str | None = None
    file: Path | None = None


def connect(client: Client, asked: Asked, *, write: bool) -> int:
    """Print the client's configuration, or put it into its file."""
    entry, notes = _entry(client, asked)
    path = _path(client, asked)
    if not write:
        sys.stdout.write(client.text(entry))
        say(f"for {path}; --write puts it there")
    else:
        content = config_file.read(path)
        text = config_file.decoded(path, content)
        try:
            new = config_file.merged(client, text, entry)
        except BadFileError as error:
            raise BadFileError(
                f"{path} is left as it is: {error}. Put this into it:\n{client.text(entry)}".rstrip()
            ) from None
        if new == text and content is not None:
            say(f"{path} has it already")
        else:
            config_file.write(path, content, new, secret=asked.token)
            say(f"{client.title} is connected: {path}")
    for note in notes:
        say(note)
    return 0


def _entry(client: Client, asked: Asked) -> tuple[Entry, list[str]]:
    server = for_url(asked.server) if asked.server else None
    # A program finds a server of this machine again after a restart, with its new token.
    if not asked.http and (server is None or server.pid):
        return _program(client, asked, server)
    return _http(client, asked, server or for_folder(str(asked.folder)))


def _http(client: Client, asked: Asked, server: Server) -> tuple[Entry, list[str]]:
    if client.http is None:
        raise UsageError(f"{client.title} only starts programs: leave out --http, and --server for another machine.")
    if server.pid and not server.token:  # it runs without a token, or with a password
        return client.http(Http(server.mcp, None)), []
    if asked.token:
        if not server.token:
            raise UsageError(f"The token of {server.url} is not known. Put it into the variable {VARIABLE}.")
        return client.http(Http(server.mcp, server.token)), ["the token is in it: don't commit or share it"]
    token = client.token()
    if token is None:
        raise UsageError(f"{client.title} can't read a token from a variable: add --show-token, or leave out --http.")
    notes = [f"it reads the token from the variable {VARIABLE}: set it where {client.title} is started"]
    return client.http(Http(server.mcp, token)), notes


def _program(client: Client, asked: Asked, server: Server | None) -> tuple[Entry, list[str]]:
    notes = []
    arguments = ["stdio"]
    scope = asked.scope or next(iter(client.files))
    if server is not None:
        arguments += ["--server", server.url]
    else:
        if client.workspace and scope == "project":
            arguments += ["--folder", client.workspace]
        elif client.anywhere:
            arguments += ["--folder", str(asked.folder)]
        try:
            for_folder(str(asked.folder))
        except CliError as error:
            notes.append(f"not yet: {error}")
    environment = {name: os.environ[name] for name in _WHERE if os.environ.get(name)}
    return client.program(Program(_command(), arguments, environment)), notes


def _command() -> str:
    """Return this program by its whole path: hosts that are started from a desktop have another PATH."""
    beside = Path(sys.argv[0]).absolute()
    if beside.name == PROGRAM and beside.is_file():
        return str(beside)
    installed = Path(sys.executable).with_name(PROGRAM)
    return str(installed) if installed.is_file() else shutil.which(PROGRAM) or PROGRAM


def _path(client: Client, asked: Asked) -> Path:
    if asked.file is not None:
        return asked.file.expanduser().absolute()
    scope = asked.scope or next(iter(client.files))
    if scope not in client.files:
        raise UsageError(f"{client.title} has no file of a {scope}: leave out --scope, or name a file with --file.")
    name = client.files[scope]
    if scope == "project":
        path = asked.folder / name
    else:
        if client.on_macos and sys.platform == "darwin":
            name = client.on_macos
        other = os.environ.get(client.home) if client.home else None
        path = Path(other, *Path(name).parts[1:]) if other else Path.home() / name
    commented = path.with_name(f"{path.name}c")
    return commented if commented.is_file() and not path.exists() else path
