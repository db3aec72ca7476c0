"""A backbone of a few hundred weights in float64: small enough to prove the engine's logic to the last digits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from core.diffusion.conditioning import Conditioning

LENGTH, WIDTH, CHANNELS, SIZE = 6, 8, 4, 4


class TinyUNet(nn.Module):
    """One convolution and one cross-attention: every row is its own, and the sequence matters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(CHANNELS, WIDTH, 3, padding=1)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.time = nn.Linear(1, WIDTH)
        self.conv_out = nn.Conv2d(WIDTH, CHANNELS, 3, padding=1)

    def forward(self, latents: Tensor, timesteps: Tensor, sequence: Tensor) -> Tensor:
        """(B, C, h, w), (B,), (B, L, D) -> (B, C, h, w)."""
        hidden = self.conv_in(latents) + self.time(timesteps[:, None].to(latents) / 1000)[:, :, None, None]
        pixels = hidden.flatten(2).transpose(1, 2)
        scores = self.query(pixels) @ self.key(sequence).transpose(1, 2) / WIDTH**0.5
        pixels = pixels + scores.softmax(-1) @ self.value(sequence)
        out: Tensor = self.conv_out(torch.tanh(pixels.transpose(1, 2).reshape_as(hidden)))
        return out


class TinyBackbone:
    """The part of `Backbone` that the engine uses; `before_call(method, batch size)` runs ahead of every call."""

    name = "tiny"
    device = torch.device("cpu")
    prior_positions = 0

    def __init__(self, dtype: torch.dtype = torch.float64, seed: int = 0) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.unet = TinyUNet().to(dtype).requires_grad_(False)
        self.dtype = dtype
        self.hash = f"tiny-{seed}-{dtype}"
        self.memory_bytes = 1000
        self.calls: list[tuple[str, int]] = []
        self.before_call: Callable[[str, int], None] = lambda *_: None

    def _note(self, method: str, size: int) -> None:
        self.calls.append((method, size))
        self.before_call(method, size)

    def encode_prompt(self, texts: Sequence[str]) -> list[Conditioning]:
        """Return one random but fixed conditioning per text."""
        self._note("encode_prompt", len(texts))
        return [prompt(text, self.dtype) for text in texts]

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> mean and std (B, C, h, w)."""
        self._note("encode_image", len(images))
        mean = images.mean(1, keepdim=True).repeat(1, CHANNELS, 1, 1)
        return mean, mean.abs()

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """Return the noise prediction (B, C, h, w)."""
        self._note("predict", len(latents))
        sequence = conditioning.sequence.to(self.dtype)
        prediction: Tensor = self.unet(latents.to(self.dtype), timesteps, sequence)
        return prediction

    def decode_latents(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, h, w)."""
        self._note("decode_latents", len(latents))
        return latents[:, :3].tanh()

    def count(self, method: str = "predict") -> int:
        """Return how often a method was called."""
        return sum(called == method for called, _ in self.calls)


class Gate:
    """Stops a backbone at its next call until it is opened, so that a test can act at a known moment."""

    def __init__(self, backbone: TinyBackbone) -> None:
        self.reached = threading.Semaphore(0)
        self._pass = threading.Semaphore(0)
        self._open = False
        backbone.before_call = self._wait

    def _wait(self, *_: object) -> None:
        if not self._open:
            self.reached.release()
            assert self._pass.acquire(timeout=30)

    def wait(self) -> None:
        """Wait until the backbone stands at the gate."""
        assert self.reached.acquire(timeout=30)

    def let_one_pass(self) -> None:
        """Let the call that stands at the gate go on."""
        self._pass.release()

    def open(self) -> None:
        """Let this call and all later ones pass."""
        self._open = True
        self._pass.release()


def prompt(text: str, dtype: torch.dtype = torch.float64) -> Conditioning:
    """Return the conditioning that `TinyBackbone` encodes `text` as."""
    generator = torch.Generator().manual_seed(sum(text.encode()) + len(text))
    return Conditioning(torch.randn(LENGTH, WIDTH, generator=generator, dtype=dtype))
