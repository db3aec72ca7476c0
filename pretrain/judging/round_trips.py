"""What the VAE makes of drawings: judges also see these, as edits come through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pretrain.drawing.pictures import open_pictures, to_bytes, to_tensor
from pretrain.training.vae import open_vae

ROUND_TRIPS = 2000


@torch.no_grad()
def round_trips(folder: Path) -> NDArray[np.uint8]:
    """Return what the VAE makes of the first drawings, (N, size, size, 3): made once and kept beside them."""
    path = folder / "round-trips.npy"
    if not path.exists():
        pictures, vae = open_pictures(folder, "pretraining"), open_vae(folder)
        count, found = min(ROUND_TRIPS, len(pictures)), []
        for first in range(0, count, 20):
            images = to_tensor(pictures.images[first : min(first + 20, count)])
            found.append(to_bytes(vae.decode(vae.encode(images).latent_dist.mode()).sample))
        np.save(path, np.concatenate(found))
    decoded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return decoded
