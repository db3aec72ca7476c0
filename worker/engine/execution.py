"""How a batch of requests of one kind runs on a backbone. Every result is a float32 (or float64) tensor on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from core.diffusion.conditioning import Conditioning
from core.diffusion.requests import (
    AdamStep,
    DecodeLatents,
    EncodeImage,
    EncodePrompt,
    GuessTail,
    LossAndGrad,
    NoiseLoss,
    PredictNoise,
    Request,
)
from core.diffusion.stack import stack_conditioning
from worker.engine.adam import adam_steps

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone


def execute(backbone: Backbone, requests: Sequence[Request], bucket: int) -> list[Any]:
    """Run requests of one group as one call of `bucket` rows, the last one repeated; returns a result per request."""
    padded = [*requests, *[requests[-1]] * (bucket - len(requests))]
    return _EXECUTORS[type(requests[0])](backbone, padded)[: len(requests)]


@torch.no_grad()
def _predict_noise(backbone: Backbone, requests: Sequence[PredictNoise]) -> list[Tensor]:
    latents = _stack([request.latents for request in requests])
    conditioning = stack_conditioning([request.conditioning for request in requests])
    return _rows(backbone.predict(latents, _timesteps(requests), conditioning))


def _noise_loss(backbone: Backbone, requests: Sequence[NoiseLoss]) -> list[LossAndGrad]:
    """Return each row's loss and gradient; the losses are summed, so that a row's gradient knows of no other row.

    In fp16 the loss is scaled by C·h·w, without which most of the gradient would be too small for the format.
    """
    latents = _stack([request.noisy_latents for request in requests])
    target = _stack([request.target for request in requests])
    conditioning = stack_conditioning([request.conditioning for request in requests])
    sequence = conditioning.sequence.detach().requires_grad_()
    with torch.enable_grad():
        prediction = backbone.predict(latents, _timesteps(requests), replace(conditioning, sequence=sequence))
        prediction = _widen(prediction)
        losses = (prediction - target.to(prediction)).square().flatten(1).mean(1)
        scale = latents[0].numel() if backbone.dtype == torch.float16 else 1
        (grad,) = torch.autograd.grad((losses * scale).sum(), sequence)
    grad = (_widen(grad) / scale).cpu()
    losses = losses.detach().cpu()
    wanted = any(request.with_prediction for request in requests)
    predictions = prediction.detach().cpu() if wanted else None
    finite = losses.isfinite() & grad.isfinite().flatten(1).all(1)
    return [
        LossAndGrad(
            float(loss),
            row.clone() if good else torch.zeros_like(row),
            bool(good),
            predictions[i].clone() if predictions is not None and request.with_prediction else None,
        )
        for i, (request, loss, row, good) in enumerate(zip(requests, losses, grad, finite, strict=True))
    ]


def _adam_step(_: Backbone, requests: Sequence[AdamStep]) -> list[Any]:
    return list(adam_steps(requests))


@torch.no_grad()
def _encode_prompt(backbone: Backbone, requests: Sequence[EncodePrompt]) -> list[Conditioning]:
    rows = backbone.encode_prompt([request.text for request in requests])
    return [_map(row, lambda tensor: _widen(tensor.detach()).cpu().clone()) for row in rows]


@torch.no_grad()
def _encode_image(backbone: Backbone, requests: Sequence[EncodeImage]) -> list[tuple[Tensor, Tensor]]:
    mean, std = backbone.encode_image(_stack([request.image for request in requests]))
    return list(zip(_rows(mean), _rows(std), strict=True))


@torch.no_grad()
def _guess_tail(backbone: Backbone, requests: Sequence[GuessTail]) -> list[Tensor]:
    return _rows(backbone.guess_tails(_stack([request.image for request in requests])))


@torch.no_grad()
def _decode_latents(backbone: Backbone, requests: Sequence[DecodeLatents]) -> list[Tensor]:
    return _rows(backbone.decode_latents(_stack([request.latents for request in requests])))


_EXECUTORS: Mapping[type[Request], Callable[[Backbone, Sequence[Any]], list[Any]]] = {
    PredictNoise: _predict_noise,
    NoiseLoss: _noise_loss,
    AdamStep: _adam_step,
    EncodePrompt: _encode_prompt,
    EncodeImage: _encode_image,
    GuessTail: _guess_tail,
    DecodeLatents: _decode_latents,
}


def _stack(rows: Sequence[Tensor]) -> Tensor:
    """Return rows (…) as one batch (B, …); the backbone moves it to its device."""
    return torch.stack([row.detach() for row in rows])


def _timesteps(requests: Sequence[PredictNoise] | Sequence[NoiseLoss]) -> Tensor:
    return torch.tensor([request.timestep for request in requests], dtype=torch.long)


def _map(row: Conditioning, change: Callable[[Tensor], Tensor]) -> Conditioning:
    pooled = None if row.pooled is None else change(row.pooled)
    extras = {name: change(value) for name, value in row.extras.items()}
    return replace(row, sequence=change(row.sequence), pooled=pooled, extras=extras)


def _rows(batch: Tensor) -> list[Tensor]:
    """Return a batch (B, …) as rows on the CPU that own their memory."""
    return [row.clone() for row in _widen(batch).cpu()]


def _widen(tensor: Tensor) -> Tensor:
    """Return half-precision numbers in float32; float64, which only tests use, stays."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32)) if tensor.is_floating_point() else tensor
