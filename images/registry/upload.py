"""One blob into a registry (OCI distribution-spec v1.1, pushing blobs): found, mounted, or sent in pieces.

A large blob goes in chunks, and after a dropped connection on from what the registry says it has. A registry that
has forgotten the upload, or takes no chunks, gets the blob from its start.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlencode

import httpx

from env.retry import Stopped, TryAgain
from images.errors import LayoutError, RegistryRefusedError
from images.oci.contents import Part
from images.registry.client import Registry

CHUNK = 16 << 20
PIECE = 1 << 20
_DIGITS = 18
Outcome = Literal["there", "mounted", "uploaded"]
_NO_CHUNKS = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.NOT_IMPLEMENTED)
_FORGOTTEN = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)


@dataclass
class _Upload:
    """An upload that is under way."""

    location: str = ""
    """Where it goes on; empty before it was begun."""
    offset: int = 0
    """Bytes that the registry has, by its own word."""
    doubtful: bool = False
    """Whether the registry must be asked what it has."""
    smallest: int = 0
    """The least bytes of a chunk that it takes (``OCI-Chunk-Min-Length``)."""
    sent: int = 0
    """Bytes that progress was told of."""
    read: int = 0
    """Bytes of the blob that `digest` has seen; what is sent again is not hashed again."""
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)


class Uploader:
    """Sends blobs, from several threads at once."""

    def __init__(self, registry: Registry, stop: threading.Event, advance: Callable[[int], None]) -> None:
        self._registry = registry
        self._stop = stop
        self._advance = advance
        self._chunks = True

    def put(self, part: Part, sources: Sequence[str]) -> Outcome:
        """See that the registry has a blob; `sources` are repositories of it that may have it already.

        Raises:
            LayoutError: the blob on disk is not what its name says.
            ImageError: the registry does not take it.
            Stopped: told to stop.

        """
        if self._is_there(part):
            self._advance(part.size)
            return "there"
        upload = _Upload()

        def attempt() -> Outcome:
            try:
                return self._attempt(part, upload, sources)
            except TryAgain:
                upload.doubtful = True
                raise

        return self._registry.patience.keep_trying(attempt, lambda: upload.offset)

    def _attempt(self, part: Part, upload: _Upload, sources: Sequence[str]) -> Outcome:
        if upload.doubtful:
            self._ask(part, upload)
            if not upload.location and self._is_there(part):
                # The answer to the last request was all that was lost.
                self._show(upload, part.size)
                return "uploaded"
        if not upload.location:
            self._show(upload, 0)
            if self._begin(part, upload, sources):
                self._show(upload, part.size)
                return "mounted"
        chunk = max(CHUNK, upload.smallest)
        while self._chunks and part.size > chunk and upload.offset < part.size:
            if not self._patch(part, upload, min(chunk, part.size - upload.offset)):
                self._begin(part, upload, ())
        self._finish(part, upload)
        return "uploaded"

    def _is_there(self, part: Part) -> bool:
        response = self._registry.request("HEAD", f"blobs/{part.digest}", expected=[200, 404])
        length, digest = response.headers.get("Content-Length"), response.headers.get("Docker-Content-Digest")
        return (
            response.status_code == HTTPStatus.OK
            and (length is None or length == str(part.size))
            and (digest is None or digest == part.digest)
        )

    def _require_whole(self, part: Part, upload: _Upload) -> None:
        """Refuse a blob that has been read to its end and is another than its name says."""
        if upload.read == part.size and f"sha256:{upload.digest.hexdigest()}" != part.digest:
            raise LayoutError(part.path.parents[2], f"is damaged: the blob {part.digest} has other content")

    def _begin(self, part: Part, upload: _Upload, sources: Sequence[str]) -> bool:
        """Begin an upload; True where the registry had the blob in another repository and has mounted it."""
        for source in sources:
            query = urlencode({"mount": part.digest, "from": source})
            # A repository that we may not read is no reason to end: the blob can be sent.
            response = self._registry.once("POST", f"blobs/uploads/?{query}", expected=[201, 202, 400, 401, 403, 404])
            if response.status_code == HTTPStatus.CREATED:
                return True
            if response.status_code == HTTPStatus.ACCEPTED:
                self._moved(upload, response)
                upload.offset = 0
                return False
        self._moved(upload, self._registry.once("POST", "blobs/uploads/", expected=[202]))
        upload.offset = 0
        return False

    def _ask(self, part: Part, upload: _Upload) -> None:
        """Ask what the registry has of an upload, and start again where it has forgotten it."""
        upload.doubtful = False
        if not upload.location:
            return
        response = self._registry.request("GET", upload.location, expected=[204, *_FORGOTTEN])
        if response.status_code == HTTPStatus.NO_CONTENT:
            self._moved(upload, response)
            upload.offset = min(_received(response), part.size)
        else:
            upload.location, upload.offset = "", 0
        self._show(upload, upload.offset)

    def _patch(self, part: Part, upload: _Upload, count: int) -> bool:
        """Send a chunk; False where the registry takes none, which is remembered for every blob."""
        start = upload.offset
        headers = {"Content-Range": f"{start}-{start + count - 1}"}
        response = self._send(
            "PATCH", upload.location, part, upload, (start, count), [202, *_FORGOTTEN, *_NO_CHUNKS], headers
        )
        if response.status_code in _NO_CHUNKS:
            self._chunks = False
            return False
        if response.status_code != HTTPStatus.ACCEPTED:
            raise TryAgain(self._refused(f"a chunk of {part.digest}", response))
        self._moved(upload, response)
        upload.offset = min(_received(response), part.size) if "Range" in response.headers else start + count
        if upload.offset <= start:
            raise TryAgain(self._refused(f"a chunk of {part.digest}, and keeps nothing of it,", response))
        return True

    def _finish(self, part: Part, upload: _Upload) -> None:
        rest = part.size - upload.offset
        self._require_whole(part, upload)
        location = str(httpx.URL(upload.location).copy_merge_params({"digest": part.digest}))
        response = self._send("PUT", location, part, upload, (upload.offset, rest), [201, 204, *_FORGOTTEN], {})
        self._require_whole(part, upload)
        told = response.headers.get("Docker-Content-Digest", part.digest)
        if response.status_code in _FORGOTTEN or told != part.digest:
            # What arrived is not what was sent, or it was forgotten; either way the upload is of no more use.
            upload.location, upload.offset = "", 0
            raise TryAgain(self._refused(f"the end of {part.digest}", response))

    def _send(
        self,
        method: str,
        location: str,
        part: Part,
        upload: _Upload,
        span: tuple[int, int],
        expected: Sequence[int],
        headers: dict[str, str],
    ) -> httpx.Response:
        start, count = span

        def body() -> Iterator[bytes]:
            self._show(upload, start)
            with part.path.open("rb") as file:
                file.seek(start)
                end = start + count
                while (place := file.tell()) < end and (data := file.read(min(PIECE, end - place))):
                    if self._stop.is_set():
                        raise Stopped
                    # A blob is read once: on its way it is seen whether it is what its name says.
                    if place <= upload.read < place + len(data):
                        upload.digest.update(data[upload.read - place :])
                        upload.read = place + len(data)
                    yield data
                    self._show(upload, place + len(data))

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(count), **headers}
        return self._registry.once(method, location, expected=expected, body=body if count else b"", headers=headers)

    def _moved(self, upload: _Upload, response: httpx.Response) -> None:
        location = response.headers.get("Location")
        if location is None:
            raise TryAgain(self._refused("an upload", response))
        try:
            upload.location = str(response.url.join(location))
        except httpx.InvalidURL:
            raise self._refused("an upload", response) from None
        upload.smallest = _number(response.headers.get("OCI-Chunk-Min-Length", "")) or upload.smallest

    def _refused(self, what: str, response: httpx.Response) -> RegistryRefusedError:
        return RegistryRefusedError(self._registry.reference.registry, what, str(response.status_code))

    def _show(self, upload: _Upload, sent: int) -> None:
        self._advance(sent - upload.sent)
        upload.sent = sent


def _received(response: httpx.Response) -> int:
    """Return how many bytes the registry has, from ``Range: 0-LAST``; 0-0 is what it says of none, and of one."""
    last = _number(response.headers.get("Range", "").removeprefix("bytes=").rpartition("-")[2])
    return last + 1 if last else 0


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0
