from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import infer_diffusers_model_type
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from core.diffusion.backbone import load_backbone
from core.diffusion.checkpoints import CheckpointError, find_checkpoint
from core.diffusion.checkpoints.configs import LAYOUTS, Configs
from core.diffusion.stack import stack_conditioning
from tests.support.adapters import write_lora
from tests.support.checkpoints import Kind, write_checkpoint
from tests.support.single_files import open_clip_names, unet_names, vae_names, write_single_file

KINDS: list[Kind] = ["sd15", "sd21", "sdxl"]
# How many weights the published models have.
PUBLISHED = {
    "sd1": {"text_encoder": 123_060_480, "unet": 859_520_964, "vae": 83_653_863},
    "sd2": {"text_encoder": 340_387_840, "unet": 865_910_724, "vae": 83_653_863},
    "sdxl": {"text_encoder": 123_060_480, "text_encoder_2": 694_659_840, "unet": 2_567_463_684, "vae": 83_653_863},
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    wanted: Kind = request.param
    return wanted


@pytest.fixture(scope="module")
def folder(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / kind, kind=kind)


@pytest.fixture(scope="module")
def file(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_single_file(folder, tmp_path_factory.mktemp("file") / "dream.safetensors")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: socket.socket, address: Any) -> None:
        raise AssertionError(f"somebody wants to connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("no_network")
def test_a_single_file_is_the_model_that_its_folder_is_and_fetches_nothing(folder: Path, file: Path) -> None:
    ours, theirs = (load_backbone(str(place), name="dream", device="cpu") for place in (file, folder))
    latents, timesteps = torch.randn(2, *ours.latent_shape), torch.tensor([3, 700])
    texts = ["", "the dog"]
    assert ours.family == theirs.family
    for mine, other in zip(ours.encode_prompt(texts), theirs.encode_prompt(texts), strict=True):
        torch.testing.assert_close(mine.sequence, other.sequence, atol=1e-5, rtol=0)
    rows = stack_conditioning(theirs.encode_prompt(texts))
    for call in (lambda b: b.predict(latents, timesteps, rows), lambda b: b.decode_latents(latents)):
        torch.testing.assert_close(call(ours), call(theirs), atol=1e-5, rtol=0)


def test_its_weights_are_those_that_diffusers_pipeline_reads_from_it(kind: Kind, file: Path) -> None:
    pipeline_class: Any = StableDiffusionXLPipeline if kind == "sdxl" else StableDiffusionPipeline
    left_out = {} if kind == "sdxl" else {"safety_checker": None, "feature_extractor": None}
    pipeline = pipeline_class.from_single_file(
        str(file), config=str(file.with_suffix("")), local_files_only=True, **left_out
    )
    ours = load_backbone(str(file), name="dream", device="cpu")
    for mine, theirs in ((ours._unet, pipeline.unet), (ours._vae, pipeline.vae)):
        assert_same_weights(mine.state_dict(), theirs.state_dict())
    assert_same_weights(ours._prompts.text_encoders[-1].state_dict(), _last_text_encoder(pipeline).state_dict())


def _last_text_encoder(pipeline: Any) -> Any:
    return getattr(pipeline, "text_encoder_2", None) or pipeline.text_encoder


def assert_same_weights(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert torch.equal(mine[name], theirs[name]), name


def test_the_hash_is_the_files_own_unless_configs_beside_it_are_used_too(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "a", kind="sd15")
    file = write_single_file(folder, tmp_path / "dream.safetensors", beside=False)
    alone = find_checkpoint(str(file)).hash()
    assert alone == hashlib.sha256(file.read_bytes()).hexdigest()
    beside = tmp_path / "dream" / "scheduler" / "scheduler_config.json"
    beside.parent.mkdir(parents=True)
    beside.write_text((LAYOUTS / "sd1" / "scheduler" / "scheduler_config.json").read_text())
    assert find_checkpoint(str(file)).hash() not in (alone, "")


def test_a_config_in_the_folder_beside_it_goes_before_the_published_ones(tmp_path: Path) -> None:
    file = write_single_file(
        write_checkpoint(tmp_path / "a", kind="sd15"), tmp_path / "dream.safetensors", beside=False
    )
    assert find_checkpoint(str(file)).schedule().prediction_type == "epsilon"
    own = json.loads((LAYOUTS / "sd1" / "scheduler" / "scheduler_config.json").read_text())
    beside = tmp_path / "dream" / "scheduler" / "scheduler_config.json"
    beside.parent.mkdir(parents=True)
    beside.write_text(json.dumps(own | {"prediction_type": "v_prediction"}))
    assert find_checkpoint(str(file)).schedule().prediction_type == "v_prediction"


@pytest.mark.parametrize("said", ["a tensor", "its metadata"])
def test_a_file_that_says_that_it_predicts_v_is_taken_at_its_word(tmp_path: Path, said: str) -> None:
    metadata = {"modelspec.prediction_type": "v"} if said == "its metadata" else {}
    folder = write_checkpoint(tmp_path / "a", kind="sd15")
    file = write_single_file(folder, tmp_path / "v.safetensors", beside=False, metadata=metadata)
    if said == "a tensor":
        save_file(load_file(file) | {"v_pred": torch.zeros(0)}, file)
    assert find_checkpoint(str(file)).schedule().prediction_type == "v_prediction"


@pytest.mark.parametrize("family", PUBLISHED)
def test_the_layouts_have_the_published_sizes_and_are_told_apart_by_the_original_names(family: str) -> None:
    layout = LAYOUTS / family
    models = _models_on_meta(layout)
    sizes = {part: sum(p.numel() for p in model.parameters()) for part, model in models.items()}
    assert sizes == PUBLISHED[family]
    names = {f"model.diffusion_model.{name}": t for name, t in unet_names(_named(models, "unet"), layers=2).items()}
    names |= {f"first_stage_model.{name}": t for name, t in vae_names(_named(models, "vae"), blocks=4).items()}
    if family == "sdxl":
        second = open_clip_names(_named(models, "text_encoder_2"))
        names |= {f"conditioner.embedders.1.model.{name}": tensor for name, tensor in second.items()}
    kind = {"sd1": "v1", "sd2": "v2", "sdxl": "xl_base"}[family]
    assert infer_diffusers_model_type(names) == kind


def _models_on_meta(layout: Path) -> dict[str, Any]:
    unet_class: Any = UNet2DConditionModel
    vae_class: Any = AutoencoderKL

    def config(part: str) -> dict[str, Any]:
        return dict(json.loads((layout / part / "config.json").read_text()))

    with torch.device("meta"):
        models = {"text_encoder": CLIPTextModel(CLIPTextConfig(**config("text_encoder")))}
        if (layout / "text_encoder_2").is_dir():
            models["text_encoder_2"] = CLIPTextModelWithProjection(CLIPTextConfig(**config("text_encoder_2")))
        return {**models, "unet": unet_class.from_config(config("unet")), "vae": vae_class.from_config(config("vae"))}


def _named(models: dict[str, Any], part: str) -> dict[str, Tensor]:
    return dict(models[part].state_dict())


@pytest.mark.parametrize("family", PUBLISHED)
def test_clips_own_tokens_come_with_tailor(family: str) -> None:
    configs = Configs(Path("dream.safetensors"), (LAYOUTS / family,))
    tokenizer = configs.tokenizer("tokenizer")
    assert len(tokenizer) == 49408
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer.pad_token_id == (0 if family == "sd2" else 49407)
    if family == "sdxl":
        assert configs.tokenizer("tokenizer_2").pad_token_id == 0


@pytest.mark.parametrize("name", ["old.ckpt", "old.pt", "old.bin"])
def test_a_pickle_is_refused_with_a_word_and_never_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"never read")
    with pytest.raises(CheckpointError, match="pickle may run whatever its author wants"):
        find_checkpoint(str(tmp_path / name))


def test_a_file_without_a_vae_says_what_it_lacks(tmp_path: Path) -> None:
    file = write_single_file(write_checkpoint(tmp_path / "a", kind="sd15"), tmp_path / "dream.safetensors")
    weights = load_file(file)
    save_file({name: weights[name] for name in weights if not name.startswith("first_stage_model")}, file)
    with pytest.raises(CheckpointError, match="holds the UNet and the text encoder only: it lacks the VAE"):
        find_checkpoint(str(file))


def test_a_missing_weight_is_an_error_and_never_left_at_random(tmp_path: Path) -> None:
    file = write_single_file(write_checkpoint(tmp_path / "a", kind="sdxl"), tmp_path / "dream.safetensors")
    weights = load_file(file)
    for lost in ("model.diffusion_model.out.2.bias", "conditioner.embedders.1.model.ln_final.weight"):
        save_file({name: tensor for name, tensor in weights.items() if name != lost}, file)
        with pytest.raises(CheckpointError, match=r"lacks (1|some of its) weights"):
            load_backbone(str(file), name="broken", device="cpu")


def test_what_is_no_whole_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a LoRA: it is merged into a model"):
        find_checkpoint(str(write_lora(tmp_path / "lora.safetensors", "sd15")))
    save_file({"something": torch.zeros(1)}, tmp_path / "else.safetensors")
    with pytest.raises(CheckpointError, match="holds none of a checkpoint's parts"):
        find_checkpoint(str(tmp_path / "else.safetensors"))
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        find_checkpoint(str(tmp_path / "cut.safetensors"))
    with pytest.raises(CheckpointError, match="neither a folder, nor a file"):
        find_checkpoint(str(tmp_path / "none.safetensors"))


def test_an_inpainting_file_is_refused_by_its_kind(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "a", kind="sd15")
    file = write_single_file(folder, tmp_path / "inpainting.safetensors", beside=False)
    weights = load_file(file)
    weights["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(32, 9, 3, 3)
    save_file(weights, file)
    with pytest.raises(CheckpointError, match="of the kind inpainting"):
        find_checkpoint(str(file))


def test_a_single_file_tells_its_size_without_being_read(folder: Path, file: Path) -> None:
    told, wanted = (sum(find_checkpoint(str(place)).elements().values()) for place in (file, folder))
    assert told == pytest.approx(wanted, rel=1e-3)
