"""The size of an edit's pictures: what a model can draw, and a server will."""

from __future__ import annotations

from core.errors import InvalidInputError
from core.models.info import ModelInfo
from core.models.parameters import EditParams

MOST_AREA = 1.5  # of the model's own: beyond that subjects are drawn twice, and a call needs too much memory


def check_size(info: ModelInfo, params: EditParams) -> None:
    """Refuse a width or height that the model can't draw, a picture too large, and other than its own with strength."""
    sides = {"width": params.width, "height": params.height}
    given = {name: side for name, side in sides.items() if side is not None and side != info.image_size}
    least, most = info.image_size // 2, info.image_size * 2
    for name, side in given.items():
        if not least <= side <= most or side % info.size_multiple:
            detail = (
                f"{name} is {side}; with {info.name} it must be {least} to {most}, in steps of {info.size_multiple}"
            )
            raise InvalidInputError(name, detail, limit=most)
        if params.strength is not None:
            detail = f"{name}: with strength a picture keeps its source's size, {info.image_size} pixels a side"
            raise InvalidInputError(name, detail)
    area = (params.width or info.image_size) * (params.height or info.image_size)
    limit = int(MOST_AREA * info.image_size**2)
    if area > limit:
        name = next(iter(given))
        raise InvalidInputError(name, f"{name}: width times height is {area}, over the limit of {limit}", limit=limit)
