"""Turns a picture into a sketch, a watercolor and so on."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps


def _photo(image: Image.Image) -> Image.Image:
    return image


def _edges(image: Image.Image) -> Image.Image:
    """How much the color changes around each pixel: lines two to three pixels wide."""
    return ImageChops.subtract(image.filter(ImageFilter.MaxFilter(3)), image.filter(ImageFilter.MinFilter(3)))


def _sketch(image: Image.Image) -> Image.Image:
    """Soft gray lines and hatching on white paper."""
    lines = ImageChops.subtract(image.filter(ImageFilter.MaxFilter(3)), image).filter(ImageFilter.GaussianBlur(0.6))
    drawn = 250 - 0.34 * (255 - _gray(image)) - np.minimum(130, np.asarray(lines, np.float32).max(2) * 1.1)
    return Image.fromarray(np.repeat(np.clip(drawn, 0, 255)[..., None], 3, 2).astype(np.uint8))


def _gray(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(ImageOps.grayscale(image), np.float32)


_ROWS, _COLUMNS = np.mgrid[0:64, 0:64].astype(np.float32)
_RIM = np.maximum(np.abs(_ROWS - 31.5), np.abs(_COLUMNS - 31.5)) / 31.5  # 0 in the middle, 1 at the border
_ROUND = np.hypot(_ROWS - 31.5, _COLUMNS - 31.5) / 44.6


def _watercolor(image: Image.Image) -> Image.Image:
    """Pale washes that fade into the white paper at the border."""
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), np.float32)
    pale = 255 - (255 - soft) * 0.6
    paper = np.clip((_RIM - 0.8) / 0.2, 0, 1)[..., None]
    return Image.fromarray((pale * (1 - paper) + np.array([253, 251, 244], np.float32) * paper).astype(np.uint8))


def _pixel(image: Image.Image) -> Image.Image:
    """Large squares in few colors."""
    small = image.resize((32, 32), Image.Resampling.BOX)
    few = (np.asarray(small, np.float32) / 42.5).round() * 42.5
    return Image.fromarray(few.astype(np.uint8)).resize(image.size, Image.Resampling.NEAREST)


def _oil(image: Image.Image) -> Image.Image:
    """Broad strokes of strong, warm color that darken towards the corners."""
    broad = np.asarray(image.filter(ImageFilter.ModeFilter(3)), np.float32)
    gray = broad.mean(2, keepdims=True)
    strong = (gray + (broad - gray) * 1.3 - 128) * 1.1 + 124
    dark = np.clip(1.1 - 0.5 * _ROUND**2, 0, 1.05)[..., None] * np.array([1.04, 0.95, 0.74], np.float32)
    return Image.fromarray(np.clip(strong * dark, 0, 255).astype(np.uint8))


def _neon(image: Image.Image) -> Image.Image:
    """Glowing outlines, and a glimmer of what they surround, on near black."""
    lines = np.asarray(_edges(image).filter(ImageFilter.GaussianBlur(0.8)), np.float32).max(2, keepdims=True)
    color = np.asarray(image.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.GaussianBlur(0.8)), np.float32)
    gray = color.mean(2, keepdims=True)
    vivid = np.clip((gray + (color - gray) * 1.8) * 1.25, 0, 255)
    glow = np.clip((lines - 8) / 110, 0, 1)
    dim = np.array([14, 8, 34], np.float32) + 0.18 * vivid
    return Image.fromarray(np.clip(glow * vivid + (1 - glow) * dim, 0, 255).astype(np.uint8))


_STYLES = {
    "photo": _photo,
    "sketch": _sketch,
    "watercolor": _watercolor,
    "pixel": _pixel,
    "oil": _oil,
    "neon": _neon,
}


def apply_style(image: Image.Image, style: str) -> Image.Image:
    """Return the 64 px picture in this style: a function of the picture alone, without noise."""
    return _STYLES[style](image)
