"""Safe decoding of pictures from strangers: JPEG, PNG and WebP, within limits, down to bare RGB pixels."""

from __future__ import annotations

import binascii
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from core.errors import InvalidPictureError

FORMATS = ("JPEG", "PNG", "WEBP")
MIN_SIDE = 16
REDUCING_GAP = 3  # a resampling from three times the size or more can't be told from one of the whole picture
BASE64_PIECE = 2**18  # characters decoded at once: other threads run only between two pieces
STRIPE_PIXELS = 2**20  # converted at once
WEBP_COST = 4  # libwebp keeps whole canvases: 16 bytes a pixel
_MAGIC = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP", re.DOTALL)
_DATA_URI = re.compile(r"data:image/[a-z0-9.+-]+(?:;[a-z0-9-]+=[^;,]*)*;base64,", re.IGNORECASE)
_WIDE_GRAY = ("I", "F")  # and every I;16 variant
_TURNS = {  # what EXIF calls 2 to 8, and how to undo it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TRUNCATED = ("truncated", "unexpected end", "premature", "broken PNG file", "incomplete")


@dataclass(frozen=True)
class Header:
    """What a picture's file says of itself before anything is decoded."""

    format: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def cost(self) -> int:
        """What decoding takes, in pixels of about 5 bytes; measured: 1 to 6, and 8 for what is small but not RGB."""
        return self.pixels * (WEBP_COST if self.format == "WEBP" else 1)


def read_header(data: bytes, *, max_bytes: int, max_pixels: int) -> Header:
    """Return a picture's size without decoding it.

    Raises InvalidPictureError for all that is wrong with the file but its pixels: its reason is empty, too-large,
    format, animated, pixels or too-small, or truncated or corrupt already in the header.
    """
    with _opened(data, max_bytes, max_pixels) as image:
        return Header("JPEG" if image.format == "MPO" else str(image.format), *image.size)


def decode_picture(data: bytes, *, max_bytes: int, max_pixels: int, side: int | None = None) -> Image.Image:
    """Return the picture as RGB, upright and without metadata, with alpha laid on white.

    With `side` a large picture comes reduced by a whole number, but its shorter side never below three times as many
    pixels: `fit_picture` makes nearly the same of it, with a fraction of the memory. Raises InvalidPictureError; its
    reason is empty, too-large, format, animated, truncated, pixels, too-small or corrupt.
    """
    with _opened(data, max_bytes, max_pixels) as image:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        factor = _reduction(image, side)
        if factor > 1:
            image.draft(None, (-(-image.width // factor), -(-image.height // factor)))  # JPEG: fewer pixels are decoded
        image.load()
        return _upright(_rgb(image, _reduction(image, side)), orientation)


def fit_picture(image: Image.Image, size: int, fit: Literal["crop", "pad"]) -> Image.Image:
    """Return `image` (RGB) as a square of `size` pixels.

    `crop` takes the center square; `pad` keeps the whole picture and fills up with the mean color of its edge.
    """
    if fit == "crop":
        return ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new("RGB", (size, size), _edge_mean(image))
    square.paste(image.resize((width, height), Image.Resampling.LANCZOS), ((size - width) // 2, (size - height) // 2))
    return square


def to_png(image: Image.Image) -> bytes:
    """Return `image` (RGB) as PNG bytes without metadata, the same for the same pixels.

    Pillow would compress without letting other threads run.
    """
    pixels = np.asarray(image.convert("RGB"))
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB, not interlaced
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(_paeth_filtered(pixels), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def parse_data_uri(text: str) -> bytes:
    """Return the bytes of `data:image/…;base64,…`; raises InvalidPictureError (format, corrupt or empty)."""
    head = _DATA_URI.match(text)
    if not head:
        raise InvalidPictureError("format", "picture must be a data URI that begins with data:image/…;base64,")
    starts = range(head.end(), len(text), BASE64_PIECE)
    try:
        pieces = [binascii.a2b_base64(text[start : start + BASE64_PIECE], strict_mode=True) for start in starts]
        if any(len(piece) != BASE64_PIECE // 4 * 3 for piece in pieces[:-1]):
            raise ValueError("padding within the text")
    except ValueError:  # binascii.Error is one
        raise InvalidPictureError("corrupt", "picture has a data URI whose base64 can't be decoded") from None
    data = b"".join(pieces)
    if not data:
        raise InvalidPictureError("empty", "picture is empty: 0 bytes")
    return data


@contextmanager
def _opened(data: bytes, max_bytes: int, max_pixels: int) -> Iterator[Image.Image]:
    """Open a checked file; whatever a decoder trips over in the block is the file's fault."""
    _check_bytes(data, max_bytes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the pixel limit is checked here; other warnings are about metadata
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(image, max_pixels)
                # A phone's MPO is a JPEG whose further frames are previews or gain maps: its first is the picture.
                if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                    raise InvalidPictureError("animated", "picture must have one frame; animated files are not taken")
                yield image
    except InvalidPictureError:
        raise
    except Image.DecompressionBombError:
        raise InvalidPictureError("pixels", _pixel_limit("far too many", max_pixels), limit=max_pixels) from None
    except Exception as error:
        raise _undecodable(error, data) from error


def _check_bytes(data: bytes, max_bytes: int) -> None:
    if not data:
        raise InvalidPictureError("empty", "picture is empty: 0 bytes")
    if len(data) > max_bytes:
        raise InvalidPictureError(
            "too-large", f"picture has {len(data)} bytes; at most {max_bytes} are taken", limit=max_bytes
        )
    if not _MAGIC.match(data):
        raise InvalidPictureError("format", "picture must be a JPEG, PNG or WebP file, by its content")


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise InvalidPictureError("pixels", _pixel_limit(f"{width} x {height}", max_pixels), limit=max_pixels)
    if min(width, height) < MIN_SIDE:
        detail = f"picture has {width} x {height} pixels; each side needs at least {MIN_SIDE}"
        raise InvalidPictureError("too-small", detail, limit=MIN_SIDE)


def _reduction(image: Image.Image, side: int | None) -> int:
    return max(1, min(image.size) // (REDUCING_GAP * side)) if side else 1


def _rgb(image: Image.Image, factor: int) -> Image.Image:
    """Return the picture as RGB without metadata, smaller by `factor`.

    It is made stripe by stripe, so that beside the decoded picture only the result takes memory; and not at all where
    the picture itself will do.
    """
    if factor == 1 and image.mode == "RGB" and not image.has_transparency_data:
        image.getexif().clear()
        image.info.clear()
        return image
    width, height = image.size
    whole = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = max(1, STRIPE_PIXELS // width // factor) * factor
    for top in range(0, height, rows):
        stripe = _on_white(image.crop((0, top, width, min(top + rows, height))))
        whole.paste(stripe.reduce(factor) if factor > 1 else stripe, (0, top // factor))
    return whole


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in _WIDE_GRAY or image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    picture = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _paeth_filtered(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return PNG's rows of `pixels` (H, W, 3): each byte's difference to the nearest of its three neighbors."""
    height, width, _ = pixels.shape
    padded = np.zeros((height + 1, width + 1, 3), np.int16)
    padded[1:, 1:] = pixels
    left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    guess = left + above - corner
    to_left, to_above, to_corner = (np.abs(guess - each) for each in (left, above, corner))
    second = np.where(to_above <= to_corner, above, corner)
    nearest = np.where((to_left <= to_above) & (to_left <= to_corner), left, second)
    rows = np.full((height, 1 + 3 * width), 4, np.uint8)  # a row begins with its filter's number
    rows[:, 1:] = (pixels - nearest).astype(np.uint8).reshape(height, -1)
    return rows.tobytes()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _edge_mean(image: Image.Image) -> tuple[int, int, int]:
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = (int(channel) for channel in edge.mean(axis=0).round())
    return red, green, blue


def _pixel_limit(found: str, max_pixels: int) -> str:
    return f"picture has {found} pixels; at most {max_pixels} are taken"


def _undecodable(error: Exception, data: bytes) -> InvalidPictureError:
    cut_webp = data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") + 8 > len(data)
    if cut_webp or any(word in str(error).lower() for word in _TRUNCATED):
        return InvalidPictureError("truncated", f"picture ends too early, after {len(data)} bytes")
    return InvalidPictureError("corrupt", "picture can't be decoded: the file is damaged")
