"""The method as its authors' code runs it, to time against: nothing is frozen, gradients of all weights are computed.

Written from the paper (Han et al. 2023) and from what is known of the code's habits: the optimizer holds only
the tail, so no weight ever changes, but backward goes through all of them; every hundred steps previews are sampled.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.sampling import guide, make_sampler
from core.models.parameters import EditParams, PersonalizeParams

PREVIEW_EVERY = 100
PREVIEWS = 2  # of 50 DDIM steps with guidance: about what a hundred steps of training cost


def reference_tail(
    backbone: Backbone,
    image: Tensor,
    prompt: str,
    params: PersonalizeParams,
    *,
    previews: bool,
    weights: list[Tensor],
    on_step: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Return the tail (n, D) of one picture (3, H, W) in -1..1.

    `weights` are the backbone's, which take gradients meanwhile, as in the authors' code.
    """
    mean, std = backbone.encode_image(image[None])
    latents = mean + std * torch.randn_like(std)
    conditioning = backbone.encode_prompt([prompt])[0]
    tail = conditioning.tail(params.positions).requires_grad_(True)
    optimizer = torch.optim.Adam([tail], lr=params.learning_rate)
    for weight in weights:
        weight.requires_grad_(True)
    for step in range(params.steps):
        noise = torch.randn_like(latents)
        timestep = int(torch.randint(1000, ()))
        noisy = backbone.schedule.add_noise(latents, noise, timestep)
        rows = Conditioning(conditioning.with_tail(tail).sequence[None])
        output = backbone.predict(noisy, torch.tensor([timestep]), rows)
        loss = functional.mse_loss(output, backbone.schedule.target(latents, noise, timestep))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if previews and (step + 1) % PREVIEW_EVERY == 0:
            for _ in range(PREVIEWS):
                preview(backbone, conditioning.with_tail(tail.detach()))
        on_step(step + 1)
    for weight in weights:
        weight.requires_grad_(False)
        weight.grad = None
    return tail.detach()


@torch.no_grad()
def preview(backbone: Backbone, conditioning: Conditioning) -> Tensor:
    """Return one picture (3, H, W) in -1..1 of the paper's 50 steps."""
    params = EditParams()
    sampler = make_sampler("ddim", backbone.schedule, params.num_inference_steps, None)
    latents, state = torch.randn(backbone.latent_shape), None
    empty = backbone.encode_prompt([""])[0]
    rows = Conditioning(torch.stack([conditioning.sequence, empty.sequence]))
    for i, timestep in enumerate(sampler.timesteps):
        cond, uncond = backbone.predict(torch.stack([latents, latents]), torch.tensor([timestep] * 2), rows)
        latents, state = sampler.step(i, latents, guide(uncond, cond, params.guidance_scale), state)
    return backbone.decode_latents(latents[None])[0]
