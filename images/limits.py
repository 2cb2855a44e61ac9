"""How much of an image from anywhere is believed: far more than any honest image needs, and an end all the same."""

from __future__ import annotations

from images.errors import LayoutError

MIB = 1 << 20
GIB = 1 << 30

DOCUMENT = 8 * MIB
"""Bytes of an index, a manifest or a configuration; registries need only take 4 MiB (distribution-spec v1.1)."""
LABEL_BYTES = 1 * MIB
"""Bytes of the label with the checks."""
CHECKS = 1000
"""Checks of an image."""
MANIFESTS = 1000
"""Manifests that an index, and those below it, name."""
NESTING = 8
"""Indexes within indexes."""
LAYERS = 1000
"""Layers of an image; runtimes accept 127."""
HEADER = 2 * MIB
"""Bytes of one header of a tar archive: what tarfile reads of one at once."""
ENTRIES = 2_000_000
"""Entries of all layers of an image."""
DEPTH = 256
"""Folders within folders."""
UNPACKED = 256 * GIB
"""Bytes of all layers of an image, without compression."""
UNPACK_S = 3600
"""Seconds that one layer may take."""
ALWAYS_FINE = 1 * GIB
RATIO = 300
"""How often larger than its blobs an image may be that is larger than `ALWAYS_FINE`; ordinary ones reach 5."""
OUTPUT = 8 * MIB
"""Bytes of what a command of a check prints."""
LOG = 64 * MIB
"""Bytes of what an image prints at work."""
REPLY = 16 * MIB
"""Bytes of one answer of an image's server."""
SEARCHED = 256 * MIB
"""Bytes of a file that are searched for a text."""
WITHIN_S = 3600
"""Seconds during which a check is tried again."""
PLATFORM_S = 3600
"""Seconds that the checks of one platform may take."""
FREE = 512 * MIB
"""Bytes that an image leaves free on the disk."""


class Budget:
    """What the layers of one image may still bring."""

    def __init__(self, origin: object, compressed: int) -> None:
        """Begin for an image whose blobs have `compressed` bytes."""
        self._origin = origin
        self._bytes = min(UNPACKED, max(ALWAYS_FINE, compressed * RATIO))
        self._entries = ENTRIES

    def take(self, count: int) -> None:
        """Count bytes.

        Raises:
            LayoutError: they are too many.

        """
        self._bytes -= count
        if self._bytes < 0:
            raise LayoutError(self._origin, "unpacks to far more than its size promises: it is not used")

    def require(self, count: int) -> None:
        """See that so many bytes would not be too many, without counting them."""
        if count < 0 or count > self._bytes:
            raise LayoutError(self._origin, "unpacks to far more than its size promises: it is not used")

    def entry(self) -> None:
        """Count one entry of an archive."""
        self._entries -= 1
        if self._entries < 0:
            raise LayoutError(self._origin, f"holds more than {ENTRIES} files: it is not used")


def plain(text: object, limit: int = 300) -> str:
    """Return a text of somebody else's as one line that a terminal only shows."""
    letters = str(text)[: limit + 1]
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in letters)
    return shown if len(shown) <= limit else f"{shown[:limit]}…"
