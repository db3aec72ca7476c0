"""One frozen pipeline: text encoders, VAE, UNet, noise schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.diffusion.checkpoints import Checkpoint
from core.diffusion.checkpoints.notes import notes_of
from core.diffusion.checkpoints.plan import LoadPlan, dtypes_for, plan_for
from core.diffusion.conditioning import Conditioning, TailSpec
from core.diffusion.prompts import PromptEncoder

MOST_SHAPES = 32  # compiled for one UNet; torch gives up, and calls it as it is, beyond


class Backbone:
    """One frozen pipeline of Stable Diffusion 1.x, 2.x or XL: text encoders, VAE, UNet and noise schedule.

    It has no state that a call could change. `dtype` is the UNet's; the text encoders and the VAE, which run once per
    job, are float32 whenever that is less (most VAEs overflow in float16; one that says it doesn't runs in it). Results
    are `row_dtype`: float32, or float64 on a float64 backbone.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        name: str,
        device: torch.device,
        dtype: torch.dtype,
        compiled: bool = False,
    ) -> None:
        self.name = name
        self.hash = checkpoint.hash()
        self.device = device
        self.dtype = dtype
        self.row_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        self.family = checkpoint.family
        self.schedule = checkpoint.schedule()
        parts = checkpoint.load(dtypes_for(checkpoint, dtype))
        self._prompts = PromptEncoder(parts, device, zero_for_no_prompt=checkpoint.configs.zero_for_no_prompt)
        self._vae = parts.vae.to(device)
        # on Apple's GPUs the layout brings nothing, and convolutions have been wrong in it
        self._layout = torch.contiguous_format if device.type == "mps" else torch.channels_last
        unet = parts.unet.to(device, memory_format=self._layout)
        self._unet = _compiled(unet) if compiled else unet
        prior = checkpoint.prior()
        self._prior = prior.to(device, self.row_dtype) if prior else None
        self.prior_sha256 = checkpoint.prior_hash()
        self.folder, self.notes = checkpoint.notes, notes_of(checkpoint)
        self.sequence_length = self._prompts.sequence_length
        self.width = self._prompts.width
        size: int = self._unet.config.sample_size
        self.latent_shape: tuple[int, int, int] = (self._unet.config.in_channels, size, size)
        self.pixels_per_latent: int = 2 ** (len(self._vae.config.block_out_channels) - 1)
        self.image_size = size * self.pixels_per_latent
        self._rms = self._prompts.rms()

    def latent_shape_of(self, width: int | None, height: int | None) -> tuple[int, int, int]:
        """Return the shape (C, h, w) of the latents of a picture; None is the model's own size."""
        channels, own_height, own_width = self.latent_shape
        factor = self.pixels_per_latent
        return channels, height // factor if height else own_height, width // factor if width else own_width

    def tail_spec(self, positions: int) -> TailSpec:
        """Return where a tail of n `positions` lies; ValueError unless BOS and EOS still fit before it."""
        most = self.sequence_length - 2
        if not 1 <= positions <= most:
            raise ValueError(f"positions is {positions}; it must be between 1 and {most}")
        return TailSpec(length=self.sequence_length, positions=positions, width=self.width, rms=self._rms)

    @property
    def words(self) -> dict[str, int]:
        """The words that textual inversions have added, with the number of their vectors."""
        return self._prompts.words

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has, with BOS and EOS, never truncated."""
        return self._prompts.count_tokens(text)

    @property
    def tokenizer_json(self) -> bytes:
        """A file for the `tokenizers` package that counts as `count_tokens` does, but for `words`."""
        return self._prompts.tokenizer_json

    @property
    def memory_bytes(self) -> int:
        """What the weights take on the device."""
        models = [*self._prompts.text_encoders, self._vae, self._unet, *([self._prior] if self._prior else [])]
        tensors = [t for model in models for t in (*model.parameters(), *model.buffers())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def encode_prompt(self, texts: Sequence[str]) -> list[Conditioning]:
        """Return each text's `prompt_embeds` (L, D) on the CPU; ValueError for a text of more than L tokens.

        The empty text's are those of a picture without a negative prompt, which may be zeros (XL).
        """
        return self._prompts.encode(texts)

    @torch.no_grad()
    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the VAE posterior of pictures (B, 3, H, W) in -1..1: mean and std, (B, C, h, w), scaled, on the CPU.

        H and W must be multiples of the VAE's factor (ValueError).
        """
        factor = self.pixels_per_latent
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] % factor or images.shape[3] % factor:
            raise ValueError(
                f"images are {tuple(images.shape)}; they must be (B, 3, H, W), H and W multiples of {factor}"
            )
        posterior = self._vae.encode(images.to(self.device, self._vae.dtype)).latent_dist
        scale, shift = self._scale_and_shift()
        mean, std = posterior.mean.to(self.row_dtype), posterior.std.to(self.row_dtype)
        return ((mean - shift) * scale).cpu(), (std * scale).cpu()

    @property
    def prior_positions(self) -> int:
        """How many vectors the model's tail prior guesses, 0 if the model has none."""
        return 0 if self._prior is None else self._prior.positions

    @torch.no_grad()
    def guess_tails(self, images: Tensor) -> Tensor:
        """Return what the prior says that tails of pictures (B, 3, H, W) in -1..1 add to any prompt, (B, n, D).

        ValueError when the model has no prior.
        """
        if self._prior is None:
            raise ValueError(f"{self.name} has no tail prior")
        guessed: Tensor = self._prior(images.to(self.device, self.row_dtype))
        return guessed.cpu()

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """Return the UNet's output for a batch, (B, C, h, w) in `row_dtype` on the device.

        `latents` are (B, C, h, w), `timesteps` (B,), `conditioning.sequence` (B, L, D), on any device. Differentiable
        with respect to latents and sequence; the weights take no gradient. XL's time ids (B, 6) are those of a whole
        picture of the latents' size, unless the conditioning's extras have others (`time_ids`).
        """
        output: Tensor = self._unet(
            latents.to(self.device, self.dtype, memory_format=self._layout),
            timesteps.to(self.device),
            encoder_hidden_states=conditioning.sequence.to(self.device, self.dtype),
            added_cond_kwargs=self._beside(latents, conditioning),
            return_dict=False,
        )[0]
        return output.to(self.row_dtype).contiguous()

    @torch.no_grad()
    def decode_latents(self, latents: Tensor) -> Tensor:
        """Return the pictures (B, 3, H, W) in -1..1 of scaled latents (B, C, h, w), on the CPU."""
        scale, shift = self._scale_and_shift()
        unscaled = latents.to(self.device, self.row_dtype) / scale + shift
        decoded: Tensor = self._vae.decode(unscaled.to(self._vae.dtype), return_dict=False)[0]
        return decoded.to(self.row_dtype).clamp(-1.0, 1.0).cpu()

    def _beside(self, latents: Tensor, conditioning: Conditioning) -> dict[str, Tensor] | None:
        """Return what the UNet wants beside the sequence: of XL the pooled embeddings (B, P) and time ids (B, 6)."""
        if conditioning.pooled is None:
            return None
        height, width = (side * self.pixels_per_latent for side in latents.shape[-2:])
        whole = torch.tensor([[height, width, 0, 0, height, width]], dtype=self.row_dtype).expand(len(latents), 6)
        return {
            "text_embeds": conditioning.pooled.to(self.device, self.dtype),
            "time_ids": conditioning.extras.get("time_ids", whole).to(self.device),
        }

    def _scale_and_shift(self) -> tuple[float, float]:
        return self._vae.config.scaling_factor, self._vae.config.get("shift_factor") or 0.0


def load_backbone(
    location: str,
    *,
    name: str,
    device: str = "auto",
    dtype: str = "auto",
    compiled: bool = False,
    cache_dir: Path | None = None,
    told: Callable[[LoadPlan], None] = lambda _: None,
) -> Backbone:
    """Load the checkpoint in a folder (diffusers' layout) or single file, or of a hub name, with what is merged in.

    `device` is `auto` (CUDA, else Apple's GPU, else the CPU) or what torch takes; `dtype` `auto` (float32 on the CPU,
    on a GPU bfloat16, or float16 where that lacks it), `float32`, `float16`, `bfloat16` or `float64`. A `compiled` UNet
    compiles itself at the first call of every batch size. `told` hears of the plan before anything is loaded.
    CheckpointError for everything that can't be loaded (ModelTooLargeError, before it is), DeviceMissingError for a GPU
    that can't be used.
    """
    plan = plan_for(location, device=device, dtype=dtype, cache_dir=cache_dir)
    told(plan)
    plan.check_fits()
    return Backbone(plan.checkpoint, name=name, device=plan.device, dtype=plan.dtypes.unet, compiled=compiled)


def _compiled(unet: Any) -> Any:
    """Return a UNet compiled for each shape that it meets: batches come in few sizes, with and without a gradient."""
    import torch._dynamo  # noqa: PLC0415 - takes more than a second, and few want it

    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_SHAPES)
    return torch.compile(unet, dynamic=False)
