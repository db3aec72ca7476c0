"""How much time and memory does a full-size Stable Diffusion need here? `python -m bench.full_size [sd1|sd2|sdxl]`.

Writes the architecture of Stable Diffusion 1.5, 2.1 or XL with random weights as fp16 safetensors (2 to 7 GB in a
temporary folder, deleted at the end), loads it as any checkpoint is loaded, and times each call once. The numbers don't
depend on what the weights are; the pictures do, and are noise.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
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
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from core.diffusion.backbone import Backbone, load_backbone
from core.diffusion.checkpoints.configs import LAYOUTS, Configs
from core.diffusion.checkpoints.family import Family
from core.diffusion.checkpoints.folder import STEMS
from core.diffusion.stack import stack_conditioning


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", nargs="?", default="sd1", choices=[*Family])
    parser.add_argument("--dtype", default="auto", help="the UNet's; as TAILOR_DTYPE")
    parser.add_argument("--size", type=int, help="pixels a side; default: the model's own")
    return parser.parse_args()


def main() -> None:
    """Write the checkpoint, load it and time it."""
    chosen = arguments()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with TemporaryDirectory(prefix="full-size-") as folder:
        with timed("write the checkpoint"):
            write(Path(folder), Family(chosen.family))
        with timed("load and hash it"):
            backbone = load_backbone(folder, name="full-size", dtype=chosen.dtype)
    print(f"on {backbone.device} in {backbone.dtype}, weights {backbone.memory_bytes / 2**30:.2f} GiB")
    measure(backbone, chosen.size or backbone.image_size)


def measure(backbone: Backbone, size: int) -> None:
    """Time what a personalization and an edit are made of."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, size, size, generator=generator) * 2 - 1
    with timed("encode_prompt"):
        source = stack_conditioning(backbone.encode_prompt(["a standing dog"]))
    with timed(f"encode_image, {size} px"):
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


def write(folder: Path, family: Family) -> None:
    """Write the checkpoint in diffusers' layout."""
    layout = LAYOUTS / family
    shutil.copytree(layout, folder, dirs_exist_ok=True)
    for part in family.parts:
        config = json.loads((layout / part / "config.json").read_text())
        with torch.device("meta"):
            model = model_of(part, config)
        weights = {name: random_weight(name, tensor) for name, tensor in model.state_dict().items()}
        save_file(weights, folder / part / f"{STEMS[part]}.safetensors", metadata={"format": "pt"})
    for part in family.tokenizers:
        Configs(folder, (layout,)).tokenizer(part).save_pretrained(folder / part)


def model_of(part: str, config: dict[str, Any]) -> torch.nn.Module:
    """Return a part's model."""
    made: Any = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}.get(part)  # untyped
    if made is None:
        text_class = CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel
        return text_class(CLIPTextConfig(**config))
    model: torch.nn.Module = made.from_config(config)
    return model


def random_weight(name: str, tensor: Tensor) -> Tensor:
    """Return a weight of the tensor's shape: 1 for a norm's scale, 0 for a bias, else normal, the same again and again.

    Drawing billions of numbers would take longer than all that is measured.
    """
    if tensor.ndim == 1:
        return torch.full(tensor.shape, float(name.endswith("weight")), dtype=torch.float16)
    drawn = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0)).mul_(0.02).half()
    repeated = drawn.repeat(tensor.numel() // len(drawn) + 1)[: tensor.numel()]
    return repeated.reshape(tensor.shape).clone()


if __name__ == "__main__":
    main()
