from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.diffusion.backbone import load_backbone
from core.diffusion.checkpoints import CheckpointError, find_checkpoint
from core.diffusion.checkpoints.folder import FolderCheckpoint
from tests.support.checkpoints import write_checkpoint

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "a", kind="sd15")


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_the_hash_is_of_the_content_and_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    (copy / "README.md").write_text("not read by loading")
    assert FolderCheckpoint(copy).hash() == FolderCheckpoint(folder).hash()
    assert len(FolderCheckpoint(folder).hash()) == 64


def test_the_hash_changes_with_one_weight_one_setting_or_one_merge(folder: Path) -> None:
    hashes = {FolderCheckpoint(folder).hash()}
    weights = load_file(folder / UNET)
    weights["conv_in.bias"][0] += 1e-3
    save_file(weights, folder / UNET, metadata={"format": "pt"})
    hashes.add(FolderCheckpoint(folder).hash())
    change(folder / "scheduler" / "scheduler_config.json", beta_end=0.013)
    hashes.add(FolderCheckpoint(folder).hash())
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\nd o\n")
    hashes.add(FolderCheckpoint(folder).hash())
    assert len(hashes) == 4


def test_fp16_files_are_taken_when_only_they_exist_and_run_in_float32(tmp_path: Path) -> None:
    backbone = load_backbone(
        str(write_checkpoint(tmp_path, kind="sd21", variant="fp16")), name="fp16", device="cpu", dtype="float32"
    )
    (row,) = backbone.encode_prompt(["the dog"])
    assert row.sequence.dtype == torch.float32
    assert {parameter.dtype for parameter in backbone._prompts.text_encoders[0].parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in backbone._unet.parameters()} == {torch.float32}


def test_plain_files_go_before_fp16_ones(folder: Path) -> None:
    before = FolderCheckpoint(folder).hash()
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"never read")
    assert FolderCheckpoint(folder).variant("unet") is None
    assert FolderCheckpoint(folder).hash() == before


def test_a_checkpoint_with_pickles_only_is_refused(folder: Path) -> None:
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickled"):
        find_checkpoint(str(folder))


def test_a_missing_weight_is_an_error_and_never_left_at_random(folder: Path) -> None:
    for name, lost in (
        ("text_encoder/model.safetensors", "text_model.final_layer_norm.weight"),
        (UNET, "conv_in.weight"),
    ):
        whole = (folder / name).read_bytes()
        weights = load_file(folder / name)
        del weights[lost]
        save_file(weights, folder / name, metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=lost.removeprefix("text_model.")):
            load_backbone(str(folder), name="broken", device="cpu")
        (folder / name).write_bytes(whole)


def test_a_truncated_weight_file_is_an_error_that_names_its_folder(folder: Path) -> None:
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="unet"):
        load_backbone(str(folder), name="broken", device="cpu")


def test_an_empty_folder_is_an_error_that_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model_index\.json"):
        find_checkpoint(str(tmp_path))


def test_a_folder_without_a_unet_is_an_error_that_says_so(folder: Path) -> None:
    shutil.rmtree(folder / "unet")
    with pytest.raises(CheckpointError, match="unet"):
        find_checkpoint(str(folder))


@pytest.mark.parametrize(
    ("file", "fields", "said"),
    [
        ("model_index.json", {"_class_name": "StableDiffusion3Pipeline"}, "StableDiffusion3Pipeline"),
        ("unet/config.json", {"in_channels": 9}, "inpainting"),
        ("scheduler/scheduler_config.json", {"rescale_betas_zero_snr": True}, "needs prediction_type"),
        ("scheduler/scheduler_config.json", {"trained_betas": [0.1] * 9 + [1.0]}, "end in noise alone"),
    ],
)
def test_another_kind_of_model_is_an_error_that_says_which(
    folder: Path, file: str, fields: dict[str, Any], said: str
) -> None:
    change(folder / file, **fields)
    with pytest.raises(CheckpointError, match=said):
        load_backbone(str(folder), name="other", device="cpu")


def test_a_name_that_is_neither_folder_nor_hub_name_is_an_error() -> None:
    with pytest.raises(CheckpointError, match="neither a folder, nor a file, nor a hub name"):
        find_checkpoint("/no/such/folder")


def test_a_hub_that_does_not_answer_is_one_error_that_says_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="'nobody/nothing' is no folder here, and the hub"):
        find_checkpoint("nobody/nothing", tmp_path)


def test_an_unknown_dtype_is_an_error_that_lists_the_known_ones(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="float16"):
        load_backbone(str(folder), name="odd", dtype="int8")
