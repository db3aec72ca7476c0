"""Previews as small JPEG pictures in data URIs, as they go to Redis and to clients."""

from __future__ import annotations

import base64
import io

from PIL import Image

from core.diffusion.files import to_image
from core.diffusion.learning.preview import Preview

LEAST_SIDE, MOST_SIDE = 64, 128
MOST_BYTES = 8192  # of the JPEG: Redis holds up to twenty of a job
QUALITIES = (85, 60, 30)


def as_data_uri(preview: Preview) -> str | None:
    """Return a preview as a data URI of a JPEG of 64 to 128 pixels a side; None if it can't be made small enough."""
    image = to_image(preview.image.detach().cpu())
    side = min(MOST_SIDE, max(LEAST_SIDE, image.width))
    image = image.resize((side, side), Image.Resampling.BICUBIC)
    for quality in QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= MOST_BYTES:
            return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return None
