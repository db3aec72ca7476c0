"""Writes what was trained as a pipeline folder, and takes such a folder up again."""

import json
import shutil
from pathlib import Path

import torch

from pretrain.captions.tokenizer import open_tokenizer
from pretrain.training.models import StableDiffusionPipeline, UNet2DConditionModel
from pretrain.training.schedule import schedule_for, scheduler_of
from pretrain.training.text import open_text
from pretrain.training.unet.names import NAMES_FILE
from pretrain.training.vae import open_vae
from pretrain.worlds import world_of

_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


def export(folder: Path, target: Path) -> None:
    """Write what was trained in `folder` into `target` as a StableDiffusionPipeline in fp16 safetensors.

    The judges and the prior go with it if there are any; other files in `target` (the model card) stay. ValueError for
    a UNet that was trained with another noise schedule.
    """
    schedule_for(folder)  # refuses weights that were trained with another
    target.mkdir(parents=True, exist_ok=True)
    pipeline = StableDiffusionPipeline(
        vae=open_vae(folder),
        text_encoder=open_text(folder),
        tokenizer=open_tokenizer(folder),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        scheduler=scheduler_of(world_of(folder)),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(torch.float16)
    for part in _PARTS:
        shutil.rmtree(target / part, ignore_errors=True)
    pipeline.save_pretrained(target)
    for name in ("vocab.json", "merges.txt"):  # the pipeline writes tokenizer.json alone
        shutil.copyfile(folder / "tokenizer" / name, target / "tokenizer" / name)
    if (folder / "judges").exists():
        shutil.copytree(folder / "judges", target / "judges", dirs_exist_ok=True)
    for name in ("prior.safetensors", NAMES_FILE):
        (target / name).unlink(missing_ok=True)
        if (folder / name).exists():
            shutil.copyfile(folder / name, target / name)
    for path in target.rglob("*.safetensors"):
        path.chmod(0o644)
    for path in (target / "model_index.json", *target.glob("*/config.json")):
        _forget_paths(path)


def reopen(source: Path, folder: Path) -> None:
    """Copy the parts and judges of a pipeline folder to `folder`, to train them further; FileExistsError if it has any.

    An exported model lacks the optimizers' states: each training begins anew, with its weights.
    """
    for part in (*_PARTS, "judges"):
        if (source / part).exists():
            shutil.copytree(source / part, folder / part)
    if (source / NAMES_FILE).exists():
        shutil.copyfile(source / NAMES_FILE, folder / NAMES_FILE)


def _forget_paths(path: Path) -> None:
    """Remove the name of the folder that the weights came from."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def megabytes(target: Path) -> float:
    """Return the size of all weights of a pipeline folder, in MB of a million bytes; the judges are no part of it."""
    return sum((path.stat().st_size for part in _PARTS for path in (target / part).glob("*.safetensors")), 0) / 1e6
