"""White latents: every direction varies alike, and nothing else has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pretrain.drawing.pictures import draw_pictures
from pretrain.training import whitening
from pretrain.training.models import Unet, UNet2DConditionModel, Vae
from pretrain.training.trainer import Budget
from pretrain.training.unet import new_unet
from pretrain.training.vae import new_vae, open_vae, train_vae
from pretrain.training.whitening import SOFTENED, Whitening, adapted_unet, whiten_model, whitened_vae, whitening_of
from pretrain.worlds import MENAGERIE, choose_world

BEFORE = 16


@pytest.fixture(scope="module")
def vae() -> Vae:
    """A VAE whose latents vary more in some directions than in others, around a mean."""
    torch.manual_seed(1)
    found = new_vae(MENAGERIE).eval().requires_grad_(False)
    found.quant_conv.weight[:BEFORE] *= torch.linspace(3, 0.2, BEFORE)[:, None, None, None]
    found.quant_conv.bias[:BEFORE] = torch.randn(BEFORE)
    found.register_to_config(scaling_factor=0.8)
    return found


@pytest.fixture(scope="module")
def images() -> Tensor:
    rough = torch.randn(20, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    return functional.interpolate(rough, size=(128, 128), mode="bilinear").clamp(-1, 1)


def former(vae: Vae, images: Tensor) -> Tensor:
    latents: Tensor = vae.encode(images).latent_dist.mode() * vae.config.scaling_factor
    return latents


def made_white(whitening: Whitening, latents: Tensor) -> Tensor:
    return torch.einsum("kc,bchw->bkhw", whitening.forth, latents - whitening.mean[:, None, None])


def test_every_direction_varies_alike_and_the_mean_is_zero(vae: Vae, images: Tensor) -> None:
    before = former(vae, images)
    variances = torch.linalg.eigvalsh(torch.cov(before.transpose(0, 1).flatten(1))).flip(0)
    found = whitening_of(vae, images, 10)
    latents = whitened_vae(vae, found).encode(images).latent_dist.mode()
    assert latents.shape == (20, 10, 16, 16)
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(10), atol=1e-3, rtol=0)
    covariance = torch.cov(latents.transpose(0, 1).flatten(1))
    torch.testing.assert_close(covariance.diagonal(), variances[:10] / (variances[:10] + SOFTENED), atol=1e-3, rtol=0)
    assert (covariance - covariance.diagonal().diag()).abs().max() < 1e-3
    torch.testing.assert_close(latents, made_white(found, before), atol=1e-3, rtol=1e-3)


def test_nothing_is_lost_where_all_directions_are_kept(vae: Vae, images: Tensor) -> None:
    white = whitened_vae(vae, whitening_of(vae, images, BEFORE))
    before = vae.decode(vae.encode(images).latent_dist.mode()).sample
    after = white.decode(white.encode(images).latent_dist.mode()).sample
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)
    assert white.config.scaling_factor == 1
    assert white.encode(images).latent_dist.std.max() < 0.02


@torch.no_grad()
def test_what_is_left_out_is_read_as_its_mean(vae: Vae, images: Tensor) -> None:
    found = whitening_of(vae, images, 10)
    white, latents = whitened_vae(vae, found), torch.randn(2, 10, 16, 16)
    former = torch.einsum("ck,bkhw->bchw", found.back, latents) + found.mean[:, None, None]
    before = vae.decoder.conv_in(vae.post_quant_conv(former / vae.config.scaling_factor))
    after = white.decoder.conv_in(white.post_quant_conv(latents))
    inside = (..., slice(1, -1), slice(1, -1))  # around a picture there are zeros, in place of the mean
    torch.testing.assert_close(after[inside], before[inside], atol=1e-4, rtol=1e-4)


def test_what_is_left_out_is_what_varies_least(vae: Vae, images: Tensor) -> None:
    before = vae.decode(vae.encode(images).latent_dist.mode()).sample
    errors = []
    for channels in (2, 6, 12, BEFORE):
        white = whitened_vae(vae, whitening_of(vae, images, channels))
        after = white.decode(white.encode(images).latent_dist.mode()).sample
        errors.append(float((after - before).pow(2).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6 < errors[0]


def test_more_channels_than_there_are_is_an_error(vae: Vae, images: Tensor) -> None:
    with pytest.raises(ValueError, match="16 channels, which can't become 17"):
        whitening_of(vae, images, 17)


def test_a_folder_is_made_white_once(
    vae: Vae, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whitening, "PICTURES", 4)
    choose_world(tmp_path, "menagerie")
    for split in ("development", "pretraining"):
        draw_pictures(tmp_path, split, 2, processes=1)
    vae.save_pretrained(tmp_path / "vae")
    of_channels(BEFORE).save_pretrained(tmp_path / "unet")
    whiten_model(tmp_path)
    assert "a round trip has" in capsys.readouterr().out
    made = {name: (tmp_path / name / "config.json").stat().st_mtime_ns for name in ("vae", "unet")}
    assert open_vae(tmp_path).config.latent_channels == MENAGERIE.channels
    assert UNet2DConditionModel.from_pretrained(tmp_path / "unet").config.in_channels == MENAGERIE.channels
    whiten_model(tmp_path)
    train_vae(tmp_path, Budget(steps=1))
    assert "white already" in capsys.readouterr().out
    assert made == {name: (tmp_path / name / "config.json").stat().st_mtime_ns for name in made}


@torch.no_grad()
def test_the_unet_reads_white_latents_as_it_read_the_former(vae: Vae, images: Tensor) -> None:
    torch.manual_seed(3)
    unet = of_channels(BEFORE)
    found = whitening_of(vae, images, MENAGERIE.channels)
    white = torch.randn(2, MENAGERIE.channels, 16, 16)
    sequence = torch.randn(2, 4, unet.config.cross_attention_dim)
    before = unet(torch.einsum("ck,bkhw->bchw", found.back, white), 500, sequence).sample
    after = adapted_unet(unet, found).eval()(white, 500, sequence).sample
    torch.testing.assert_close(after, torch.einsum("kc,bchw->bkhw", found.forth, before), atol=1e-3, rtol=1e-3)


def of_channels(channels: int) -> Unet:
    unet = new_unet(MENAGERIE)
    return type(unet).from_config({**unet.config, "in_channels": channels, "out_channels": channels}).eval()
