"""Turns a picture into a sketch, a watercolor and so on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps

from pretrain.menagerie.drawing.pen import SIZE

Floats = NDArray[np.float32]

_ROWS, _COLUMNS = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
_MIDDLE = (SIZE - 1) / 2
_BORDER = np.maximum(np.abs(_ROWS - _MIDDLE), np.abs(_COLUMNS - _MIDDLE)) / _MIDDLE  # 0 in the middle, 1 at the border
_ROUND = np.hypot(_ROWS - _MIDDLE, _COLUMNS - _MIDDLE) / (_MIDDLE * 2**0.5)


def _picture(values: Floats) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _sketch(image: Image.Image) -> Image.Image:
    """Soft gray lines on white paper, areas toned a little."""
    lines = ImageChops.subtract(image.filter(ImageFilter.MaxFilter(5)), image).filter(ImageFilter.GaussianBlur(0.8))
    gray = np.asarray(ImageOps.grayscale(image), np.float32)
    drawn = 250 - 0.34 * (255 - gray) - np.minimum(130, np.asarray(lines, np.float32).max(2) * 1.1)
    return _picture(np.repeat(drawn[..., None], 3, 2))


def _watercolor(image: Image.Image) -> Image.Image:
    """Pale washes that fade into the white paper at the border."""
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2)), np.float32)
    pale = 255 - (255 - soft) * 0.62
    paper = np.clip((_BORDER - 0.84) / 0.16, 0, 1)[..., None]
    return _picture(pale * (1 - paper) + np.array([253, 251, 244], np.float32) * paper)


def _pixel(image: Image.Image) -> Image.Image:
    """Squares of four pixels in few colors."""
    small = np.asarray(image.reduce(4), np.float32)
    return _picture((small / 36.4).round() * 36.4).resize(image.size, Image.Resampling.NEAREST)


def _oil(image: Image.Image) -> Image.Image:
    """Broad strokes of strong, warm color that darken towards the corners."""
    broad = np.asarray(image.filter(ImageFilter.MedianFilter(5)), np.float32)
    gray = broad.mean(2, keepdims=True)
    strong = (gray + (broad - gray) * 1.3 - 128) * 1.1 + 124
    dark = np.clip(1.1 - 0.5 * _ROUND**2, 0, 1.05)[..., None] * np.array([1.04, 0.95, 0.76], np.float32)
    return _picture(strong * dark)


def _neon(image: Image.Image) -> Image.Image:
    """Glowing outlines, and a glimmer of what they surround, on near black."""
    edges = ImageChops.subtract(image.filter(ImageFilter.MaxFilter(3)), image.filter(ImageFilter.MinFilter(3)))
    lines = np.asarray(edges.filter(ImageFilter.GaussianBlur(1.2)), np.float32).max(2, keepdims=True)
    color = np.asarray(image.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(1.5)), np.float32)
    gray = color.mean(2, keepdims=True)
    vivid = np.clip((gray + (color - gray) * 1.8) * 1.25, 0, 255)
    glow = np.clip((lines - 8) / 80, 0, 1)
    return _picture(glow * vivid + (1 - glow) * (np.array([14, 8, 34], np.float32) + 0.2 * vivid))


_STYLES = {"sketch": _sketch, "watercolor": _watercolor, "pixel": _pixel, "oil": _oil, "neon": _neon}


def apply_style(image: Image.Image, style: str) -> Image.Image:
    """Return the 128 px picture in this style: a function of the picture alone, without noise."""
    return image if style == "photo" else _STYLES[style](image)
