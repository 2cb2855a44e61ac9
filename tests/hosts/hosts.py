"""How each host is told of the server and of the model, and run on one question in a home of its own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jupyter_mcp.cli.config_file import merged
from jupyter_mcp.client_formats import CLIENTS, VARIABLE, Entry, Http, Program

from .errors import HostError
from .model import Model

FOLDER = Path(__file__).parent
BIN = FOLDER / "node_modules" / ".bin"
QUESTION = "run it"
_WITHIN = 240.0  # seconds


@dataclass(frozen=True)
class Host:
    """A host: its package, its client's name here, its own settings, and its command."""

    title: str
    package: str
    client: str
    settings: Callable[[Model], str]  # a configuration with the model, before the server is put in
    file: str  # below the home
    command: tuple[str, ...]
    asks: Callable[[Model], dict[str, str]] = lambda _: {}  # its variables

    @property
    def version(self) -> str:
        """Return the version that is installed."""
        found: str = json.loads((FOLDER / "node_modules" / self.package / "package.json").read_text())["version"]
        return found

    def run(self, model: Model, home: Path, entry: Entry, token: str) -> str:
        """Ask the host its question; returns what it says. Raises HostError."""
        file = home / self.file
        file.parent.mkdir(parents=True, exist_ok=True)
        # As `jupyter mcp connect --write` does: the formats are tried with the hosts themselves.
        file.write_text(merged(CLIENTS[self.client], self.settings(model), entry))
        work = home / "work"
        work.mkdir(exist_ok=True)
        (home / ".gemini").mkdir(exist_ok=True)
        (home / ".gemini" / "trustedFolders.json").write_text(json.dumps({str(work): "TRUST_FOLDER"}))
        variables = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE") if name in os.environ},
            "HOME": str(home),
            VARIABLE: token,
            "NO_PROXY": "*",
            "CI": "1",
            **self.asks(model),
        }
        variables["PATH"] = f"{node()}:{variables['PATH']}"
        try:
            done = subprocess.run(
                [str(program(self.command[0])), *self.command[1:]],
                cwd=work,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_WITHIN,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise HostError(f"{self.title} did not end in {_WITHIN:.0f} s") from error
        return done.stdout + done.stderr


def program(name: str) -> Path:
    """Return a host's program: that of its platform's package where a script would have to put it into its place."""
    own = (
        FOLDER / "node_modules" / f"{name}-linux-{'arm64' if platform.machine() == 'aarch64' else 'x64'}" / "bin" / name
    )
    return own if own.is_file() else BIN / name


def node() -> Path:
    """Return the folder of the locked Node."""
    found = [folder for folder in (FOLDER / "node_modules").glob("node-linux-*/bin") if (folder / "node").is_file()]
    if not found:
        raise HostError("There is no Node in tests/hosts/node_modules: ./noxw -s hosts puts it there")
    return found[0]


def _codex(model: Model) -> str:
    return (
        'model = "scripted"\nmodel_provider = "scripted"\n\n[model_providers.scripted]\nname = "scripted"\n'
        f'base_url = "{model.url}/v1"\nwire_api = "responses"\n'
    )


def _opencode(model: Model) -> str:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "scripted",
        "options": {"baseURL": f"{model.url}/v1", "apiKey": "none"},
        "models": {
            "scripted": {
                "name": "scripted",
                "attachment": True,
                "modalities": {"input": ["text", "image"], "output": ["text"]},
            }
        },
    }
    return json.dumps(
        {"model": "scripted/scripted", "small_model": "scripted/scripted", "provider": {"scripted": provider}}
    )


def _gemini(_: Model) -> str:
    return json.dumps(
        {
            "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "general": {"disableAutoUpdate": True, "enableAutoUpdate": False},
        }
    )


HOSTS = (
    Host(
        "Codex",
        "@openai/codex",
        "codex",
        _codex,
        ".codex/config.toml",
        (
            "codex",
            "exec",
            "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox",
            QUESTION,
        ),
    ),
    Host(
        "OpenCode",
        "opencode-ai",
        "opencode",
        _opencode,
        ".config/opencode/opencode.json",
        ("opencode", "run", "--auto", QUESTION),
        lambda _: {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"},
    ),
    Host(
        "Gemini CLI",
        "@google/gemini-cli",
        "gemini",
        _gemini,
        ".gemini/settings.json",
        ("gemini", "--yolo", "--model", "gemini-2.5-pro", "--prompt", QUESTION),
        lambda model: {"GOOGLE_GEMINI_BASE_URL": model.url, "GEMINI_API_KEY": "none"},
    ),
)


def by_address(client: str, url: str) -> Entry:
    """Return the entry with the address, the token in a variable."""
    found = CLIENTS[client]
    assert found.http is not None
    return found.http(Http(url, found.token()))


def by_program(client: str, command: str, folder: Path, runtime: Path) -> Entry:
    """Return the entry with the bridge."""
    arguments = ["stdio", "--folder", str(folder)]
    return CLIENTS[client].program(Program(command, arguments, {"JUPYTER_RUNTIME_DIR": str(runtime)}))
