"""Check an image by running it: every platform of a layout, at rest and at work, by the checks that it carries."""

from __future__ import annotations

import math
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from env.platforms import Platform
from env.store.store import Store
from images.check.bubblewrap import bubblewrap
from images.check.emulator import emulator
from images.check.run_config import run_config
from images.check.sandbox import Sandbox
from images.check.service import Service
from images.check.verbs import OutOfReachError, Target, UnmetError, try_check
from images.errors import LayoutError, NotOfferedError
from images.limits import PLATFORM_S, plain
from images.oci.read import PlatformImage, read_layout
from images.oci.rooted import clear
from images.oci.unpack import unpack
from images.recipe.checks import LABEL, SECTIONS, Check, Variables, from_label

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
    if not images:
        raise LayoutError(origin, "holds no image for a platform that is known")
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
        try:
            unpack(image, root)
            _check_unpacked(image, root, (runner, wrapper), log, tell, origin)
        finally:
            # Its processes may have made folders that nothing else removes.
            clear(root)


def _check_unpacked(
    image: PlatformImage,
    root: Path,
    programs: tuple[Path | None, tuple[str, ...]],
    log: Path,
    tell: Report,
    origin: object,
) -> None:
    token = secrets.token_urlsafe(32)
    secret = root.with_name("token")
    secret.write_text(token, encoding="ascii")
    config = run_config(image.config.get("config"), origin)
    sections = from_label(config["Labels"].get(LABEL, "{}"), origin)
    checks = [check for section in SECTIONS for check in sections.get(section, ())]
    sandbox = Sandbox(root, image.platform, config, *programs, {TOKEN_FILE: secret})
    if checks:
        sandbox.probe()
    port = _free_port()
    target = Target(sandbox, _variables(sandbox, port), token)
    ends = time.monotonic() + PLATFORM_S
    for check in (check for check in checks if check.scope == "build"):
        tell(judge(check, target, image.platform.oci, ends))
    if atwork := [check for check in checks if check.scope == "deploy"]:
        if not sandbox.program:
            raise LayoutError(origin, "has checks of an image at work, and neither Entrypoint nor Cmd to start")
        _check_at_work(sandbox, target, atwork, port, log, tell, ends)


def _check_at_work(
    sandbox: Sandbox,
    target: Target,
    checks: Sequence[Check],
    port: int,
    log: Path,
    tell: Report,
    ends: float,
) -> None:
    env = {"JUPYTER_IP": "127.0.0.1", "JUPYTER_PORT": str(port), "JUPYTER_TOKEN_FILE": TOKEN_FILE}
    with log.open("wb") as output, sandbox.service(env, output) as service:
        running = Target(sandbox, target.variables, target.token, service, env)
        for check in checks:
            tell(judge(check, running, sandbox.platform.oci, ends))
        tell(_stopped(service, sandbox.platform))


def judge(check: Check, target: Target, where: str, ends: float = math.inf) -> Verdict:
    """Try a check until it holds, for as long as it may take, and never after the monotonic time `ends`."""
    started = time.monotonic()
    if started > ends:
        return Verdict(where, check.id, f"the checks of a platform have {PLATFORM_S} s, and none was left", 0)
    while True:
        try:
            if target.sandbox is not None:
                target.sandbox.require_space()
            try_check(check, target)
        except OutOfReachError:
            return Verdict(where, check.id, None, time.monotonic() - started, "it looks inside the container")
        except UnmetError as error:
            ended = target.service is not None and not target.service.running
            if not ended and time.monotonic() < min(started + check.within, ends):
                time.sleep(RETRY_EVERY_S)
                continue
            unmet: str | None = plain(error, 500)
        else:
            unmet = None
        return Verdict(where, check.id, unmet, time.monotonic() - started)


def _stopped(service: Service, platform: Platform) -> Verdict:
    took = service.stop(STOP_GRACE_S)
    unmet = f"it had to be killed {STOP_GRACE_S} s after SIGTERM" if took is None else None
    return Verdict(platform.oci, "stops-on-sigterm", unmet, STOP_GRACE_S if took is None else took)


def _variables(sandbox: Sandbox, port: int) -> Variables:
    values = {
        "HOME": sandbox.environment["HOME"],
        "CONTAINER_IP": "127.0.0.1",
        "RUN": secrets.token_hex(4),
        **{f"HOST_PORT:{exposed.partition('/')[0]}": str(port) for exposed in sandbox.config.get("ExposedPorts") or {}},
        **{f"VOLUME_PATH:{path.rpartition('/')[2]}": path for path in sandbox.volumes},
        **{f"ENV_{name}": value for name, value in sandbox.environment.items()},
    }
    return Variables(values)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
