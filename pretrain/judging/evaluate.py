"""Measures an exported model with the judges: the figures of the model card."""

import json
import multiprocessing
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pretrain.captions.caption import Caption
from pretrain.drawing.pictures import Pictures, open_pictures, to_tensor
from pretrain.drawing.scenes import PLACES, POSES, STYLES, split_seed
from pretrain.drawing.sheet import sheet
from pretrain.judging.judges import accuracy, open_judges
from pretrain.menagerie.judge import Judge, open_judge
from pretrain.menagerie.judging import compare, measure
from pretrain.training.export import megabytes
from pretrain.training.parallel import settle
from pretrain.training.pipeline import Pipeline, open_pipeline
from pretrain.training.unet.names import NAMES_FILE, TAIL, open_names, with_tail_added
from pretrain.training.vae import psnr
from pretrain.worlds import CRITTERS, World, world_of

SHOWN = 48
KINDS = ("plain", "foreign_tail")
NAMED = "named"  # plain captions with the individuals' names behind them, where the UNet was taught names
COLORS = ("coat", "second", "third", "iris", "sky", "wear_color")  # which a sketch does not show
_FIRST = 1000  # the first ones' pictures were looked at while training


@dataclass(frozen=True)
class Prompt:
    """A caption of a scene that was not trained on, in the plain form or in full."""

    scene: Any
    caption: Caption


class Reader(Protocol):
    """A judge of any world."""

    def read(self, images: Tensor) -> list[dict[str, str]]:
        """images: (B, 3, size, size) in -1..1; the likeliest value of every attribute of each picture."""


def prompts(split: str, count: int, world: World = CRITTERS) -> list[Prompt]:
    """Return captions that ask for every pose, place and style equally often; half of them in the plain form."""
    found = []
    for index in range(count):
        seed = split_seed(split, _FIRST + index)
        rng = random.Random(seed + 0.75)
        place, style = PLACES[index % len(PLACES)], STYLES[index // len(PLACES) % len(STYLES)]
        pose = POSES[index // 54 % len(POSES)]
        scene = world.ask(seed, pose, place, style)
        full = world.caption(scene, rng)
        said = {"species": scene.who.species, "pose": pose, "place": place, "style": style}
        found.append(Prompt(scene, full if index % 2 else Caption(world.plain_caption(scene), said)))
    return found


def readings(judge: Reader, pictures: NDArray[np.uint8], asked: list[Prompt]) -> dict[str, float]:
    """Return, for each attribute, the share of pictures that show what their captions say of it."""
    right: dict[str, list[bool]] = {}
    seen = [row for first in range(0, len(pictures), 50) for row in judge.read(to_tensor(pictures[first : first + 50]))]
    for found, prompt in zip(seen, asked, strict=True):
        for name, value in prompt.caption.said.items():
            if prompt.caption.said["style"] != "sketch" or name not in COLORS:
                right.setdefault(name, []).append(found[name] == value)
    return {name: round(float(np.mean(values)), 4) for name, values in right.items()}


def foreign_tails(sequence: Tensor) -> Tensor:
    """Return (B, tokens, width) with the last five vectors of each row taken from another one."""
    return torch.cat([sequence[:, :-TAIL], sequence.roll(len(sequence) // 2 + 1, 0)[:, -TAIL:]], 1)


def names_of(model: Path, world: World, asked: list[Prompt]) -> Tensor:
    """Return the names of those whom prompts ask for, (B, TAIL, width): zeros for whom nobody knows."""
    told = [world.looks_of(prompt.scene) if world.looks_of else None for prompt in asked]
    nothing = [0.0] * sum(world.groups.values())
    found: Tensor = open_names(model / NAMES_FILE, world.groups)(torch.tensor([looks or nothing for looks in told]))
    return found


def seconds_per_edit(pipeline: Pipeline) -> float:
    """Return how long one picture of 25 steps with guidance takes with two threads, the best of three."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    sequence = pipeline.encode(["a sitting dog on the beach"])
    times = []
    for _ in range(3):
        started = time.perf_counter()
        pipeline.draw(sequence)
        times.append(time.perf_counter() - started)
    torch.set_num_threads(before)
    return round(min(times), 2)


def draw_samples(model: Path, folder: Path, count: int, split: str, processes: int = 2) -> None:
    """Draw every prompt plainly and with a foreign tail, into folder/plain.npy and folder/foreign_tail.npy."""
    kinds = (*KINDS, NAMED) if (model / NAMES_FILE).exists() else KINDS
    jobs = [(model, folder, count, split, kind) for kind in kinds]
    if processes == 1:
        for job in jobs:
            _draw_kind(job)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(_draw_kind, jobs, chunksize=1)


def _draw_kind(job: tuple[Path, Path, int, str, str]) -> None:
    settle()
    model, folder, count, split, kind = job
    pipeline = open_pipeline(model)
    world = world_of(folder)
    asked = prompts(split, count, world)
    if kind == NAMED:
        plain = pipeline.encode([world.plain_caption(prompt.scene) for prompt in asked])
        sequence = with_tail_added(plain, names_of(model, world, asked))
    else:
        sequence = pipeline.encode([prompt.caption.text for prompt in asked])
    pictures = pipeline.draw(foreign_tails(sequence) if kind == "foreign_tail" else sequence)
    np.save(folder / f"{kind}.npy", pictures)
    sheet([Image.fromarray(picture) for picture in pictures[:96]], 12).save(folder / f"{kind}.png")


def evaluate(model: Path, folder: Path, count: int, split: str, processes: int = 2) -> dict[str, object]:
    """Measure an exported model against its bars; writes folder/evaluation.json beside the samples."""
    draw_samples(model, folder, count, split, processes)
    pipeline, world = open_pipeline(model), world_of(folder)
    held = open_pictures(folder, "development" if split == "pretraining" else split)
    asked = prompts(split, count, world)
    judges, figures = _judges(model / "judges", held)
    report: dict[str, object] = {
        "split": split,
        "prompts": count,
        "psnr": round(psnr(pipeline.vae, to_tensor(held.images[:500])), 2),
        "megabytes": round(megabytes(model), 1),
        "seconds_per_edit": seconds_per_edit(pipeline),
        "judges": figures,
    }
    for kind in KINDS:
        pictures = np.load(folder / f"{kind}.npy")
        report[kind] = {name: readings(judge, pictures, asked) for name, judge in judges.items()}
    if (model / NAMES_FILE).exists():
        pictures = to_tensor(np.load(folder / f"{NAMED}.npy"))
        scenes = [prompt.scene for prompt in asked]
        report[NAMED] = {
            name: {key: round(value, 4) for key, value in compare(judge, pictures, scenes).items()}
            for name, judge in judges.items()
            if isinstance(judge, Judge)
        }
    (folder / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2), flush=True)
    return report


def _judges(folder: Path, held: Pictures) -> tuple[dict[str, Reader], dict[str, dict[str, float]]]:
    """Return a world's judges, those of them that are trained, and how well they read held-out drawings."""
    readers: dict[str, Reader] = {}
    figures = {}
    if held.world is CRITTERS:
        for name, judge in open_judges(folder).items():
            readers[name], figures[name] = judge, accuracy(judge, held, 1000)
        return readers, figures
    for name in ("a", "b"):
        path = folder / f"judge_{name}.safetensors"
        if not path.exists():
            continue
        other = open_judge(name, path)
        readers[name], figures[name] = other, measure(other, held.split, min(100, len(held)))
    return readers, figures


def show(model: Path, path: Path, split: str = "development", world: World = CRITTERS) -> None:
    """Write a sheet of 48 samples of an exported model."""
    pipeline = open_pipeline(model)
    asked = prompts(split, 10 * SHOWN, world)[3::10]
    pictures = pipeline.draw(pipeline.encode([prompt.caption.text for prompt in asked]))
    sheet([Image.fromarray(picture) for picture in pictures]).save(path)
    for prompt in asked:
        print(prompt.caption.text)
