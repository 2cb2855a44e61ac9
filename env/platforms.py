"""The one table of platform names: every other module translates through it.

The same machine is called amd64 by Debian and OCI, x86_64 by wheel tags and the kernel, and linux-64 by conda.
"""

from __future__ import annotations

import platform as host
import sys
from dataclasses import dataclass

from env.errors import UnknownPlatformError

PYTHON = "3.13"
"""The Python of the images."""


@dataclass(frozen=True)
class Platform:
    """One target platform, by each of the names the field has for it."""

    oci: str
    """``os/architecture`` as in the OCI image index, e.g. ``linux/amd64``."""
    debian: str
    """Debian's architecture, e.g. ``amd64``."""
    conda: str
    """conda's subdir, e.g. ``linux-64``."""
    machine: str
    """``uname -m`` and the last part of a wheel's platform tag, e.g. ``x86_64``."""
    loader: str
    """The ELF interpreter of its programs, an absolute path inside a root filesystem."""
    elf_machine: int
    """``e_machine`` of its ELF files (ELF gABI)."""
    aliases: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """The name in file names: ``linux-amd64``."""
        return self.oci.replace("/", "-")

    @property
    def architecture(self) -> str:
        """The OCI architecture, e.g. ``amd64``."""
        return self.oci.partition("/")[2]

    @property
    def triplet(self) -> str:
        """Debian's multiarch triplet, e.g. ``x86_64-linux-gnu``."""
        return f"{self.machine}-linux-gnu"

    @property
    def uv(self) -> str:
        """Uv's ``--python-platform``: the glibc floor is that of conda-forge and of today's wheels, 2.28."""
        return f"{self.machine}-manylinux_2_28"

    def __str__(self) -> str:
        return self.oci


AMD64 = Platform(
    oci="linux/amd64",
    debian="amd64",
    conda="linux-64",
    machine="x86_64",
    loader="/lib64/ld-linux-x86-64.so.2",
    elf_machine=62,
    aliases=("x64",),
)
ARM64 = Platform(
    oci="linux/arm64",
    debian="arm64",
    conda="linux-aarch64",
    machine="aarch64",
    loader="/lib/ld-linux-aarch64.so.1",
    elf_machine=183,
    aliases=("arm64v8", "linux/arm64/v8"),
)
PLATFORMS: tuple[Platform, ...] = (AMD64, ARM64)


def parse_platform(name: str) -> Platform:
    """Return the platform that any of the field's names means.

    Raises:
        UnknownPlatformError: no platform has that name.

    """
    wanted = name.strip().lower()
    for platform in PLATFORMS:
        names = (platform.oci, platform.slug, platform.debian, platform.conda, platform.machine, *platform.aliases)
        if wanted in names:
            return platform
    raise UnknownPlatformError(name, [platform.oci for platform in PLATFORMS])


def parse_platforms(names: str) -> tuple[Platform, ...]:
    """Parse a comma-separated list, e.g. ``linux/amd64,linux/arm64``; repeats count once, in the table's order."""
    wanted = {parse_platform(name) for name in names.split(",") if name.strip()}
    if not wanted:
        raise UnknownPlatformError(names, [platform.oci for platform in PLATFORMS])
    return tuple(platform for platform in PLATFORMS if platform in wanted)


def host_platform() -> Platform | None:
    """Return the platform whose programs this host runs natively, or None (macOS, Windows, other architectures)."""
    if sys.platform != "linux":
        return None
    machine = host.machine()
    return next((platform for platform in PLATFORMS if platform.machine == machine), None)
