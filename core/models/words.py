"""Words that textual inversions have added to a model: one of several vectors stands for several tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping


def spelled_out(text: str, words: Mapping[str, int]) -> str:
    """Return a prompt with each added word of n vectors as its n tokens: `cat`, `cat_1`, `cat_2`; as diffusers does.

    As everywhere in a prompt, capitals make no difference.
    """
    for word, vectors in words.items():
        if vectors > 1:
            tokens = " ".join([word, *(f"{word}_{i}" for i in range(1, vectors))])
            text = tokens.join(re.split(re.escape(word), text, flags=re.IGNORECASE))
    return text
