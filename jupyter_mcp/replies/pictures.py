"""Pictures as model hosts take them: PNG, JPEG, GIF or WebP, no larger than a model looks at.

Model APIs scale down what is longer than 1568 pixels, refuse what is larger than some megabytes, and fail the whole
conversation over a picture that can't be decoded. So each is decoded here first.
"""

from __future__ import annotations

import base64
import binascii
import io
import threading
from dataclasses import dataclass

from mcp.types import ImageContent
from PIL import Image, ImageOps

PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")  # the first that an output has is shown
LONGEST_EDGE = 1568  # pixels
MOST_BYTES = 480_000  # of the file; in base64 a third more, which still fits into a server-sent event of 1 MiB
_MOST_PIXELS = 80_000_000  # decoded, that is up to 320 MB
_LONGEST = 100_000  # pixels of an edge: Pillow keeps an address of each row
_MOST_ENCODED = 64 << 20  # characters of base64
_OPENED = ("PNG", "JPEG", "WEBP", "GIF")
# MPO is a JPEG with more pictures behind the first, as phones take them; Pillow opens it as a JPEG.
_FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
_QUALITY = 85
_one_at_a_time = threading.Lock()  # each may take hundreds of megabytes


@dataclass(frozen=True)
class Picture:
    """A picture that a model host takes, and what it was before it was scaled."""

    data: str  # base64
    mime_type: str
    width: int
    height: int
    size: int  # bytes of the original

    def block(self) -> ImageContent:
        """Return the picture as MCP content."""
        return ImageContent(type="image", data=self.data, mime_type=self.mime_type)


class NoPictureError(ValueError):
    """The data are not a picture that can be shown; the text says why."""


def picture(data: str) -> Picture:
    """Return a picture for a model, scaled if it is too large. Takes a second for a huge one: call it in a thread.

    Raises NoPictureError.
    """
    if len(data) > _MOST_ENCODED:
        raise NoPictureError("too large to be decoded")
    try:
        encoded = "".join(data.split())
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)  # browsers need no padding
    except (binascii.Error, ValueError) as error:
        raise NoPictureError("not base64") from error
    with _one_at_a_time:
        try:
            return _prepared(raw)
        except NoPictureError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise NoPictureError("too many pixels to be decoded") from error
        except Exception as error:  # boundary: Pillow's decoders raise anything
            raise NoPictureError("not a picture that can be decoded") from error


def _prepared(raw: bytes) -> Picture:
    with Image.open(io.BytesIO(raw), formats=_OPENED) as image:
        width, height = image.size
        if width * height > _MOST_PIXELS or max(width, height) > _LONGEST:
            raise NoPictureError(f"{width}x{height} pixels are too many to be decoded")
        if _FORMATS[str(image.format)] == "image/jpeg":
            image.draft("RGB", (2 * LONGEST_EDGE, 2 * LONGEST_EDGE))  # decodes a huge one at an eighth of its size
        image.load()
        kind = _FORMATS[str(image.format)]
        if max(width, height) <= LONGEST_EDGE and len(raw) <= MOST_BYTES:
            return Picture(base64.b64encode(raw).decode(), kind, width, height, len(raw))
        scaled: Image.Image = ImageOps.exif_transpose(image)  # what turns it is not in the new file
        if scaled.mode.startswith("I"):
            scaled = scaled.point(lambda value: value / 256).convert("L")  # 16 bits a pixel
        elif scaled.mode not in ("L", "LA", "RGB", "RGBA"):
            scaled = scaled.convert("RGBA" if scaled.has_transparency_data else "RGB")
        scaled.thumbnail((LONGEST_EDGE, LONGEST_EDGE), reducing_gap=2.0)
    mime_type, encoded = _encode(scaled)
    return Picture(base64.b64encode(encoded).decode(), mime_type, width, height, len(raw))


def _encode(image: Image.Image) -> tuple[str, bytes]:
    """Return the image as PNG, which keeps lines sharp; as JPEG, smaller and smaller, where that is too large."""
    encoded = _saved(image, "PNG")
    if len(encoded) <= MOST_BYTES:
        return "image/png", encoded
    opaque = image
    if image.mode in ("LA", "RGBA"):
        opaque = Image.new("RGB", image.size, "white")
        opaque.paste(image, mask=image.getchannel("A"))
    while len(encoded := _saved(opaque, "JPEG", quality=_QUALITY)) > MOST_BYTES:
        opaque = opaque.resize((max(1, opaque.width * 2 // 3), max(1, opaque.height * 2 // 3)))
    return "image/jpeg", encoded


def _saved(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
