"""What the VAE makes of drawings: judges also see these, as edits come through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pretrain.drawing.pictures import to_bytes, to_tensor
from pretrain.training.vae import open_vae

ROUND_TRIPS = 5000
ROUND_TRIPS_FILE = "round-trips.npy"


@torch.no_grad()
def round_trips(folder: Path, drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what the VAE makes of the first pictures drawn, (N, size, size, 3) both: made once and kept."""
    path = folder / ROUND_TRIPS_FILE
    if not path.exists():
        vae, count, found = open_vae(folder), min(ROUND_TRIPS, len(drawn)), []
        for first in range(0, count, 20):
            images = to_tensor(drawn[first : min(first + 20, count)])
            found.append(to_bytes(vae.decode(vae.encode(images).latent_dist.mode()).sample))
        np.save(path, np.concatenate(found))
    decoded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return decoded
