from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file

from core.diffusion.backbone import load_backbone
from core.diffusion.checkpoints import CheckpointError, find_checkpoint
from core.diffusion.checkpoints.checkpoint import Dtypes, Parts
from tests.support.adapters import UNET_LAYERS, change_of, write_inversion, write_lora
from tests.support.checkpoints import Kind, write_checkpoint

KINDS: list[Kind] = ["sd15", "sdxl"]
FLOAT32 = Dtypes(torch.float32, torch.float32, torch.float32)
CHANGED = {
    "sd15": "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight",
    "sdxl": "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight",
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    wanted: Kind = request.param
    return wanted


@pytest.fixture(scope="module")
def folder(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / kind, kind=kind)


def loaded(location: str) -> Parts:
    return find_checkpoint(location).load(FLOAT32)


def diffusers_pipeline(folder: Path, kind: Kind) -> Any:
    """Return diffusers' own pipeline over the same files, loaded without our code."""
    pipeline_class: Any = StableDiffusionXLPipeline if kind == "sdxl" else StableDiffusionPipeline
    extra = {"add_watermarker": False} if kind == "sdxl" else {"safety_checker": None, "feature_extractor": None}
    return pipeline_class.from_pretrained(folder, scheduler=DDIMScheduler(), local_files_only=True, **extra)


def test_loras_are_merged_as_diffusers_loads_and_fuses_them(folder: Path, kind: Kind, tmp_path: Path) -> None:
    first, second = (write_lora(tmp_path / f"{n}.safetensors", kind, seed=n) for n in (1, 5))
    pipeline = diffusers_pipeline(folder, kind)
    for file, scale in ((first, 0.8), (second, -0.5)):
        pipeline.load_lora_weights(str(tmp_path), weight_name=file.name)
        pipeline.fuse_lora(lora_scale=scale)
        pipeline.unload_lora_weights()
    ours = loaded(f"{folder}+lora:{first}@0.8+lora:{second}@-0.5")
    assert_same(ours.unet, pipeline.unet)
    assert_same(ours.text_encoders[0], pipeline.text_encoder)


def assert_same(mine: Any, theirs: Any) -> None:
    ours, wanted = mine.state_dict(), theirs.state_dict()
    assert ours.keys() == wanted.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], wanted[name], atol=1e-6, rtol=0, msg=name)


def test_a_merged_weight_is_the_base_and_the_scaled_product(folder: Path, kind: Kind, tmp_path: Path) -> None:
    file = write_lora(tmp_path / "style.safetensors", kind)
    base, merged = loaded(str(folder)), loaded(f"{folder}+lora:{file}@0.8")
    change = 0.8 * change_of(load_file(file), UNET_LAYERS[kind][0])
    before, after = (parts.unet.state_dict()[CHANGED[kind]] for parts in (base, merged))
    torch.testing.assert_close(after, before + change, atol=1e-6, rtol=0)
    assert not any(parameter.requires_grad for parameter in merged.unet.parameters())


@pytest.mark.parametrize("vectors", [1, 3])
def test_an_added_word_is_encoded_as_diffusers_does(folder: Path, kind: Kind, tmp_path: Path, vectors: int) -> None:
    file = write_inversion(tmp_path / "dreamstyle.safetensors", kind, vectors=vectors)
    backbone = load_backbone(f"{folder}+ti:{file}", name="dream", device="cpu")
    pipeline = diffusers_pipeline(folder, kind)
    tensors = load_file(file)
    for key, number in (("clip_l", ""), ("clip_g", "_2")) if kind == "sdxl" else (("emb_params", ""),):
        pipeline.load_textual_inversion(
            tensors[key],
            token="dreamstyle",
            tokenizer=getattr(pipeline, f"tokenizer{number}"),
            text_encoder=getattr(pipeline, f"text_encoder{number}"),
        )
    text = "a dreamstyle dog"
    with torch.no_grad():
        theirs = pipeline.encode_prompt(text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
    (ours,) = backbone.encode_prompt([text])
    torch.testing.assert_close(ours.sequence, theirs[0][0], atol=1e-5, rtol=0)
    assert backbone.words == {"dreamstyle": vectors}
    assert backbone.count_tokens(text) == backbone.count_tokens("a dog") + vectors
    assert backbone.count_tokens("a DreamStyle dog") == backbone.count_tokens(text)


def test_a_word_is_the_one_given_else_the_files_own_else_the_files_name(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "a", kind="sd15")
    named = write_inversion(tmp_path / "learned_embeds.safetensors", "sd15", name="<cat-toy>")
    nameless = write_inversion(tmp_path / "Easy.safetensors", "sd15")
    words = [loaded(f"{folder}+ti:{file}").words for file in (f"{named}@<other>", named, nameless)]
    assert words == [{"<other>": 1}, {"<cat-toy>": 1}, {"easy": 1}]


def test_what_is_merged_makes_another_model_and_so_does_its_scale(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "a", kind="sd15")
    lora, word = write_lora(tmp_path / "l.safetensors", "sd15"), write_inversion(tmp_path / "w.safetensors", "sd15")
    locations = ["", f"+lora:{lora}", f"+lora:{lora}@0.5", f"+ti:{word}", f"+ti:{word}@other"]
    assert len({find_checkpoint(f"{folder}{what}").hash() for what in locations}) == len(locations)


def test_what_cannot_be_merged_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    folder, xl = (write_checkpoint(tmp_path / kind, kind=kind) for kind in KINDS)
    with pytest.raises(CheckpointError, match=r"none\.safetensors: there is no such file"):
        find_checkpoint(f"{folder}+lora:{tmp_path / 'none.safetensors'}")
    (tmp_path / "old.pt").write_bytes(b"never read")
    with pytest.raises(CheckpointError, match="pickle"):
        find_checkpoint(f"{folder}+ti:{tmp_path / 'old.pt'}")
    word = write_inversion(tmp_path / "word.safetensors", "sd15")
    for location in (
        f"{xl}+ti:{word}",
        f"{folder}+ti:{write_inversion(tmp_path / 'xl.safetensors', 'sdxl')}",
        f"{folder}+lora:{word}",
        f"{folder}+lora:{write_lora(tmp_path / 'l.safetensors', 'sdxl', text_encoder=False)}",
        f"{folder}+ti:{word}@twice+ti:{word}@twice",
    ):
        with pytest.raises(CheckpointError, match="can't be merged into this model"):
            loaded(location)
