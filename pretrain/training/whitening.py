"""Latents whose directions vary alike: a linear change of a trained VAE's latents, folded into its convolutions.

An autoencoder is free to put the picture's mean colors into some directions of its latents, which vary many times as
much as those that tell where an edge lies. The same noise covers both, so edges are decided in the last steps of a
denoising alone, which few steps of a training are about. A change of basis and scale costs next to no detail and makes
all of them appear at about the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pretrain.drawing.pictures import to_tensor
from pretrain.training.models import AutoencoderKL, Unet, UNet2DConditionModel, Vae
from pretrain.training.vae import open_vae, psnr
from pretrain.worlds import world_of

SOFTENED = 0.05  # variance added to each direction's own, so that those that hardly vary are not blown up to noise
_LOGVAR = -9.0  # of the encoder's posterior afterwards, the same for all: next to none
PICTURES = 160  # drawn to tell how latents vary
_TRIED = 32  # of them, whose round trips are measured
_FOLDED = ("encoder.conv_out", "quant_conv", "post_quant_conv", "decoder.conv_in")


@dataclass(frozen=True)
class Whitening:
    """New latents are `forth @ (scaled latents - mean)`: (channels, before), (before,); `back` (before, channels)."""

    mean: Tensor
    forth: Tensor
    back: Tensor


def whiten_model(folder: Path) -> None:
    """Make the latents of the VAE in a work folder white, and have its UNet read them, if there is one.

    Nothing is done with a VAE whose latents have as many channels as those of the folder's world. What was written with
    the former latents must be removed: *-latents.npy, unet.pt, decoder.pt, prior.pt.
    """
    vae, world = open_vae(folder), world_of(folder)
    channels = world.channels
    if vae.config.latent_channels == channels:
        return
    drawn = np.stack([np.asarray(world.draw(world.scene("pretraining", index))[0]) for index in range(PICTURES)])
    images = to_tensor(drawn)
    whitening = whitening_of(vae, images, channels)
    white = whitened_vae(vae, whitening)
    after, before = (psnr(each, images[:_TRIED]) for each in (white, vae))
    print(f"a round trip has {after:.2f} dB, before it had {before:.2f}", flush=True)
    if (folder / "unet").exists():
        unet = UNet2DConditionModel.from_pretrained(folder / "unet").float()
        if unet.config.in_channels != channels:
            adapted_unet(unet, whitening).save_pretrained(folder / "unet")
    white.save_pretrained(folder / "vae")


@torch.no_grad()
def whitening_of(vae: Vae, images: Tensor, channels: int) -> Whitening:
    """Return what makes the `channels` directions in which latents of images (B, 3, H, W) vary most vary alike.

    The others are left out: what they hold must be next to nothing, which a round trip's PSNR tells.
    """
    latents = torch.cat([vae.encode(some).latent_dist.mode() for some in torch.split(images, 16)])
    rows = (latents * vae.config.scaling_factor).movedim(1, -1).flatten(0, -2).double()
    if channels > rows.shape[1]:
        raise ValueError(f"the latents have {rows.shape[1]} channels, which can't become {channels}")
    variances, directions = torch.linalg.eigh(torch.cov(rows.T))
    variances, directions = variances.flip(0)[:channels], directions.flip(1)[:, :channels]
    spread = (variances + SOFTENED).sqrt()
    return Whitening(rows.mean(0).float(), (directions / spread).T.float(), (directions * spread).float())


@torch.no_grad()
def whitened_vae(vae: Vae, whitening: Whitening) -> Vae:
    """Return the same VAE with white latents, which need no scaling; what it decodes is the same but for the rest."""
    channels = len(whitening.forth)
    config = {**vae.config, "latent_channels": channels, "scaling_factor": 1.0}
    result = AutoencoderKL.from_config(config).to(vae.encoder.conv_out.weight.dtype)
    weights = vae.state_dict()
    for name in _FOLDED:
        del weights[f"{name}.weight"], weights[f"{name}.bias"]
    missing, unexpected = result.load_state_dict(weights, strict=False)
    if unexpected or {name.rpartition(".")[0] for name in missing} != set(_FOLDED):
        raise ValueError(f"not the VAE that this can make white: {[*missing, *unexpected]}")
    _fold_encoder(vae, result, whitening)
    _fold_decoder(vae, result, whitening)
    return result.eval().requires_grad_(False)


def _fold_encoder(vae: Vae, result: Vae, whitening: Whitening) -> None:
    channels, before = whitening.forth.shape
    quant = vae.quant_conv.weight[:before, :, 0, 0]
    forth = whitening.forth * vae.config.scaling_factor
    last, own = vae.encoder.conv_out, result.encoder.conv_out
    own.weight.zero_()
    own.weight[:channels] = torch.einsum("kb,bi,ichw->kchw", forth, quant, last.weight)
    own.bias[:channels] = forth @ (quant @ last.bias + vae.quant_conv.bias[:before]) - whitening.forth @ whitening.mean
    own.bias[channels:] = _LOGVAR
    _pass_on(result.quant_conv)


def _fold_decoder(vae: Vae, result: Vae, whitening: Whitening) -> None:
    """Read white latents as the former ones were read.

    What all places share lies in the span of the latents that are kept as far as it can, the rest in a bias: so the
    zeros around a picture stand for the same as before.
    """
    post, first = vae.post_quant_conv, vae.decoder.conv_in
    spread = post.weight[:, :, 0, 0] @ whitening.back / vae.config.scaling_factor
    constant = post.weight[:, :, 0, 0] @ whitening.mean / vae.config.scaling_factor + post.bias
    within = torch.linalg.lstsq(spread, constant[:, None]).solution[:, 0]
    result.decoder.conv_in.weight.copy_(torch.einsum("ocyx,ck->okyx", first.weight, spread))
    rest = constant - spread @ within
    result.decoder.conv_in.bias.copy_(first.bias + first.weight.sum((2, 3)) @ rest)
    _pass_on(result.post_quant_conv)
    result.post_quant_conv.bias.copy_(within)


def _pass_on(convolution: nn.Module) -> None:
    weight, bias = convolution.weight, convolution.bias
    weight.copy_(torch.eye(len(weight))[:, :, None, None])  # type: ignore[arg-type, operator]
    bias.zero_()  # type: ignore[operator]


@torch.no_grad()
def adapted_unet(unet: Unet, whitening: Whitening) -> Unet:
    """Return a UNet of the former latents that reads and writes white ones, a beginning for its further training.

    Only that: noise that is the same in all directions is not so in the former ones, and what the former mean adds
    depends on the timestep.
    """
    channels = len(whitening.forth)
    result = UNet2DConditionModel.from_config({**unet.config, "in_channels": channels, "out_channels": channels})
    weights = unet.state_dict()
    weights["conv_in.weight"] = torch.einsum("ocyx,ck->okyx", weights["conv_in.weight"].float(), whitening.back)
    weights["conv_out.weight"] = torch.einsum("kc,ciyx->kiyx", whitening.forth, weights["conv_out.weight"].float())
    weights["conv_out.bias"] = whitening.forth @ weights["conv_out.bias"].float()
    result.load_state_dict(weights)
    return result
