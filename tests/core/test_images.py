from __future__ import annotations

import base64
import io
import random
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from core.config import REPOSITORY
from core.errors import InvalidPictureError
from core.images import decode_picture, fit_picture, parse_data_uri, read_header, to_png

LIMITS: dict[str, int] = {"max_bytes": 1_000_000, "max_pixels": 1_000_000}
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


def photo(size: tuple[int, int]) -> Image.Image:
    """Return a picture with large shapes and fine grain, as a camera makes them."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    waves = np.stack([np.sin(x / 90 + c) * np.cos(y / (70 + 30 * c)) for c in range(3)], axis=-1)
    grain = np.random.default_rng(1).normal(0, 8, waves.shape)
    return Image.fromarray((128 + 100 * waves + grain).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_picture_that_is_reduced_while_it_is_decoded_fits_as_the_whole_one_does(kind: str, fit: Any) -> None:
    data = encoded(photo((1601, 1203)), kind, quality=95)
    limits = {"max_bytes": 10_000_000, "max_pixels": 2_000_000}
    reduced = decode_picture(data, **limits, side=64)
    whole = decode_picture(data, **limits)
    assert min(reduced.size) >= 3 * 64
    assert reduced.width * reduced.height < whole.width * whole.height / 10
    difference = np.abs(
        np.asarray(fit_picture(reduced, 64, fit), dtype=int) - np.asarray(fit_picture(whole, 64, fit), dtype=int)
    )
    assert difference.mean() < 1.5
    assert difference.max() < 25  # the rim: a reduced picture's last pixel stands for what was left of the whole one's


def test_a_reduced_picture_is_turned_and_keeps_its_colors() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode_picture(encoded(corners((640, 320)), "JPEG", exif=exif, quality=95), **LIMITS, side=16)
    assert image.size == (80, 160)
    assert corner_colors(image) == [BLUE, RED, YELLOW, GREEN]


def test_what_is_transparent_in_a_reduced_picture_becomes_white() -> None:
    clear = Image.new("RGBA", (640, 640), (0, 0, 0, 0))
    assert decode_picture(encoded(clear, "PNG"), **LIMITS, side=16).getpixel((5, 5)) == (255, 255, 255)


def test_a_picture_too_small_to_be_reduced_keeps_every_pixel() -> None:
    picture = noise((100, 90))
    assert decode_picture(encoded(picture, "PNG"), **LIMITS, side=64).tobytes() == picture.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_header_tells_the_size_of_a_file_whose_pixels_are_missing(kind: str) -> None:
    data = encoded(noise((640, 480)), kind)
    cut = data if kind == "WEBP" else data[:1000]  # libwebp opens nothing that is cut
    header = read_header(cut, **LIMITS)
    assert (header.format, header.width, header.height) == (kind, 640, 480)


def test_a_header_over_the_limit_is_refused_before_anything_is_decoded() -> None:
    with pytest.raises(InvalidPictureError) as caught:
        read_header(encoded(noise(), "PNG"), max_bytes=1_000_000, max_pixels=1000)
    assert (caught.value.reason, caught.value.field) == ("pixels", "picture")


MEASURE = """
import sys
from core.images import decode_picture, read_header
limits = {"max_bytes": 10**8, "max_pixels": 50_000_000}
def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
decode_picture(open(sys.argv[2], "rb").read(), **limits, side=64)  # what is loaded at the first use
data = open(sys.argv[1], "rb").read()
before, header = peak(), read_header(data, **limits)
decode_picture(data, **limits, side=64)
print((peak() - before) / header.cost)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process that was just started")
@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "I;16"), ("WEBP", "RGBA")])
def test_a_large_picture_takes_no_more_memory_than_its_cost_says(kind: str, mode: str, tmp_path: Path) -> None:
    """A flat PNG of 49 megapixels has 100 KB; decoding took 15 to 20 bytes a pixel once."""
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(encoded(Image.new(mode, (4000, 4000)), kind))
    small.write_bytes(encoded(Image.new(mode, (64, 64)), kind))
    command = [sys.executable, "-c", MEASURE, str(large), str(small)]
    measured = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert 0.5 < float(measured.stdout) < 6
