"""Single files with the original names of the weights, made of checkpoints in diffusers' layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

Weights = dict[str, Tensor]
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
VAE_ATTENTION |= {"query": "q", "key": "k", "value": "v", "proj_attn": "proj_out"}
OPEN_CLIP = {
    ".self_attn.out_proj.": ".attn.out_proj.",
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
}


def write_single_file(folder: Path, file: Path, *, beside: bool = True, metadata: dict[str, str] | None = None) -> Path:
    """Write a folder's weights as one file; its configs, which are of no published size, go into a folder beside it."""
    index = json.loads((folder / "model_index.json").read_text())
    is_xl = index["_class_name"] == "StableDiffusionXLPipeline"
    text = _weights(folder / "text_encoder" / "model.safetensors")
    if is_xl:
        named = _prefixed("conditioner.embedders.0.transformer.", text)
        second = _weights(folder / "text_encoder_2" / "model.safetensors")
        named |= _prefixed("conditioner.embedders.1.model.", open_clip_names(second))
    elif json.loads((folder / "text_encoder" / "config.json").read_text())["hidden_act"] == "gelu":
        named = _prefixed("cond_stage_model.model.", open_clip_names(text))
    else:
        named = _prefixed("cond_stage_model.transformer.", text)
    unet = json.loads((folder / "unet" / "config.json").read_text())
    stem = "diffusion_pytorch_model.safetensors"
    named |= _prefixed(
        "model.diffusion_model.", unet_names(_weights(folder / "unet" / stem), layers=unet["layers_per_block"])
    )
    blocks = len(json.loads((folder / "vae" / "config.json").read_text())["block_out_channels"])
    named |= _prefixed("first_stage_model.", vae_names(_weights(folder / "vae" / stem), blocks=blocks))
    save_file(
        {name: tensor.contiguous() for name, tensor in named.items()}, file, metadata={**(metadata or {})} or None
    )
    if beside:
        shutil.copytree(folder, file.with_suffix(""), ignore=shutil.ignore_patterns("*.safetensors"))
    return file


def unet_names(weights: Weights, *, layers: int) -> Weights:
    """Return a UNet's weights with their original names."""
    return {_unet_name(name, weights, layers): tensor for name, tensor in weights.items()}


def _unet_name(name: str, weights: Weights, layers: int) -> str:
    start, _, rest = name.partition(".")
    for ours, theirs in UNET_ENDS.items():
        if name.startswith(f"{ours}."):
            return theirs + name.removeprefix(ours)
    if start == "mid_block":
        part, number, inner = rest.split(".", 2)
        return f"middle_block.1.{inner}" if part == "attentions" else f"middle_block.{2 * int(number)}.{_resnet(inner)}"
    block, part, number, inner = rest.split(".", 3)
    first = int(block) * (layers + 1)
    if part == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.op.{inner.removeprefix('conv.')}"
    if part == "upsamplers":
        place = 2 if any(key.startswith(f"up_blocks.{block}.attentions") for key in weights) else 1
        return f"output_blocks.{first + layers}.{place}.{inner}"
    side, index = (
        ("input_blocks", 1 + first + int(number)) if start == "down_blocks" else ("output_blocks", first + int(number))
    )
    return f"{side}.{index}.1.{inner}" if part == "attentions" else f"{side}.{index}.0.{_resnet(inner)}"


def _resnet(inner: str) -> str:
    module, dot, last = inner.rpartition(".")
    return RESNET[module] + dot + last


def vae_names(weights: Weights, *, blocks: int) -> Weights:
    """Return a VAE's weights with their original names; its attention is made of 1x1 convolutions there."""
    named: Weights = {}
    for name, tensor in weights.items():
        new = _vae_name(name, blocks)
        is_projection = ".mid.attn_1." in new and new.endswith("weight") and ".norm." not in new
        named[new] = tensor[:, :, None, None] if is_projection and tensor.ndim == 2 else tensor
    return named


def _vae_name(name: str, blocks: int) -> str:
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    for number in (0, 1):
        name = name.replace(f"mid_block.resnets.{number}", f"mid.block_{number + 1}")
    if "mid_block.attentions.0." in name:
        start, inner = name.split("mid_block.attentions.0.")
        module, dot, last = inner.rpartition(".")
        return f"{start}mid.attn_1.{VAE_ATTENTION[module]}{dot}{last}"
    for i in range(blocks):
        name = name.replace(f"down_blocks.{i}.resnets", f"down.{i}.block")
        name = name.replace(f"down_blocks.{i}.downsamplers.0", f"down.{i}.downsample")
        name = name.replace(f"up_blocks.{i}.resnets", f"up.{blocks - 1 - i}.block")
        name = name.replace(f"up_blocks.{i}.upsamplers.0", f"up.{blocks - 1 - i}.upsample")
    return name


def open_clip_names(weights: Weights) -> Weights:
    """Return a CLIP text encoder's weights as OpenCLIP names them, with queries, keys and values in one matrix."""
    named: Weights = {}
    for name, tensor in weights.items():
        inner = name.removeprefix("text_model.")
        if inner == "text_projection.weight":
            named["text_projection"] = tensor.T
        elif inner.startswith("embeddings.token_embedding"):
            named["token_embedding.weight"] = tensor
        elif inner.startswith("embeddings.position_embedding"):
            named["positional_embedding"] = tensor
        elif inner.startswith("final_layer_norm"):
            named[inner.replace("final_layer_norm", "ln_final")] = tensor
        elif ".q_proj." in inner:
            joined = [weights[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            new = inner.replace("encoder.layers", "transformer.resblocks").replace(".self_attn.", ".attn.")
            named[new.replace("q_proj.", "in_proj_")] = torch.cat(joined)
        elif inner.startswith("encoder.layers") and not any(f".{letter}_proj." in inner for letter in "kv"):
            new = inner.replace("encoder.layers", "transformer.resblocks")
            for ours, theirs in OPEN_CLIP.items():
                new = new.replace(ours, theirs)
            named[new] = tensor
    return named


def _weights(path: Path) -> Weights:
    return load_file(path)


def _prefixed(prefix: str, weights: Weights) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}
