"""What a test needs of its machine, and how to get it. Where it lacks, the test skips, and the run's end says so."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable

import pytest

from env.errors import Exit

PACKAGES = {
    "chromium": "chromium",
    "dash": "dash",
    "docker-registry": "docker-registry",
    "git": "git",
    "gpg": "gnupg",
    "gpg-agent": "gpg-agent",
    "nginx": "nginx-light",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "podman": "podman",
    "promtool": "prometheus",
    "runc": "runc",
    "setpriv": "util-linux",
    "skopeo": "skopeo",
    "ssh-agent": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "unshare": "util-linux",
}
"""Debian's package of each program that some test runs and no lock brings."""
WAYS = {
    "apt-get": "a host with apt: Debian or Ubuntu",
    "configurable-http-proxy": "npm install -g configurable-http-proxy",
}
NAMESPACES = "user namespaces"
_REASON = re.compile(r"^(?:Skipped: )?needs (?P<what>[^:\n]+): (?P<way>[^\n]*)")


def find(program: str) -> str | None:
    """Return the path of an installed program; daemons are in folders that not every user's PATH has."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")


def reason(what: str, way: str) -> str:
    """Return the reason of a skip in the one form that the summary counts."""
    return f"needs {what}: {' '.join(way.split())}"


def lacks(*programs: str) -> str | None:
    """Return why a test that runs these can't run here, or None."""
    for program in programs:
        if find(program) is None:
            return reason(program, WAYS.get(program) or f"apt-get install {PACKAGES[program]}")
    return None


def needs(*programs: str) -> pytest.MarkDecorator:
    """Mark tests that run these programs: without one of them they skip."""
    why = lacks(*programs)
    return pytest.mark.skipif(why is not None, reason=why or "")


def require(*programs: str) -> None:
    """Skip the test that runs, or whose fixture runs, these programs, where one is not installed."""
    if why := lacks(*programs):
        pytest.skip(why)


def cannot_run(code: int, said: str) -> str | None:
    """Return why this host could not run an image, from the end of `images check`; None where that was not it."""
    if code != Exit.HOST or "chdir" in said:  # a folder that is not there is the image's fault or ours
        return None
    for words, what in (("is not installed", "unshare"), ("can't be emulated", "emulation")):
        if words in said:
            return reason(what, said)
    return reason(NAMESPACES, said) if NAMESPACES in said else None


def no_namespaces(why: str) -> None:
    """Skip the test: this host let it make no namespace, in its own words `why`."""
    pytest.skip(reason(NAMESPACES, f"allow them on this host ({why.strip()})"))


def require_namespaces(*words: str) -> None:
    """Skip the test where this host does not run a command in new namespaces, `unshare --user ...`."""
    require("unshare")
    run = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if run.returncode:
        no_namespaces(run.stderr)


def summary(reasons: Iterable[str]) -> list[str]:
    """Return one line for each thing that was needed and is not here, the most wanted first."""
    counts: Counter[str] = Counter()
    ways: dict[str, str] = {}
    for text in reasons:
        if match := _REASON.match(text):
            counts[match["what"]] += 1
            ways.setdefault(match["what"], match["way"])
    return [
        f"{count} {'test' if count == 1 else 'tests'} skipped for want of {what}: {ways[what]}"
        for what, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]
