"""Tiny random checkpoints, file for file in the layout of Stable Diffusion 1.x, 2.1 and XL as they are published."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from core.diffusion.backbone import Backbone, load_backbone

Kind = Literal["sd15", "sd21", "sdxl"]
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
MERGES = ["d o", "do g</w>", "i n", "in g</w>", "s i", "t h", "th e</w>"]
WIDTH = 32
WIDTH_2 = 48  # of SDXL's second text encoder: by their widths single files tell the two apart
# Until 2023 diffusers named the VAE's attention so; published files still do.
OLD_VAE_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def write_checkpoint(
    folder: Path,
    *,
    kind: Kind,
    seed: int = 0,
    variant: Literal["fp16"] | None = None,
    zero_for_no_prompt: bool = True,
    force_upcast: bool = True,
) -> Path:
    """Write a checkpoint of some hundred thousand random parameters and return its folder.

    sd15: epsilon, quick_gelu, padded with EOS, 8 heads everywhere, the VAE's old key names, a PNDM scheduler file.
    sd21: v_prediction, gelu, padded with "!", a list of heads, linear projections. sdxl: two text encoders, the second
    with a projection, time ids, an Euler scheduler file; no negative prompt is zeros there if `zero_for_no_prompt`.
    `variant` writes fp16 files only; without `force_upcast` the VAE says that it is safe in float16.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vocab = write_tokenizer(folder / "tokenizer", pad="!" if kind == "sd21" else EOS)
        _write_text_encoder(folder / "text_encoder", kind, vocab, variant)
        if kind == "sdxl":
            write_tokenizer(folder / "tokenizer_2", pad="!")
            _write_second_text_encoder(folder / "text_encoder_2", vocab, variant)
        _write_unet(folder / "unet", kind, variant)
        _write_vae(folder / "vae", kind, variant, force_upcast=force_upcast)
    _write_json(folder / "scheduler" / "scheduler_config.json", _scheduler(kind))
    _write_json(folder / "model_index.json", _model_index(kind, zero_for_no_prompt=zero_for_no_prompt))
    return folder


def tiny_float64_backbone(kind: Kind = "sd15", seed: int = 0) -> Backbone:
    """Return a tiny backbone in float64, on which tests prove logic at 1e-9."""
    with TemporaryDirectory() as folder:
        return load_backbone(
            str(write_checkpoint(Path(folder), kind=kind, seed=seed)),
            name=f"tiny-{kind}",
            device="cpu",
            dtype="float64",
        )


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def write_tokenizer(folder: Path, pad: str) -> dict[str, int]:
    """Write a byte-level BPE in CLIP's two files, without a tokenizer.json, and return its vocabulary."""
    alphabet = sorted(ByteLevel.alphabet())  # "!" comes first, as in CLIP
    tokens = [*alphabet, *(f"{symbol}</w>" for symbol in alphabet), *(merge.replace(" ", "") for merge in MERGES)]
    vocab = {token: i for i, token in enumerate([*tokens, BOS, EOS])}
    _write_json(folder / "vocab.json", vocab)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")
    specials = {"bos_token": BOS, "eos_token": EOS, "pad_token": pad, "unk_token": EOS}
    _write_json(folder / "special_tokens_map.json", specials)
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, "errors": "replace"}
    _write_json(folder / "tokenizer_config.json", {**config, **specials})
    return vocab


def _write_text_encoder(folder: Path, kind: Kind, vocab: dict[str, int], variant: str | None) -> None:
    config = _text_config(vocab) | {"hidden_act": "gelu" if kind == "sd21" else "quick_gelu"}
    _write_json(folder / "config.json", config)
    weights = CLIPTextModel(CLIPTextConfig(**config)).state_dict()
    named = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in weights.items()}
    named["text_model.embeddings.position_ids"] = torch.arange(77).unsqueeze(0)  # in the published files, used by none
    _save(folder / "model", named, variant)


def _write_second_text_encoder(folder: Path, vocab: dict[str, int], variant: str | None) -> None:
    config = _text_config(vocab) | {"architectures": ["CLIPTextModelWithProjection"], "hidden_act": "gelu"}
    config |= {"hidden_size": WIDTH_2, "intermediate_size": 4 * WIDTH_2, "projection_dim": WIDTH_2}
    _write_json(folder / "config.json", config)
    _save(folder / "model", CLIPTextModelWithProjection(CLIPTextConfig(**config)).state_dict(), variant)


def _text_config(vocab: dict[str, int]) -> dict[str, Any]:
    return {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": len(vocab),
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 77,
        "projection_dim": WIDTH,
        "bos_token_id": 0,
        "eos_token_id": 2,  # wrong, as in the published files
        "pad_token_id": 1,
        "torch_dtype": "float32",
    }


def _write_unet(folder: Path, kind: Kind, variant: str | None) -> None:
    unet_class: Any = UNet2DConditionModel  # untyped
    unet = unet_class(
        sample_size=8, block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8, **_architecture(kind)
    )
    _write_json(folder / "config.json", {"_class_name": "UNet2DConditionModel", **_plain(unet.config)})
    _save(folder / "diffusion_pytorch_model", unet.state_dict(), variant)


def _architecture(kind: Kind) -> dict[str, Any]:
    """Return what differs between the UNets."""
    if kind == "sdxl":
        return {
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": WIDTH + WIDTH_2,
            "attention_head_dim": [4, 8],
            "transformer_layers_per_block": [1, 2],
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + WIDTH_2,
        }
    heads = {"attention_head_dim": [4, 8], "use_linear_projection": True} if kind == "sd21" else {}
    return {
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
        **heads,
    }


def _write_vae(folder: Path, kind: Kind, variant: str | None, *, force_upcast: bool) -> None:
    vae_class: Any = AutoencoderKL  # untyped
    vae = vae_class(
        sample_size=16,
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        force_upcast=force_upcast,
    )
    config = _plain(vae.config)
    if kind == "sdxl":
        config["scaling_factor"] = 0.13025
    else:
        del config["scaling_factor"]  # the published files leave the 0.18215 of Stable Diffusion out
    _write_json(folder / "config.json", {"_class_name": "AutoencoderKL", **config})
    weights = vae.state_dict()
    if kind == "sd15":
        weights = {_old_name(name): tensor for name, tensor in weights.items()}
    _save(folder / "diffusion_pytorch_model", weights, variant)


def _old_name(name: str) -> str:
    for new, old in OLD_VAE_NAMES.items():
        name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
    return name


def _plain(config: Any) -> dict[str, Any]:
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _save(stem: Path, weights: dict[str, Tensor], variant: str | None) -> None:
    infix, dtype = (".fp16", torch.float16) if variant else ("", torch.float32)
    tensors = {name: (t.to(dtype) if t.is_floating_point() else t).contiguous() for name, t in weights.items()}
    save_file(tensors, stem.with_name(f"{stem.name}{infix}.safetensors"), metadata={"format": "pt"})


def _scheduler(kind: Kind) -> dict[str, Any]:
    common = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
    common |= {"set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False, "trained_betas": None}
    if kind == "sd21":
        return {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction", **common}
    if kind == "sdxl":
        return {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", **common}
    return {"_class_name": "PNDMScheduler", "skip_prk_steps": True, **common}


def _model_index(kind: Kind, *, zero_for_no_prompt: bool) -> dict[str, Any]:
    second = {
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
    }
    if kind == "sdxl":
        return {
            "_class_name": "StableDiffusionXLPipeline",
            "force_zeros_for_empty_prompt": zero_for_no_prompt,
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            **second,
        }
    return {
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
