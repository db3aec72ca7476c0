"""What a picture alone tells of the tail that it will have: encoders of pictures, and the tail prior."""

from core.diffusion.prior.encoders import (
    Looking,
    LookingEncoder,
    Parts,
    PictureEncoder,
    Residual,
    encoder_of,
    residual_encoder,
)
from core.diffusion.prior.tail_prior import PriorFileError, TailPrior, load_prior, save_prior

__all__ = [
    "Looking",
    "LookingEncoder",
    "Parts",
    "PictureEncoder",
    "PriorFileError",
    "Residual",
    "TailPrior",
    "encoder_of",
    "load_prior",
    "residual_encoder",
    "save_prior",
]
