"""Contact sheets of pictures."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from pretrain.worlds import World


def sheet(pictures: Sequence[Image.Image], columns: int = 8, zoom: int = 2) -> Image.Image:
    """Return the pictures in rows, each enlarged `zoom` times."""
    side = pictures[0].width * zoom
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * side, rows * side), (255, 255, 255))
    for index, picture in enumerate(pictures):
        large = picture.resize((side, side), Image.Resampling.LANCZOS)
        page.paste(large, (index % columns * side, index // columns * side))
    return page


def contact_sheet(path: Path, world: World, count: int = 48, split: str = "development") -> None:
    """Write a sheet of a split's first scenes."""
    sheet([world.draw(world.scene(split, 2 * index))[0] for index in range(count)]).save(path)
