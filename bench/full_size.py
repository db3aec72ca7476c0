"""How much time and memory does a full-size Stable Diffusion 1.5 need here? `python -m bench.full_size`.

Writes the architecture of Stable Diffusion 1.5 with random weights as fp16 safetensors (2 GB in a temporary folder,
deleted at the end), loads it as any checkpoint is loaded, and times each call once. The numbers don't depend on what
the weights are; the pictures do, and are noise.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from core.diffusion.backbone import Backbone, load_backbone
from core.diffusion.stack import stack_conditioning

VOCAB_SIZE = 49408
TEXT_ENCODER: dict[str, Any] = {
    "model_type": "clip_text_model",
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}
UNET: dict[str, Any] = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
VAE: dict[str, Any] = {
    "sample_size": 512,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
}
SCHEDULER: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}


def main() -> None:
    """Write the checkpoint, load it and time it."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with TemporaryDirectory(prefix="full-size-") as folder:
        with timed("write the checkpoint"):
            write(Path(folder))
        with timed("load and hash it"):
            backbone = load_backbone(folder, name="full-size")
    print(f"on {backbone.device} in {backbone.dtype}, weights {backbone.memory_bytes / 2**30:.2f} GiB")
    measure(backbone)


def measure(backbone: Backbone) -> None:
    """Time what a personalization and an edit are made of."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, backbone.image_size, backbone.image_size, generator=generator) * 2 - 1
    with timed("encode_prompt"):
        source = stack_conditioning(backbone.encode_prompt(["a standing dog"]))
    with timed(f"encode_image, {backbone.image_size} px"):
        latents, _ = backbone.encode_image(picture)
    noise = torch.randn(latents.shape, generator=generator)
    timesteps = torch.tensor([500])
    noisy = backbone.schedule.add_noise(latents, noise, timesteps)
    source.sequence.requires_grad_(True)
    for i in (1, 2):
        with timed(f"forward and backward to the sequence, {i}"):
            loss = (backbone.predict(noisy, timesteps, source) - noise.to(backbone.device)).square().mean()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without types
    for i in (1, 2):
        with timed(f"predict, {i}"), torch.no_grad():
            backbone.predict(noisy, timesteps, source)
    with timed("decode_latents"):
        backbone.decode_latents(latents)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the block took and the process' peak memory after it."""
    start = time.perf_counter()
    yield
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    print(f"{what:<42} {time.perf_counter() - start:7.1f} s   peak {peak:5.2f} GiB", flush=True)


def write(folder: Path) -> None:
    """Write the checkpoint in diffusers' layout."""
    unet_class: Any = UNet2DConditionModel  # untyped
    vae_class: Any = AutoencoderKL  # untyped
    with torch.device("meta"):
        text_encoder, unet, vae = CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER)), unet_class(**UNET), vae_class(**VAE)
    write_model(folder / "text_encoder" / "model.safetensors", TEXT_ENCODER, text_encoder)
    write_model(folder / "unet" / "diffusion_pytorch_model.safetensors", dict(unet.config), unet)
    write_model(folder / "vae" / "diffusion_pytorch_model.safetensors", dict(vae.config), vae)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_json(folder / "model_index.json", {"_class_name": "StableDiffusionPipeline"})
    write_tokenizer(folder / "tokenizer")


def write_model(path: Path, config: dict[str, Any], model: torch.nn.Module) -> None:
    """Write one component's config and random weights, in fp16."""
    write_json(path.with_name("config.json"), config)
    weights = {name: random_weight(name, tensor) for name, tensor in model.state_dict().items()}
    save_file(weights, path, metadata={"format": "pt"})


def random_weight(name: str, tensor: Tensor) -> Tensor:
    """Return a weight of the tensor's shape: 1 for a norm's scale, 0 for a bias, else normal."""
    if tensor.ndim == 1:
        return torch.full(tensor.shape, float(name.endswith("weight")), dtype=torch.float16)
    return torch.randn(tensor.shape).mul_(0.02).half()


def write_json(path: Path, content: object) -> None:
    """Write a JSON file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of bytes, with fillers up to the size of CLIP's vocabulary."""
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{symbol}</w>" for symbol in alphabet)]
    tokens += [f"filler{i}</w>" for i in range(VOCAB_SIZE - 2 - len(tokens))]
    vocab = {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    write_json(folder / "vocab.json", vocab)
    (folder / "merges.txt").write_text("#version: 0.2\n")
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})


if __name__ == "__main__":
    main()
