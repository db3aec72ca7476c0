"""Trains the VAE, and measures its round trips."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from pretrain.drawing.pictures import Pictures, open_pictures, to_bytes, to_tensor
from pretrain.drawing.sheet import sheet
from pretrain.menagerie.outside import OUTSIDE
from pretrain.training.models import AutoencoderKL, Vae
from pretrain.training.trainer import Budget, Trainer
from pretrain.worlds import World

BATCH = 8
HELD_OUT = 128
KL_WEIGHT = 5e-3  # 2e-4 left two of the four channels unused and lost colors
_TO_CHROMA = torch.tensor([[-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])


_WIDTHS = {4: (32, 64, 128), 8: (24, 48, 96, 128)}  # of each level, by how many pixels a latent stands for


def new_vae(world: World, channels: int | None = None) -> Vae:
    """Return an AutoencoderKL, (3, size, size) to (channels, 16, 16), with fresh weights."""
    widths = _WIDTHS[world.shrink]
    return AutoencoderKL(
        sample_size=world.size,
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        layers_per_block=1,
        latent_channels=channels or world.encoded or world.channels,
        norm_num_groups=8,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def vae_loss(decoded: Tensor, images: Tensor, kl: Tensor) -> Tensor:
    """Differences of pixels, of neighboring pixels, of hue and of 4x4 means, (B, 3, H, W) each; kl: (B,)."""
    error = decoded - images
    chroma = torch.einsum("ij,bjhw->bihw", _TO_CHROMA, error).abs().mean()
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    pixels = 0.5 * error.abs().mean() + 8 * error.pow(2).mean()
    means = functional.avg_pool2d(error, 4).abs().mean()
    return pixels + 0.4 * edges + 2 * chroma + means + KL_WEIGHT * kl.mean() / images[0].numel()


def train_vae(folder: Path, budget: Budget, decoder_only: bool = False, bfloat16: bool = False) -> None:
    """Train (or take up) the VAE in `folder`; afterwards it lies in folder/vae, its latents scaled to unit variance.

    Without a checkpoint it begins with the weights in folder/vae, or with fresh ones if there are none.
    `decoder_only` leaves the latents as they are: so the decoder can go on learning after the UNet has begun;
    `bfloat16` computes in it, where that is faster. Latents that were made white stay so: only the decoder of such a
    VAE learns further.
    """
    pictures, held = open_pictures(folder, "pretraining"), open_pictures(folder, "development")
    others = open_pictures(folder, OUTSIDE) if (folder / "outside").exists() else None
    torch.manual_seed(0)
    vae = open_vae(folder).requires_grad_(True) if (folder / "vae").exists() else new_vae(pictures.world)
    if not decoder_only and pictures.world.encoded and vae.config.latent_channels == pictures.world.channels:
        print("the latents are white already: the stage `decoder` trains the rest", flush=True)
        return
    if decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    name = "decoder" if decoder_only else "vae"
    trainer = Trainer(vae, folder / f"{name}.pt", 5e-4)

    def loss_of(_step: int, generator: torch.Generator) -> Tensor:
        images = _crops(pictures, others, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            with torch.set_grad_enabled(not decoder_only):
                posterior = vae.encode(images).latent_dist
            noise = torch.randn(posterior.mean.shape, generator=generator)
            decoded = vae.decode(posterior.mean + posterior.std * noise).sample
        return vae_loss(decoded.float(), images, posterior.kl().float())

    def on_save() -> None:
        average = trainer.average
        print(f"held-out PSNR {psnr(average, to_tensor(held.images[:HELD_OUT])):.2f} dB", flush=True)
        if not decoder_only:
            average.register_to_config(scaling_factor=latent_scale(average, held))
        average.save_pretrained(folder / "vae")
        _round_trips(average, held).save(folder / f"{name}.png")

    trainer.train(loss_of, budget, on_save, save_minutes=4)


def open_vae(folder: Path) -> Vae:
    """Return the trained VAE, frozen, float32."""
    return AutoencoderKL.from_pretrained(folder / "vae").float().eval().requires_grad_(False)


def _crops(pictures: Pictures, others: Pictures | None, generator: torch.Generator) -> Tensor:
    """(BATCH, 3, side, side), half a picture wide each, at random on the latents' grid; the last is of others."""
    step, side = pictures.world.shrink, pictures.world.size // 2
    which = torch.randint(len(pictures), (BATCH,), generator=generator).tolist()
    corners = (torch.randint(8 + 1, (BATCH, 2), generator=generator) * step).tolist()
    whole = [to_tensor(pictures.images[index : index + 1]) for index in which]
    if others:
        whole[-1] = to_tensor(others.images[which[-1] % len(others)][None])
    crops = [image[:, :, y : y + side, x : x + side] for image, (y, x) in zip(whole, corners, strict=True)]
    return torch.cat(crops)


@torch.no_grad()
def psnr(vae: Vae, images: Tensor) -> float:
    """Mean over pictures (B, 3, H, W) of the peak signal-to-noise ratio of a round trip, in dB."""
    ratios = []
    for some in torch.split(images, 32):
        decoded = vae.decode(vae.encode(some).latent_dist.mode()).sample.clamp(-1, 1)
        ratios.append(10 * torch.log10(4 / (decoded - some).pow(2).flatten(1).mean(1)))
    return float(torch.cat(ratios).mean())


@torch.no_grad()
def latent_scale(vae: Vae, pictures: Pictures) -> float:
    """Return what to multiply latents with for unit variance."""
    images = to_tensor(pictures.images[:HELD_OUT])
    return round(float(1 / vae.encode(images).latent_dist.mode().std()), 4)


@torch.no_grad()
def _round_trips(vae: Vae, pictures: Pictures) -> Image.Image:
    """Return a sheet: a row of pictures, a row of what the VAE makes of them, and so on."""
    rows = []
    for first in range(0, min(24, len(pictures)), 8):
        images = to_tensor(pictures.images[first : first + 8])
        decoded = vae.decode(vae.encode(images).latent_dist.mode()).sample
        rows += [*to_bytes(images), *to_bytes(decoded)]
    return sheet([Image.fromarray(row) for row in rows], 8, 2)
