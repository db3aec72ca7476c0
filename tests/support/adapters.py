"""LoRA and textual inversion files, as trainers write them (kohya's names) and as diffusers does."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

RANK, ALPHA = 2, 1.0
ATTENTION = "attentions_0_transformer_blocks_0_attn1_to_q"
UNET_LAYERS = {
    "sd15": (f"lora_unet_down_blocks_0_{ATTENTION}", 32, 32),
    "sdxl": (f"lora_unet_down_blocks_1_{ATTENTION}", 64, 64),
}


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.3


def write_lora(file: Path, kind: str, *, seed: int = 1, text_encoder: bool = True) -> Path:
    """Write a LoRA of one layer of the UNet, and of one attention of the (first) text encoder."""
    name, wide, deep = UNET_LAYERS[kind]
    layers = {name: (wide, deep)}
    if text_encoder:
        te = "lora_te1" if kind == "sdxl" else "lora_te"
        for letter in ("q", "k", "v", "out"):
            layers[f"{te}_text_model_encoder_layers_0_self_attn_{letter}_proj"] = (32, 32)
    tensors: dict[str, Tensor] = {}
    for i, (layer, (rows, columns)) in enumerate(layers.items()):
        tensors[f"{layer}.lora_up.weight"] = draw(seed + i, rows, RANK)
        tensors[f"{layer}.lora_down.weight"] = draw(seed + 20 + i, RANK, columns)
        tensors[f"{layer}.alpha"] = torch.tensor(ALPHA)
    save_file(tensors, file)
    return file


def change_of(file_tensors: dict[str, Tensor], layer: str) -> Tensor:
    """Return what a LoRA adds to a layer's weight at a scale of 1, by its definition (Hu et al., 2021)."""
    up, down = (file_tensors[f"{layer}.lora_{part}.weight"] for part in ("up", "down"))
    return file_tensors[f"{layer}.alpha"] / down.shape[0] * up @ down


def write_inversion(file: Path, kind: str, *, vectors: int = 1, name: str = "emb_params", seed: int = 3) -> Path:
    """Write a textual inversion of so many vectors: one tensor, or for XL one for each of its text encoders."""
    if kind == "sdxl":
        save_file({"clip_l": draw(seed, vectors, 32), "clip_g": draw(seed + 1, vectors, 48)}, file)
    else:
        save_file({name: draw(seed, vectors, 32)}, file)
    return file
