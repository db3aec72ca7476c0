"""What can be told apart of an animal in a drawing: its parts, and the markings upon them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pretrain.drawing.pen import PARTS

# each detail, and which of the `PARTS` it is of
_PART_OF = {
    "background": "background",
    "body": "body", "neck": "body", "belly": "body", "bib": "body", "saddle": "body", "stripes": "body",
    "blot_front": "body", "blot_middle": "body", "blot_rear": "body",
    "head": "head", "mask": "head", "blaze": "head", "patch": "head",
    "ear_near": "ear", "ear_far": "ear",
    "muzzle": "face", "nose": "face", "eye_rear": "face", "eye_front": "face",
    "leg_front_near": "leg", "leg_front_far": "leg", "leg_rear_near": "leg", "leg_rear_far": "leg",
    "sock_front_near": "leg", "sock_front_far": "leg", "sock_rear_near": "leg", "sock_rear_far": "leg",
    "tail": "tail", "tip": "tail",
    "wear": "wear",
}  # fmt: skip
DETAILS = tuple(_PART_OF)
_TABLE = np.array([PARTS.index(part) for part in _PART_OF.values()], np.uint8)


def parts_of(details: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the parts, indices into `PARTS`, that details, indices into `DETAILS`, are of."""
    return _TABLE[details]
