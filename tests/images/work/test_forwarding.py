"""Keys stay on the host: ssh, git and gpg inside go over agents whose sockets are mounted, and direnv is set up."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.needs import needs, require

from .container import OPENSHIFT, Container

pytestmark = pytest.mark.slow

PERSON = ["setpriv", "--reuid", str(OPENSHIFT[0]), "--regid", "0", "--clear-groups"]
START = 'fail() { echo "$*"; exit 78; }; for s in /etc/start.d/1*.sh; do . "$s"; done; exec bash -lc "$0"'


def test_an_arbitrary_user_has_a_name_and_direnv_in_a_terminal(container: Container) -> None:
    done = container.sandbox.run(["sh", "-ec", START, "id -un && type _direnv_hook && ssh -G nowhere"], 60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("user\n")


def as_person(*words: object, env: dict[str, str]) -> str:
    """Run a program of the host's as the person whose agents these are."""
    return subprocess.run([*PERSON, *map(str, words)], env=env, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def agents(workspace: Path) -> Iterator[Path]:
    """The host's ssh-agent, which holds a key that is nowhere else."""
    require("ssh-agent", "ssh-keygen")
    folder = workspace.with_name("agents")
    sockets = folder / "sockets"
    for made in (folder, sockets):
        made.mkdir()
        os.chown(made, *OPENSHIFT)
    settings = {"PATH": os.environ["PATH"], "HOME": str(folder), "SSH_AUTH_SOCK": str(sockets / "ssh.sock")}
    agent = subprocess.Popen([*PERSON, "ssh-agent", "-D", "-a", str(sockets / "ssh.sock")], stdout=subprocess.DEVNULL)

    try:
        # As root: ssh-keygen wants its user in /etc/passwd.
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
        os.chown(folder / "key", *OPENSHIFT)
        while not (sockets / "ssh.sock").exists():
            time.sleep(0.05)
        as_person("ssh-add", folder / "key", env=settings)
        (folder / "key").unlink()
        yield folder
    finally:
        agent.terminate()
        agent.wait()


@contextlib.contextmanager
def sshd(folder: Path, public: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    place = folder / "sshd"
    place.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / "host"], check=True)
    (place / "authorized").write_text(public.read_text())
    options = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": place / "host",
        "AuthorizedKeysFile": place / "authorized",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",
        "UsePAM": "no",
        "PidFile": "none",
    }
    (place / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", place / "config"], stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert server.poll() is None
                time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


@needs("sshd", "git")
def test_git_goes_over_the_hosts_ssh_agent_and_no_key_is_inside(container: Container, agents: Path) -> None:
    origin = agents.parent / "origin.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", origin], check=True)
    mounts = {**container.sandbox.mounts, "/run/agents": agents / "sockets"}
    sandbox = replace(container.sandbox, mounts=mounts)
    with sshd(agents.parent, agents / "key.pub") as port:
        script = f"""set -e
            export GIT_SSH_COMMAND="ssh -o StrictHostKeyChecking=accept-new"
            cd "$WORKSPACE"
            git clone -q ssh://root@127.0.0.1:{port}{origin} work && cd work
            git config user.name Person && git config user.email person@example.org
            git checkout -q -b main && git commit -q --allow-empty -m pushed
            git push -q origin main
            git log -1 --format=%s
            find / -xdev -type f -name 'id_*' -path '*/.ssh/*' 2>/dev/null || true"""
        done = sandbox.run(["sh", "-ec", START, script], 120)
    assert done.returncode == 0, done.stderr
    # Nothing after it: no key was found inside.
    assert done.stdout == "pushed\n"
    log = ["git", "-c", "safe.directory=*", "-C", str(origin), "log", "--format=%s", "main"]
    assert subprocess.run(log, capture_output=True, text=True, check=True).stdout == "pushed\n"


@pytest.fixture
def gpg(workspace: Path) -> Iterator[Path]:
    """The sockets of the host's gpg-agent, and the public half of the key that it holds."""
    require("gpg", "gpg-agent")
    home = workspace.with_name("gnupg")
    sockets = workspace.with_name("sockets")
    for made, mode in ((home, 0o700), (sockets, 0o755)):
        made.mkdir(mode)
        os.chown(made, *OPENSHIFT)
    # The name of the socket that agents offer to other machines; by itself it is in the folder of the others.
    (home / "gpg-agent.conf").write_text(f"extra-socket {sockets / 'gpg.sock'}\n")
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "GNUPGHOME": str(home)}
    daemon = ["gpg-agent", "--quiet", "--daemon", "--no-detach"]
    agent = subprocess.Popen([*PERSON, *daemon], env=env, stdout=subprocess.DEVNULL)
    try:
        while not (sockets / "gpg.sock").exists():
            time.sleep(0.05)
        person = "Person <person@example.org>"
        as_person("gpg", "--batch", "--passphrase", "", "--quick-generate-key", person, "ed25519", "sign", env=env)
        (sockets / "gpg.pub").write_text(as_person("gpg", "--armor", "--export", env=env))
        yield sockets
    finally:
        agent.terminate()
        agent.wait()


SIGN = """set -e
cd "$WORKSPACE" && git init -q -b main work && cd work
git config user.name Person && git config user.email person@example.org
git commit -q -S --allow-empty -m signed
git log -1 --format='%s %G? %GS'
echo text | gpg --batch --sign | gpg --batch --decrypt
! gpg --batch --yes --export-secret-keys >/dev/null 2>&1
test -z "$(ls -A "$GNUPGHOME/private-keys-v1.d" 2>/dev/null)"
echo no secret is here
"""


def test_commits_are_signed_by_the_hosts_gpg_agent_and_the_key_never_comes_inside(
    container: Container, gpg: Path
) -> None:
    sandbox = replace(container.sandbox, mounts={**container.sandbox.mounts, "/run/agents": gpg})
    done = sandbox.run(["sh", "-ec", START, SIGN], 120)
    assert done.returncode == 0, done.stderr
    # U: the signature is good, and nobody has said inside whether the key's owner is to be believed.
    assert done.stdout == "signed U Person <person@example.org>\ntext\nno secret is here\n", done.stderr
    keys = list((gpg.parent / "gnupg" / "private-keys-v1.d").iterdir())
    assert len(keys) == 1
    kept = keys[0].read_bytes()
    assert kept not in b"".join(file.read_bytes() for file in container.workspace.rglob("*") if file.is_file())


def test_an_agent_of_another_user_or_no_agent_is_one_clear_line(container: Container, gpg: Path) -> None:
    os.chown(gpg / "gpg.sock", 4321, 4321)
    sandbox = replace(container.sandbox, mounts={**container.sandbox.mounts, "/run/agents": gpg})
    done = sandbox.run(["sh", "-ec", START, "true"], 120)
    assert (
        "uid 12345 can't use /run/agents/gpg.sock: mount the host's socket there, or run with the user" in done.stderr
    )
    (gpg / "gpg.sock").unlink()
    (gpg / "gpg.sock").mkdir()
    (gpg / "gpg.pub").write_text("not a key")
    done = sandbox.run(["sh", "-ec", START, "true"], 120)
    assert done.returncode == 0
    assert "can't use /run/agents/gpg.sock" in done.stderr
    assert "/run/agents/gpg.pub can't be imported: gpg: " in done.stderr
