"""Check an image by running it: every platform of a layout, at rest and at work, by the checks that it carries."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from env.platforms import Platform
from env.store import Store
from images.bubblewrap import bubblewrap
from images.checks import LABEL, SECTIONS, Check, Variables, from_label
from images.emulator import emulator
from images.errors import NotOfferedError
from images.reading import PlatformImage, read_layout
from images.sandbox import Sandbox, Service
from images.unpack import unpack
from images.verbs import OutOfReachError, Target, UnmetError, try_check

TOKEN_FILE = "/run/secrets/jupyter-token"  # noqa: S105 - where it is mounted, not what it is
STOP_GRACE_S = 60
RETRY_EVERY_S = 0.25


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check."""

    where: str
    """The platform, ``linux/amd64``, or the address of a running server."""
    id: str
    unmet: str | None
    """What was found instead of the promise, or None."""
    seconds: float
    skipped: str | None = None
    """Why it could not be tried, or None."""


Report = Callable[[Verdict], None]


def check_layout(
    layout: Path,
    platforms: Sequence[Platform] | None,
    store: Store,
    logs: Path,
    console: Console,
    report: Report,
    origin: object,
) -> list[Verdict]:
    """Check the images of a layout, on `platforms` or on all that it has; tell `report` of each outcome as it comes.

    `origin` is what messages call the image. What it prints at work goes to a file a platform in the folder `logs`.

    Raises:
        NotOfferedError: the layout lacks a platform.
        EnvError: the host can't run the image, or the layout is damaged.

    """
    images = read_layout(layout)
    wanted = platforms or tuple(images)
    for platform in wanted:
        if platform not in images:
            raise NotOfferedError(origin, platform, [known.oci for known in images])
    logs.mkdir(parents=True, exist_ok=True)
    verdicts: list[Verdict] = []

    def tell(verdict: Verdict) -> None:
        verdicts.append(verdict)
        report(verdict)

    for platform in wanted:
        _check(images[platform], store, logs / f"{platform.slug}.log", console, tell, origin)
    return verdicts


def _check(image: PlatformImage, store: Store, log: Path, console: Console, tell: Report, origin: object) -> None:
    runner, wrapper = emulator(image.platform, store, console), bubblewrap(store, console)
    how = "natively" if runner is None else f"under {runner.name}"
    console.print(f"{image.platform}  {image.digest}, {how}")
    with store.scratch() as scratch:
        root = scratch / "root"
        root.mkdir()
        unpack(image, root)
        token = secrets.token_urlsafe(32)
        secret = scratch / "token"
        secret.write_text(token, encoding="ascii")
        sandbox = Sandbox(root, image.platform, image.config["config"], runner, wrapper, {TOKEN_FILE: secret})
        sandbox.probe()
        sections = from_label(sandbox.config.get("Labels", {}).get(LABEL, "{}"), origin)
        port = _free_port()
        target = Target(sandbox, _variables(sandbox, port), token)
        for check in (check for section in SECTIONS for check in sections.get(section, ()) if check.scope == "build"):
            tell(judge(check, target, image.platform.oci))
        atwork = [check for section in SECTIONS for check in sections.get(section, ()) if check.scope == "deploy"]
        if atwork:
            _check_at_work(sandbox, target, atwork, port, log, tell)


def _check_at_work(
    sandbox: Sandbox, target: Target, checks: Sequence[Check], port: int, log: Path, tell: Report
) -> None:
    env = {"JUPYTER_IP": "127.0.0.1", "JUPYTER_PORT": str(port), "JUPYTER_TOKEN_FILE": TOKEN_FILE}
    with log.open("wb") as output, sandbox.service(env, output) as service:
        running = Target(sandbox, target.variables, target.token, service, env)
        for check in checks:
            tell(judge(check, running, sandbox.platform.oci))
        tell(_stopped(service, sandbox.platform))


def judge(check: Check, target: Target, where: str) -> Verdict:
    """Try a check until it holds, for as long as it may take."""
    started = time.monotonic()
    while True:
        try:
            try_check(check, target)
        except OutOfReachError:
            return Verdict(where, check.id, None, time.monotonic() - started, "it looks inside the container")
        except UnmetError as error:
            ended = target.service is not None and not target.service.running
            if not ended and time.monotonic() - started < check.within:
                time.sleep(RETRY_EVERY_S)
                continue
            unmet: str | None = str(error)
        else:
            unmet = None
        return Verdict(where, check.id, unmet, time.monotonic() - started)


def _stopped(service: Service, platform: Platform) -> Verdict:
    took = service.stop(STOP_GRACE_S)
    unmet = f"it had to be killed {STOP_GRACE_S} s after SIGTERM" if took is None else None
    return Verdict(platform.oci, "stops-on-sigterm", unmet, STOP_GRACE_S if took is None else took)


def _variables(sandbox: Sandbox, port: int) -> Variables:
    values = {
        "HOME": sandbox.environment.get("HOME", "/"),
        "CONTAINER_IP": "127.0.0.1",
        "RUN": secrets.token_hex(4),
        **{f"HOST_PORT:{exposed.partition('/')[0]}": str(port) for exposed in sandbox.config.get("ExposedPorts", {})},
        **{f"VOLUME_PATH:{path.rpartition('/')[2]}": path for path in sandbox.volumes},
        **{f"ENV_{name}": value for name, value in sandbox.environment.items()},
    }
    return Variables(values)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
