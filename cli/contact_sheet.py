"""A contact sheet: pictures side by side, each with its prompt under it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

TILE = 256  # pixels a side
MARGIN = 16
LINE = 20
COLUMNS = 5
CAPTION_CHARS = 28
CAPTION_LINES = 3


@dataclass(frozen=True)
class Tile:
    """A picture and what is written under it."""

    image: Image.Image
    caption: str


def contact_sheet(tiles: list[Tile]) -> Image.Image:
    """Return the tiles in rows of five, each picture 256 px a side, on white."""
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    width, height = TILE + MARGIN, TILE + CAPTION_LINES * LINE + MARGIN
    sheet = Image.new("RGB", (columns * width + MARGIN, rows * height + MARGIN), "white")
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        _place(sheet, tile, MARGIN + column * width, MARGIN + row * height)
    return sheet


def _place(sheet: Image.Image, tile: Tile, x: int, y: int) -> None:
    sheet.paste(tile.image.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS), (x, y))
    font = ImageFont.load_default(size=16)
    lines = textwrap.wrap(tile.caption, CAPTION_CHARS)[:CAPTION_LINES]
    for number, line in enumerate(lines):
        ImageDraw.Draw(sheet).text((x, y + TILE + 4 + number * LINE), line, "black", font=font)
