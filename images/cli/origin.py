"""Where an image is that a command is given: a folder, an archive, a recipe's build, or a registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from env.platforms import Platform
from env.store.store import Store
from images.cli.layouts import layout_of
from images.errors import UnreadableInputError
from images.names import ABOUT
from images.oci.archive import is_archive, unarchive
from images.registry.credentials import find_credentials
from images.registry.pull import pull
from images.registry.reference import names_registry, parse_source


@dataclass(frozen=True)
class Origin:
    """An image that can be read from a layout."""

    said: str
    """As the person names it."""
    layout: Path

    @property
    def name(self) -> str:
        """A name for files about it, without what no file name may have."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.said.rstrip("/").rpartition("/")[2])


@contextmanager
def opened(
    image: str,
    platforms: Sequence[Platform] | None,
    store: Store,
    console: Console,
    *,
    layers: bool = True,
    insecure: bool = False,
) -> Iterator[Origin]:
    """Yield the image as a layout, which is gone at the end where it was made for this.

    Of a registry's image only what `platforms` need is pulled, and without `layers` not even those.

    Raises:
        UnknownImageError, UnreadableInputError: it is none of these.
        ImageError: by cause.

    """
    path = Path(image)
    if path.is_file():
        if not is_archive(path):
            raise UnreadableInputError(path, f"is no archive of an image: name {ABOUT}")
        with store.scratch() as scratch:
            unarchive(path, scratch / "layout")
            yield Origin(image, scratch / "layout")
        return
    if path.is_dir() or not names_registry(image):
        layout = layout_of(image)
        yield Origin(str(layout), layout)
        return
    reference = parse_source(image)
    credentials = find_credentials(reference.registry, reference.repository)
    columns = (TextColumn("pull"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with (
        store.scratch() as scratch,
        Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress,
    ):

        def begin(size: int) -> Callable[[int], None]:
            task = progress.add_task("pull", total=size)
            return lambda count: progress.advance(task, count)

        layout = scratch / "layout"
        pull(reference, platforms, store, credentials, layout, begin, layers=layers, insecure=insecure)
        progress.stop()
        yield Origin(image, layout)
