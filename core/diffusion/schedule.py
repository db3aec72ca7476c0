"""The noise schedule: adding noise, the target, x0 and epsilon back from the model's output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import torch
from torch import Tensor

PredictionType: TypeAlias = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """A noise schedule: pure functions between latents, noise and what the model predicts of them.

    `alphas_cumprod` is (T,) in float64, falling with the timestep; `final_alpha_cumprod` stands for the clean end, the
    timestep before 0. All methods take a row (C, h, w) with an integer timestep, or a batch (B, C, h, w) with
    timesteps (B,), and keep the dtype and device of the latents. With a = sqrt(alpha_cumprod) and
    s = sqrt(1 - alpha_cumprod): x_t = a x_0 + s epsilon and v = a epsilon - s x_0 (Salimans and Ho, 2022).
    """

    alphas_cumprod: Tensor
    final_alpha_cumprod: float
    prediction_type: PredictionType
    steps_offset: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Schedule:
        """Make the schedule that a diffusers `scheduler_config.json` describes; ValueError if it isn't supported.

        What the file leaves out is as in Stable Diffusion 1.x: epsilon, `steps_offset` 1, `set_alpha_to_one` False.
        Only the noise schedule is taken from it: which sampler runs is each edit's own choice.
        """
        prediction_type = _prediction_type(config)
        if config.get("rescale_betas_zero_snr") and prediction_type == "epsilon":
            raise ValueError("scheduler_config.json: rescale_betas_zero_snr needs prediction_type 'v_prediction'")
        # float32 as in diffusers: these are the very values that the weights were trained with
        alphas_cumprod = torch.cumprod(1.0 - _betas(config), dim=0).double()
        if config.get("rescale_betas_zero_snr"):
            alphas_cumprod = _ending_in_noise(alphas_cumprod)
        if alphas_cumprod[-1] <= 0 and prediction_type == "epsilon":
            raise ValueError("scheduler_config.json: trained_betas end in noise alone, which can't be told by epsilon")
        one_at_end = bool(config.get("set_alpha_to_one", False))
        return cls(
            alphas_cumprod=alphas_cumprod,
            final_alpha_cumprod=1.0 if one_at_end else float(alphas_cumprod[0]),
            prediction_type=prediction_type,
            steps_offset=int(config.get("steps_offset", 1)),
        )

    @property
    def num_train_timesteps(self) -> int:
        """T, the number of timesteps; they count from 0 to T-1."""
        return self.alphas_cumprod.shape[0]

    @property
    def ends_in_noise(self) -> bool:
        """Whether the last timestep is noise without a trace of the picture (zero terminal SNR)."""
        return float(self.alphas_cumprod[-1]) == 0

    def alpha_cumprod(self, timestep: int) -> float:
        """Return the schedule's value at one timestep; below 0 lies the clean end."""
        return self.final_alpha_cumprod if timestep < 0 else float(self.alphas_cumprod[timestep])

    def add_noise(self, latents: Tensor, noise: Tensor, timestep: int | Tensor) -> Tensor:
        """Return x_t, the noisy latents of x_0 at the timestep, shaped like the latents."""
        a, s = self._scales(latents, timestep)
        return a * latents + s * noise

    def target(self, latents: Tensor, noise: Tensor, timestep: int | Tensor) -> Tensor:
        """Return what the model must predict of x_0 and its noise (epsilon or v), shaped like the latents."""
        if self.prediction_type == "epsilon":
            return noise
        a, s = self._scales(latents, timestep)
        return a * noise - s * latents

    def predict_x0(self, noisy_latents: Tensor, model_output: Tensor, timestep: int | Tensor) -> Tensor:
        """Return the x_0 that the model's output means, shaped like the latents."""
        a, s = self._scales(noisy_latents, timestep)
        if self.prediction_type == "epsilon":
            return (noisy_latents - s * model_output) / a
        return a * noisy_latents - s * model_output

    def predict_epsilon(self, noisy_latents: Tensor, model_output: Tensor, timestep: int | Tensor) -> Tensor:
        """Return the noise that the model's output means, shaped like the latents."""
        if self.prediction_type == "epsilon":
            return model_output
        a, s = self._scales(noisy_latents, timestep)
        return a * model_output + s * noisy_latents

    def _scales(self, latents: Tensor, timestep: int | Tensor) -> tuple[Tensor, Tensor]:
        """Return a and s, shaped to broadcast over the latents."""
        alpha = self.alphas_cumprod[torch.as_tensor(timestep, device=self.alphas_cumprod.device)]
        alpha = alpha.reshape(alpha.shape + (1,) * (latents.ndim - alpha.ndim))
        return alpha.sqrt().to(latents), (1.0 - alpha).sqrt().to(latents)


def _betas(config: Mapping[str, Any]) -> Tensor:
    """Return the variances (T,) in float32; ValueError for a schedule that isn't one of Stable Diffusion 1.x/2.x."""
    if config.get("thresholding"):
        raise ValueError("scheduler_config.json: thresholding=true isn't supported, only false is")
    if config.get("trained_betas") is not None:
        return torch.tensor(config["trained_betas"], dtype=torch.float32)
    start, end, steps = (config.get(field) for field in ("beta_start", "beta_end", "num_train_timesteps"))
    if start is None or end is None or steps is None:
        raise ValueError("scheduler_config.json needs beta_start, beta_end and num_train_timesteps, or trained_betas")
    match config.get("beta_schedule"):
        case "scaled_linear":
            return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float32) ** 2
        case "linear":
            return torch.linspace(start, end, steps, dtype=torch.float32)
        case other:
            raise ValueError(f"scheduler_config.json: beta_schedule={other!r} must be 'scaled_linear' or 'linear'")


def _ending_in_noise(alphas_cumprod: Tensor) -> Tensor:
    """Return a schedule (T,) stretched so that its last timestep is noise alone (Lin et al. 2023, algorithm 1)."""
    roots = alphas_cumprod.float().sqrt()
    stretched = (roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))
    # by way of the variances in float32, as diffusers does it
    squares = stretched.square()
    alphas = torch.cat([squares[:1], squares[1:] / squares[:-1]])
    rescaled = torch.cumprod(1.0 - (1.0 - alphas), dim=0).double()
    rescaled[-1] = 0.0  # which it is but for rounding
    return rescaled


def _prediction_type(config: Mapping[str, Any]) -> PredictionType:
    value = config.get("prediction_type", "epsilon")
    if value not in get_args(PredictionType):
        raise ValueError(f"scheduler_config.json: prediction_type={value!r} must be 'epsilon' or 'v_prediction'")
    return cast(PredictionType, value)
