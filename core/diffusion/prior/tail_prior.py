"""A tail prior: a small network that guesses from one picture what a tail would add to any prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from core.diffusion.prior.encoders import encoder_of

_GAIN = 10.0  # what tails learn is several times as large as the vectors that it is added to
_METADATA = "tail_prior"


class PriorFileError(ValueError):
    """A file holds no tail prior, or one that does not fit its backbone."""


class TailPrior(nn.Module):
    """Guesses the residual of a tail, (n, D), from a picture: what it adds to any prompt's last vectors.

    It is trained on pairs of pictures of one individual in two scenes, through the frozen backbone: the guess from one
    of them must help to denoise the other under that one's own plain prompt. So it knows what in a picture belongs to
    the individual and what to the scene, which no optimization on a single picture can find out. (Encoder-based
    tuning, Gal et al. 2023, arXiv 2302.12228; there the encoder writes a word and needs the UNet's weights tuned, too.)
    """

    def __init__(  # noqa: PLR0917 - the shape, as in its file
        self, size: int, widths: tuple[int, ...], features: int, positions: int, width: int, looking: bool = False
    ) -> None:
        """See `PictureEncoder` for the first three; `looking` takes a `LookingEncoder` in its place."""
        super().__init__()
        self.config: dict[str, Any] = {
            "size": size, "widths": list(widths), "features": features, "positions": positions, "width": width,
        }  # fmt: skip
        if looking:
            self.config["looking"] = True
        self.size, self.positions, self.width = size, positions, width
        self.encoder = encoder_of(size, widths, features, looking)
        inner = 512
        self.head = nn.Sequential(
            nn.LayerNorm(features), nn.Linear(features, inner), nn.SiLU(), nn.Linear(inner, inner), nn.SiLU()
        )
        self.out = nn.Linear(inner, positions * width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, 3, H, W) in -1..1, of any size. Returns residuals (B, n, D)."""
        if images.shape[-1] != self.size:
            images = functional.interpolate(images, (self.size, self.size), mode="area")
        return self.guess(self.encoder(images))

    def guess(self, seen: Tensor) -> Tensor:
        """Return the residuals (B, n, D) of what the encoder saw in pictures, (B, features)."""
        tails: Tensor = _GAIN * self.out(self.head(seen))
        return tails.view(len(seen), self.positions, self.width)


def save_prior(prior: TailPrior, path: Path) -> None:
    """Write a prior in float16, its shape in the file's metadata."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in prior.state_dict().items()}
    save_file(tensors, path, {_METADATA: json.dumps(prior.config)})
    path.chmod(0o644)


def load_prior(path: Path) -> TailPrior:
    """Return the prior in a file, frozen, float32. Raises PriorFileError."""
    try:
        with safe_open(path, "pt") as file:
            config = json.loads((file.metadata() or {})[_METADATA])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - it is no mapping
        prior = TailPrior(**{**config, "widths": tuple(config["widths"])})
        prior.load_state_dict(tensors)
    except Exception as error:
        raise PriorFileError(f"{path.name} holds no tail prior: {error!r}") from error
    return prior.eval().requires_grad_(False)
