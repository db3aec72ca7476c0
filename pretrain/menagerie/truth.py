"""What a scene shows, as the judges are taught it: words as indices, looks and colors as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.colors import named
from pretrain.menagerie.individual import words_of
from pretrain.menagerie.looks import LOOKS
from pretrain.menagerie.names import color_as_numbers, colors_of
from pretrain.menagerie.scenes import Scene

UNKNOWN = -100  # what cross entropy leaves out
COLORS = ("coat", "second", "third", "iris", "wear")
NUMBERS = (*LOOKS, *(f"{color}_{axis}" for color in COLORS for axis in ("light", "red", "yellow")))
_GRAY = ("sketch",)  # styles without colors


@dataclass(frozen=True)
class Truth:
    """What B scenes show: words as indices (B, attributes), `NUMBERS` and whether each can be seen (B, numbers)."""

    words: Tensor
    numbers: Tensor
    seen: Tensor

    def rows(self, which: list[int]) -> Truth:
        """Return the truth of some of the scenes."""
        return Truth(self.words[which], self.numbers[which], self.seen[which])


def joined(*truths: Truth) -> Truth:
    """Return several truths as one."""
    return Truth(*(torch.cat([getattr(truth, part) for truth in truths]) for part in ("words", "numbers", "seen")))


def truth_of(scenes: list[Scene]) -> Truth:
    """Return what can be seen in scenes."""
    words = torch.tensor([_words(scene) for scene in scenes])
    rows = [_numbers(scene) for scene in scenes]
    numbers = torch.tensor([[value or 0.0 for value in row] for row in rows])
    return Truth(words, numbers, torch.tensor([[value is not None for value in row] for row in rows]))


def _words(scene: Scene) -> list[int]:
    who, setting = scene.who, scene.setting
    seen: dict[str, str | None] = {
        **words_of(who),
        "pose": setting.pose, "place": setting.place, "style": setting.style, "side": setting.side,
        "sky": None if setting.place == "night" else named(setting.sky),
    }  # fmt: skip
    unseen = {"second": not who.shows_second, "third": not who.shows_third, "wear_color": who.wear == "none"}
    for name in ("sky", "coat", "second", "third", "iris", "wear_color"):
        if setting.style in _GRAY or unseen.get(name):
            seen[name] = None
    return [UNKNOWN if (value := seen[name]) is None else values.index(value) for name, values in ATTRIBUTES.items()]


def _numbers(scene: Scene) -> list[float | None]:
    who = scene.who
    shown = set(who.shown)
    found: list[float | None] = [float(getattr(who.looks, look)) if look in shown else None for look in LOOKS]
    colors = colors_of(who)
    if (who.wear, who.cut) == ("glasses", 2):  # nobody sees behind these
        colors["iris"] = None
    for color in colors.values():
        if color is None or scene.setting.style in _GRAY:
            found += [None] * 3
        else:
            found += color_as_numbers(color)
    return found
