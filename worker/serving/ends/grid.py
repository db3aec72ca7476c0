"""The pictures of a parameter sweep as one labelled picture."""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw, ImageFont

from core.models.sweeps import Sweep

MARGIN = 8
FONT_SIZE = 13
LINE = 16
ROW_LABEL = 168  # pixels beside a row
CHARS = 22  # of a label's line
MOST_LINES = 4
NAMES = {"prompt": "", "seed": "seed ", "tail_scale": "tail ", "guidance_scale": "guidance "}


def labelled_grid(sweep: Sweep, pictures: list[Image.Image]) -> Image.Image:
    """Return the pictures of a sweep's cells in rows, each row and column with the values that are its own."""
    columns, cells = sweep.columns(), sweep.cells()
    varied = [name for name, values in sweep.axes.items() if len(values) > 1]
    across, down = varied[-1:], varied[:-1]
    side_x, side_y = pictures[0].size
    chars = max(8, side_x // 8)
    left = MARGIN + (ROW_LABEL if down else 0)
    top = MARGIN + LINE * max(len(_lines(cell, across, chars)) for cell in cells[:columns])
    rows = len(pictures) // columns
    size = (left + columns * (side_x + MARGIN), top + MARGIN + rows * (side_y + MARGIN))
    grid = Image.new("RGB", size, "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        x, y = left + column * (side_x + MARGIN), top + MARGIN + row * (side_y + MARGIN)
        grid.paste(picture, (x, y))
        if row == 0:
            _write(grid, x, MARGIN, _lines(cells[index], across, chars))
        if column == 0:
            _write(grid, MARGIN, y, _lines(cells[index], down))
    return grid


def _lines(cell: dict[str, Any], names: list[str], chars: int = CHARS) -> list[str]:
    """Return a label, a value a line; a long prompt takes several."""
    lines: list[str] = []
    for name in names:
        line = ""
        for word in f"{NAMES[name]}{cell[name]}".split():
            if line and len(line) + 1 + len(word) > chars:
                lines.append(line)
                line = ""
            line = f"{line} {word}".strip()
        lines.append(line)
    return lines[:MOST_LINES]


def _write(grid: Image.Image, x: int, y: int, lines: list[str]) -> None:
    font = ImageFont.load_default(size=FONT_SIZE)
    for number, line in enumerate(lines):
        ImageDraw.Draw(grid).text((x, y + number * LINE), line, "black", font=font)
