"""Draws the backgrounds: each place in colors of its setting, what stands about never quite the same."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from pretrain.menagerie.colors import Rgb, contrasting, light, mixed, shade
from pretrain.menagerie.drawing.curves import Point, Points, ellipse, limb, spline
from pretrain.menagerie.drawing.pen import SIZE, SUPER
from pretrain.menagerie.scenes import Setting

SIDE = SIZE * SUPER


class Canvas:
    """A background in the making; coordinates are pixels of the finished picture."""

    def __init__(self, setting: Setting) -> None:
        self.rng = random.Random(setting.decor)
        self.sky, self.floor = setting.sky, setting.floor
        self.horizon = setting.feet - self.rng.uniform(14, 42)
        self.image = self._heaven(setting)
        self._draw = ImageDraw.Draw(self.image)

    def _heaven(self, setting: Setting) -> Image.Image:
        if not setting.gradient:
            return Image.new("RGB", (SIDE, SIDE), self.sky)
        other = contrasting((self.sky,), self.rng)
        if setting.place != "plain":
            other = mixed((255, 255, 255) if light(self.sky) > 0.5 else (90, 60, 130), other, 0.3)
        share = np.linspace(0, 1, 24)[:, None] * setting.gradient
        if setting.place == "plain" and self.rng.random() < 0.5:
            rows, columns = np.mgrid[-1:1:24j, -1:1:24j]
            share = np.hypot(rows, columns) * 0.7 * setting.gradient
        colors = np.array(self.sky) * (1 - share[..., None]) + np.array(other) * share[..., None]
        small = Image.fromarray(np.clip(colors, 0, 255).astype(np.uint8))
        return small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)

    def shape(self, points: Points, color: Rgb) -> None:
        """Draw a filled polygon."""
        self._draw.polygon((np.asarray(points) * SUPER).ravel().tolist(), fill=color)

    def box(self, left: float, top: float, right: float, bottom: float, color: Rgb) -> None:
        """Draw a filled rectangle."""
        self._draw.rectangle([left * SUPER, top * SUPER, right * SUPER, bottom * SUPER], fill=color)

    def oval(self, x: float, y: float, along: float, across: float, color: Rgb) -> None:
        """Draw a filled ellipse."""
        box = [(x - along) * SUPER, (y - across) * SUPER, (x + along) * SUPER, (y + across) * SUPER]
        self._draw.ellipse(box, fill=color)

    def stroke(self, points: list[Point], half: float, color: Rgb) -> None:
        """Draw a thick line with round ends."""
        self.shape(limb(np.array(points), (half, half)), color)

    def ground(self) -> None:
        """Draw the floor from the horizon down: level, or in a gentle curve."""
        bend = self.rng.choice((0.0, self.rng.uniform(-7, 7)))
        line = spline(np.array([(0, self.horizon + bend), (64, self.horizon - bend), (128, self.horizon + bend)]), 8)
        self.shape(np.concatenate([line, [(128, 128), (0, 128)]]), self.floor)

    def places(self, count: int) -> list[float]:
        """Return where `count` things stand, left and right of the middle in turn."""
        sides = [self.rng.uniform(2, 30), self.rng.uniform(98, 126)]
        self.rng.shuffle(sides)
        return [sides[index % 2] + self.rng.uniform(-4, 4) for index in range(count)]


def _sun(canvas: Canvas) -> None:
    x = canvas.places(1)[0]
    canvas.oval(x, canvas.rng.uniform(12, 26), 9, 9, mixed((255, 236, 130), canvas.sky, 0.1))


def _clouds(canvas: Canvas) -> None:
    color = mixed((255, 255, 255), canvas.sky, 0.15)
    for _ in range(canvas.rng.randrange(1, 3)):
        x, y, size = canvas.rng.uniform(8, 120), canvas.rng.uniform(8, 30), canvas.rng.uniform(5, 8)
        for shift, scale in ((-1.3, 0.75), (0, 1.1), (1.3, 0.8)):
            canvas.oval(x + shift * size, y, size * scale * 1.2, size * scale, color)


def _meadow(canvas: Canvas) -> None:
    canvas.rng.choice((_sun, _clouds))(canvas)
    hill = mixed(canvas.floor, canvas.sky, 0.3)
    canvas.oval(canvas.rng.uniform(10, 118), canvas.horizon + 8, canvas.rng.uniform(40, 70), 26, hill)
    canvas.ground()
    petal = contrasting((canvas.floor,), canvas.rng)
    for _ in range(canvas.rng.randrange(2, 6)):
        x, y = canvas.rng.uniform(3, 125), canvas.rng.uniform(canvas.horizon + 8, 126)
        canvas.oval(x, y, 2.6, 2.6, petal)
        canvas.oval(x, y, 1.1, 1.1, (250, 220, 90))


def _beach(canvas: Canvas) -> None:
    sea = mixed((40, 130, 205), canvas.sky, 0.2)
    top = canvas.horizon - canvas.rng.uniform(22, 34)
    canvas.box(0, top, SIZE, canvas.horizon + 8, sea)
    canvas.box(0, canvas.horizon - 5, SIZE, canvas.horizon + 8, mixed(sea, (255, 255, 255), 0.5))
    canvas.ground()
    x = canvas.places(1)[0]
    if canvas.rng.random() < 0.5:  # a parasol, or a palm
        canvas.stroke([(x, canvas.horizon + 4), (x, 30)], 1.6, (250, 250, 246))
        cloth = contrasting((canvas.sky, (250, 250, 246)), canvas.rng)
        dome = ellipse((x, 34), 26, 22)
        canvas.shape(dome[dome[:, 1] <= 34.1], cloth)
        stripe = ellipse((x, 34), 9, 22)
        canvas.shape(stripe[stripe[:, 1] <= 34.1], (252, 250, 244))
    else:
        canvas.stroke([(x, canvas.horizon + 6), (x + 3, 55), (x, 26)], 2.6, (140, 98, 62))
        for angle in (-2.9, -2.2, -0.9, -0.2, 0.3, 2.8):
            canvas.shape(ellipse((x + 12 * np.cos(angle), 26 + 9 * np.sin(angle)), 13, 4, angle), (62, 150, 78))


def _firs(canvas: Canvas, color: Rgb, tip: Rgb | None) -> None:
    for x in canvas.places(canvas.rng.randrange(2, 5)):
        foot, half = canvas.horizon + canvas.rng.uniform(2, 8), canvas.rng.uniform(11, 16)
        tall = canvas.rng.uniform(42, 66)
        for level in (0.0, 0.33, 0.62):
            low, wide = foot - level * tall, half * (1 - 0.55 * level)
            high = low - 0.5 * tall
            canvas.shape(np.array([(x - wide, low), (x + wide, low), (x, high)]), color)
            if tip:
                peak = np.array([(x - wide * 0.4, high + 0.2 * tall), (x + wide * 0.4, high + 0.2 * tall), (x, high)])
                canvas.shape(peak, tip)


def _snow(canvas: Canvas) -> None:
    _firs(canvas, mixed((58, 112, 98), canvas.sky, 0.15), (250, 252, 255))
    canvas.ground()
    for _ in range(canvas.rng.randrange(8, 16)):
        canvas.oval(canvas.rng.uniform(2, 126), canvas.rng.uniform(2, canvas.horizon), 1.9, 1.9, (252, 253, 255))


def _night(canvas: Canvas) -> None:
    canvas.image.paste(Image.eval(canvas.image, lambda value: round(value * 0.42 + 6)))
    canvas.floor = shade(canvas.floor, 0.55)
    x, y = canvas.places(1)[0], canvas.rng.uniform(14, 26)
    canvas.oval(x, y, 12, 12, (252, 244, 196))
    if canvas.rng.random() < 0.6:
        canvas.oval(x + 5, y - 3, 10.5, 10.5, shade(canvas.sky, 0.42))
    for _ in range(canvas.rng.randrange(7, 13)):
        canvas.oval(canvas.rng.uniform(3, 125), canvas.rng.uniform(3, canvas.horizon - 4), 1.5, 1.5, (252, 246, 196))
    canvas.ground()


def _city(canvas: Canvas) -> None:
    left = -canvas.rng.uniform(0, 14)
    while left < SIZE:
        width, top = canvas.rng.uniform(20, 34), canvas.rng.uniform(10, 48)
        wall = mixed(contrasting((canvas.sky,), canvas.rng), (150, 140, 144), 0.55)
        canvas.box(left, top, left + width - 1.5, canvas.horizon + 8, wall)
        pane = (252, 232, 150) if light(wall) < 0.75 else (90, 110, 140)
        for row in range(round(top) + 6, round(canvas.horizon) - 4, 13):
            for column in (0.25, 0.68):
                canvas.box(left + width * column - 2.8, row, left + width * column + 2.8, row + 6, pane)
        left += width + canvas.rng.choice((0.0, 5.0))
    canvas.ground()
    for x in range(round(canvas.rng.uniform(-12, 4)), SIZE, 36):
        canvas.box(x, 122, x + 20, 125.5, mixed((250, 230, 110), canvas.floor, 0.15))


def _desert(canvas: Canvas) -> None:
    if canvas.rng.random() < 0.6:
        _sun(canvas)
    dune = mixed(canvas.floor, (150, 90, 50), 0.2)
    canvas.oval(canvas.rng.uniform(0, 128), canvas.horizon + 10, canvas.rng.uniform(50, 80), 30, dune)
    canvas.ground()
    green = mixed((70, 142, 76), canvas.sky, 0.1)
    for x in canvas.places(canvas.rng.randrange(1, 3)):
        foot, tall = canvas.horizon + canvas.rng.uniform(2, 10), canvas.rng.uniform(40, 62)
        canvas.stroke([(x, foot), (x, foot - tall)], 5, green)
        for way, height in ((-1, 0.45), (1, 0.6)):
            y = foot - height * tall
            canvas.stroke([(x, y), (x + way * 10, y - 1), (x + way * 11, y - 14)], 3.2, green)


def _forest(canvas: Canvas) -> None:
    leaves = mixed((58, 132, 70), canvas.sky, 0.12)
    for x in (*canvas.places(canvas.rng.randrange(2, 5)), canvas.rng.uniform(40, 90)):
        half = canvas.rng.uniform(4, 7)
        canvas.box(x - half, 14, x + half, canvas.horizon + canvas.rng.uniform(2, 9), (112, 80, 56))
        tone = shade(leaves, canvas.rng.uniform(0.85, 1.12))
        for shift in (-14, 0, 14):
            canvas.oval(x + shift, canvas.rng.uniform(6, 20), 16, 14, tone)
    canvas.ground()


def _room(canvas: Canvas) -> None:
    x = canvas.places(1)[0]
    canvas.box(x - 22, 12, x + 22, 56, (252, 252, 248))
    view = contrasting((canvas.sky, (252, 252, 248)), canvas.rng)
    for left in (x - 18, x + 2):
        canvas.box(left, 16, left + 16, 52, mixed((160, 212, 246), view, 0.2))
    other = canvas.places(2)[1]
    frame = contrasting((canvas.sky,), canvas.rng)
    if abs(other - x) > 50:
        canvas.box(other - 12, 20, other + 12, 44, frame)
        canvas.box(other - 9, 23, other + 9, 41, mixed(frame, (255, 255, 255), 0.65))
    canvas.ground()
    canvas.box(0, canvas.horizon - 3, SIZE, canvas.horizon + 2, mixed((252, 248, 240), canvas.floor, 0.2))
    if canvas.rng.random() < 0.7:
        canvas.oval(64, 117, 58, 10, contrasting((canvas.floor,), canvas.rng))


def _plain(canvas: Canvas) -> None:
    if canvas.rng.random() < 0.35:
        canvas.ground()


_PLACES: dict[str, Callable[[Canvas], None]] = {
    "meadow": _meadow, "beach": _beach, "snow": _snow, "night": _night, "city": _city, "desert": _desert,
    "forest": _forest, "room": _room, "plain": _plain,
}  # fmt: skip


def background(setting: Setting) -> Image.Image:
    """Return the place without an animal, supersampled."""
    canvas = Canvas(setting)
    _PLACES[setting.place](canvas)
    return canvas.image
