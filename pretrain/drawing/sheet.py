"""Contact sheets of pictures."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from pretrain.drawing.pen import SIZE
from pretrain.drawing.render import render
from pretrain.drawing.scenes import random_scene, split_seed


def sheet(pictures: Sequence[Image.Image], columns: int = 8, zoom: int = 2) -> Image.Image:
    """Return the pictures in rows, each enlarged `zoom` times."""
    side = SIZE * zoom
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * side, rows * side), (255, 255, 255))
    for index, picture in enumerate(pictures):
        large = picture.resize((side, side), Image.Resampling.LANCZOS)
        page.paste(large, (index % columns * side, index // columns * side))
    return page


def contact_sheet(path: Path, count: int = 48, split: str = "development") -> None:
    """Write a sheet of a split's first scenes."""
    sheet([render(random_scene(split_seed(split, index))) for index in range(count)]).save(path)
