"""The name of an image in a registry, ``REGISTRY/NAME:TAG`` (OCI distribution-spec v1.1, pulling manifests).

An image that is there already may also be named by its digest, ``REGISTRY/NAME@sha256:…``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from images.errors import ReferenceFormatError

HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?")
NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
DOCKER_HUB = "docker.io"


@dataclass(frozen=True)
class Reference:
    """Where an image goes, or is."""

    registry: str
    """``HOST`` or ``HOST:PORT``, as people write it."""
    repository: str
    tag: str
    """Empty where a digest names the image."""
    digest: str = ""
    """``sha256:…`` of its manifest or index, or empty."""

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")

    def by_digest(self, sha256: str) -> str:
        """Return the reference to what has that digest in the same repository."""
        return f"{self.registry}/{self.repository}@sha256:{sha256}"

    @property
    def server(self) -> str:
        """The host that answers: Docker Hub's has another name than people write."""
        return f"registry-1.{DOCKER_HUB}" if self.registry == DOCKER_HUB else self.registry


def names_registry(text: str) -> bool:
    """Say whether a text begins with a registry, as a reference does and a path seldom does."""
    registry, slash, _ = text.removeprefix("docker://").partition("/")
    return bool(slash) and registry.strip(".") != "" and (bool(set(registry) & set(".:[")) or registry == "localhost")


def parse_source(text: str) -> Reference:
    """Read the reference of an image that is to be had; a digest, which says more than a tag, may stand beside it.

    Raises:
        ReferenceFormatError: it is none.

    """
    name, at, digest = text.partition("@")
    if not at:
        return parse_reference(text)
    if not DIGEST.fullmatch(digest):
        raise ReferenceFormatError(text, "has a digest that is no sha256")
    tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    known = parse_reference(tagged)
    return Reference(known.registry, known.repository, "", digest)


def parse_reference(text: str) -> Reference:
    """Read a reference. All three parts must be there: an image that goes to the wrong place can't be called back.

    Raises:
        ReferenceFormatError: it is none.

    """
    registry, _, rest = text.removeprefix("docker://").partition("/")
    if not names_registry(text):
        raise ReferenceFormatError(text, "names no registry")
    name, colon, tag = rest.rpartition(":")
    if not colon:
        raise ReferenceFormatError(text, "names no tag")
    if "@" in rest:
        raise ReferenceFormatError(text, "names a digest, which the image brings itself")
    if not HOST.fullmatch(registry):
        raise ReferenceFormatError(text, "names no host")
    if not TAG.fullmatch(tag):
        raise ReferenceFormatError(text, "has a tag of other characters than letters, digits, _, . and -")
    if not NAME.fullmatch(name):
        raise ReferenceFormatError(text, "has a name of other characters than small letters, digits, ., _, - and /")
    if registry == DOCKER_HUB and "/" not in name:
        name = f"library/{name}"
    return Reference(registry, name, tag)


def is_loopback(host: str) -> bool:
    """Say whether a host, without its port, is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
