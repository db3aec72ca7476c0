"""Trains the UNet: what it learns beside its noise, what stands behind its captions, and names of individuals."""

from pretrain.training.unet.denoiser import Denoiser, misaligned, new_unet
from pretrain.training.unet.mixing import mix_tails
from pretrain.training.unet.names import TAIL, Names, hidden, open_names, save_names
from pretrain.training.unet.training import train_unet

__all__ = [
    "TAIL",
    "Denoiser",
    "Names",
    "hidden",
    "misaligned",
    "mix_tails",
    "new_unet",
    "open_names",
    "save_names",
    "train_unet",
]
