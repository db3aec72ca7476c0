from __future__ import annotations

import base64
import io
import random
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from core.errors import InvalidPictureError
from core.images import decode_picture, fit_picture, parse_data_uri, to_png

LIMITS = {"max_bytes": 1_000_000, "max_pixels": 1_000_000}
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)


def corners(size: tuple[int, int] = (64, 32)) -> Image.Image:
    """Return a picture whose quarters are red, green / blue, yellow."""
    image = Image.new("RGB", size)
    half_width, half_height = size[0] // 2, size[1] // 2
    places = [(0, 0), (half_width, 0), (0, half_height), (half_width, half_height)]
    for place, color in zip(places, (RED, GREEN, BLUE, YELLOW), strict=True):
        image.paste(color, (*place, place[0] + half_width, place[1] + half_height))
    return image


def noise(size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def refused(data: bytes, **limits: int) -> InvalidPictureError:
    with pytest.raises(InvalidPictureError) as caught:
        decode_picture(data, **{**LIMITS, **limits})
    return caught.value


def corner_colors(image: Image.Image) -> list[tuple[int, ...]]:
    right, bottom = image.width - 4, image.height - 4
    pixels = np.asarray(image)
    places = [(3, 3), (right, 3), (3, bottom), (right, bottom)]
    return [tuple(int(c > 127) * 255 for c in pixels[y, x]) for x, y in places]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_three_formats_decode_to_rgb_with_their_colours_in_place(kind: str) -> None:
    image = decode_picture(encoded(corners(), kind), **LIMITS)
    assert (image.mode, image.size) == ("RGB", (64, 32))
    assert corner_colors(image) == [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize(
    ("orientation", "size", "colors"),
    [
        (2, (64, 32), [GREEN, RED, YELLOW, BLUE]),
        (3, (64, 32), [YELLOW, BLUE, GREEN, RED]),
        (6, (32, 64), [BLUE, RED, YELLOW, GREEN]),
        (8, (32, 64), [GREEN, YELLOW, RED, BLUE]),
    ],
)
def test_a_picture_is_turned_as_its_exif_says(orientation: int, size: tuple[int, int], colors: list[Any]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode_picture(encoded(corners(), "JPEG", exif=exif, quality=95), **LIMITS)
    assert image.size == size
    assert corner_colors(image) == colors


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_place_profile_and_texts_are_dropped(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "private words"
    exif.get_ifd(0x8825)[1] = "N"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "private words")
    more = {"pnginfo": texts} if kind == "PNG" else {}
    data = encoded(corners(), kind, exif=exif, icc_profile=b"private profile", **more)
    assert b"private" in data
    image = decode_picture(data, **LIMITS)
    assert image.info == {}
    assert not image.getexif()
    png = to_png(image)
    assert b"private" not in png
    chunks = {name for name in (b"eXIf", b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"tIME") if name in png}
    assert chunks == set()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    clear = Image.new("RGBA", (32, 32), (0, 0, 0, 0)).convert(mode)
    more = {"transparency": 0} if mode == "P" else {}
    image = decode_picture(encoded(clear, "PNG", **more), **LIMITS)
    assert image.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_gray_and_palette_pictures_keep_their_brightness(mode: str) -> None:
    white = Image.new("L", (32, 32), 255).convert(mode)
    assert decode_picture(encoded(white, "PNG"), **LIMITS).getpixel((5, 5)) == (255, 255, 255)


def test_sixteen_bit_gray_is_scaled_and_not_clipped() -> None:
    gray = Image.fromarray(np.full((32, 32), 0x8000, dtype=np.uint16))
    assert decode_picture(encoded(gray, "PNG"), **LIMITS).getpixel((5, 5)) == (128, 128, 128)


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    image = decode_picture(encoded(corners().convert("CMYK"), "JPEG"), **LIMITS)
    assert corner_colors(image) == [RED, GREEN, BLUE, YELLOW]


def test_of_a_phones_mpo_the_first_frame_is_taken() -> None:
    data = encoded(corners(), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 32))])
    with Image.open(io.BytesIO(data)) as opened:
        assert (opened.format, getattr(opened, "n_frames", 1)) == ("MPO", 2)
    assert corner_colors(decode_picture(data, **LIMITS)) == [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animated_picture_is_refused(kind: str) -> None:
    assert refused(encoded(corners(), kind, save_all=True, append_images=[noise((64, 32))])).reason == "animated"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", encoded(corners(), "PNG"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        *(encoded(corners(), kind) for kind in ("GIF", "BMP", "TIFF")),
        zipped(),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><img>",
        b"RIFF\x10\x00\x00\x00WAVEfmt ",
        b"\x89",
    ],
)
def test_what_is_no_jpeg_png_or_webp_is_refused_by_its_content(data: bytes) -> None:
    error = refused(data)
    assert (error.reason, error.status) == ("format", 422)
    assert "JPEG, PNG or WebP" in error.detail


def test_an_empty_file_is_refused() -> None:
    assert refused(b"").reason == "empty"


def test_too_many_bytes_are_refused_and_the_limit_is_named() -> None:
    error = refused(encoded(noise(), "PNG"), max_bytes=1000)
    assert error.reason == "too-large"
    assert "1000" in error.detail


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_too_many_pixels_are_refused_and_the_limit_is_named(kind: str) -> None:
    error = refused(encoded(corners((64, 32)), kind), max_pixels=2047)
    assert error.reason == "pixels"
    assert "64 x 32" in error.detail
    assert "2047" in error.detail
    assert decode_picture(encoded(corners((64, 32)), kind), max_bytes=100_000, max_pixels=2048).size == (64, 32)


@pytest.mark.parametrize("side", [20_000, 2_000_000_000])
def test_a_header_with_an_absurd_size_is_refused_before_decoding(side: int) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png = encoded(corners(), "PNG")
    bomb = png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]
    assert refused(bomb).reason == "pixels"


def test_a_picture_with_a_tiny_side_is_refused_and_an_extreme_ratio_is_taken() -> None:
    assert refused(encoded(corners((64, 15)), "PNG")).reason == "too-small"
    assert decode_picture(encoded(corners((4000, 16)), "PNG"), **LIMITS).size == (4000, 16)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_file_that_ends_too_early_is_called_truncated(kind: str, part: float) -> None:
    data = encoded(noise(), kind)
    assert refused(data[: int(len(data) * part)]).reason == "truncated"


def test_a_png_with_damaged_pixels_is_called_corrupt() -> None:
    data = bytearray(encoded(noise(), "PNG"))
    middle = len(data) // 2
    data[middle : middle + 50] = bytes(50)
    assert refused(bytes(data)).reason == "corrupt"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_whatever_bytes_change_a_file_decodes_or_is_an_invalid_picture(kind: str) -> None:
    whole, dice = encoded(noise((40, 30)), kind, exif=Image.Exif()), random.Random(kind)
    outcomes = set()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            where = dice.randrange(min(len(data), dice.choice([64, len(data)])))
            data[where] = dice.randrange(256)
        try:
            outcomes.add(decode_picture(bytes(data), **LIMITS).mode)
        except InvalidPictureError as error:
            outcomes.add(error.reason)
    assert outcomes & {"corrupt", "format", "truncated"}
    assert outcomes <= {"RGB", "corrupt", "format", "truncated", "pixels", "too-small", "animated"}


def test_crop_keeps_the_centre_square() -> None:
    image = Image.new("RGB", (90, 30), RED)
    image.paste(GREEN, (30, 0, 60, 30))
    square = fit_picture(image, 16, "crop")
    assert square.size == (16, 16)
    assert np.asarray(square)[4:12, 4:12].tolist() == np.full((8, 8, 3), GREEN).tolist()


def test_pad_keeps_the_whole_picture_on_its_edges_mean_color() -> None:
    image = Image.new("RGB", (64, 32), RED)
    image.paste(BLUE, (16, 8, 48, 24))
    square = fit_picture(image, 32, "pad")
    assert square.size == (32, 32)
    assert [square.getpixel(place) for place in ((0, 0), (31, 31), (1, 16), (16, 16))] == [RED, RED, RED, BLUE]


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [(4000, 16), (16, 4000), (17, 16), (64, 64)])
def test_every_ratio_fits_into_the_square(fit: Any, size: tuple[int, int]) -> None:
    assert fit_picture(corners(size), 32, fit).size == (32, 32)


def test_the_same_pixels_give_the_same_png_and_back() -> None:
    first, second = noise(), noise()
    second.info["comment"] = "private"
    assert to_png(first) == to_png(second)
    with Image.open(io.BytesIO(to_png(first))) as back:
        assert back.tobytes() == first.tobytes()


def test_a_data_uri_gives_its_bytes() -> None:
    png = encoded(corners(), "PNG")
    assert parse_data_uri("data:image/png;base64," + base64.b64encode(png).decode()) == png


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "format"),
        ("https://example.org/a.png", "format"),
        ("data:text/html;base64,AAAA", "format"),
        ("data:image/png,AAAA", "format"),
        ("data:image/png;base64,", "empty"),
        ("data:image/png;base64,AAA", "corrupt"),
        ("data:image/png;base64,AA AA", "corrupt"),
        ("data:image/png;base64,Größe", "corrupt"),
    ],
)
def test_a_data_uri_that_is_none_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidPictureError) as caught:
        parse_data_uri(text)
    assert caught.value.reason == reason
