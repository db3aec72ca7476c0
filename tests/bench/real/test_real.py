"""The whole command on tiny random checkpoints in the layouts of real ones, and a folder of photographs."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from bench.real import __main__ as real
from bench.real.figures import likenesses
from bench.real.metrics import Clip, Dino
from bench.real.runs import Cost, Made, make
from bench.real.subjects import read_subjects, square
from bench.rivals.lines import Entry
from bench.rivals.method import Shots, Stage, Subject
from bench.rivals.plain import Plain
from bench.trials.studio import Studio
from core.diffusion.backbone import load_backbone
from core.models.parameters import EditParams
from tests.support.checkpoints import write_checkpoint, write_tokenizer

VISION = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip
LEARNED: list[tuple[int, bool]] = []


def write_clip(folder: Path) -> Path:
    """Write a CLIP of some thousand random weights."""
    torch.manual_seed(0)
    vocab = write_tokenizer(folder, pad="<|endoftext|>")
    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config: Any = CLIPConfig(
        text_config=CLIPTextConfig(**text, vocab_size=len(vocab), max_position_embeddings=77).to_dict(),
        vision_config=CLIPVisionConfig(**VISION).to_dict(),
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(folder)
    processor: Any = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    return folder


def write_dino(folder: Path) -> Path:
    """Write a vision transformer of some thousand random weights."""
    torch.manual_seed(0)
    config: Any = ViTConfig(**VISION)
    ViTModel(config).save_pretrained(folder)
    processor: Any = ViTImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    return folder


def write_subject(folder: Path, noun: str, pictures: int, **about: Any) -> None:
    """Write a subject's folder with pictures of noise."""
    folder.mkdir(parents=True)
    rng = torch.Generator().manual_seed(len(noun))
    for number in range(pictures):
        pixels = torch.randint(0, 256, (40, 50, 3), generator=rng, dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
    targets = [f"a {noun} sitting", f"the {noun}"]
    (folder / "subject.json").write_text(json.dumps({"noun": noun, "prompt": f"a {noun}", "targets": targets} | about))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    write_checkpoint(folder / "model", kind="sd15")
    write_clip(folder / "clip")
    write_dino(folder / "dino")
    write_subject(folder / "subjects" / "rex", "dog", 2)
    write_subject(folder / "subjects" / "tom", "cat", 1)
    return folder


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *methods: str, **others: Path) -> dict[str, Any]:
    """Run the command, and return what it wrote by the method's line."""
    arguments = [
        "--sampling-seeds",
        "1",
        "--threads",
        "1",
        "--keep",
        str(folder / "keep"),
        "--out",
        str(folder / "out"),
    ]
    for name in ("model", "subjects", "clip", "dino"):
        arguments += [f"--{name}", str(others.get(name, folder / name))]
    monkeypatch.setattr(sys, "argv", ["bench.real", *arguments, "--methods", *methods])
    real.main()
    return {row["line"]: row for row in json.loads((folder / "out" / "real.json").read_text())["rows"]}


def test_every_method_is_measured_and_taken_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = [
        "fast steps=2 num_inference_steps=2", "plain", "sdedit", "inversion steps=2 rows=1",
        "dreambooth steps=2 class_pictures=1", "lora steps=2 pictures=2",
        "imagic steps=2 tuning_steps=1",
    ]  # fmt: skip
    threads = torch.get_num_threads()
    try:
        first = run(folder, monkeypatch, *methods)
        kept = {path: path.stat().st_mtime_ns for path in (folder / "keep").rglob("*.png")}
        again = run(folder, monkeypatch, *methods)
    finally:
        torch.set_num_threads(threads)

    assert list(first) == methods
    assert len(kept) == 2 * len(methods)
    assert {path: path.stat().st_mtime_ns for path in (folder / "keep").rglob("*.png")} == kept
    assert again == first
    lead = first[methods[0]]  # no line is `fast` alone, so it is the first one's
    for row in first.values():
        for name in ("text", "clip", "dino"):
            means = [of["figures"][name]["mean"] for of in (lead, row)]
            assert row["fast_leads"][name]["mean"] == pytest.approx(means[0] - means[1], abs=0.02)  # each rounded
        assert row["seconds"] > 0
        assert row["memory"] > 1e6
    assert len({row["figures"]["text"]["mean"] for row in first.values()}) > 1
    assert first["plain"]["bytes_kept"] == 0
    shown = capsys.readouterr().out
    assert "DINO" in shown
    each = [line for line in shown.splitlines() if "a prompt" in line]  # in both runs
    assert len(each) == 2
    assert all("imagic" in line for line in each)
    assert [row["line"] for row in first.values() if row["picture"] is None] == methods[-1:]


def test_a_copy_of_a_picture_is_most_like_that_picture(folder: Path, tmp_path: Path) -> None:
    device = torch.device("cpu")
    pictures = [Image.open(folder / "subjects" / "rex" / f"{n}.png").convert("RGB") for n in (0, 1)]
    pictures[0].save(tmp_path / "copy.jpg", quality=95, subsampling=0)
    copy = Image.open(tmp_path / "copy.jpg")
    for model in (Clip(folder / "clip", device), Dino(folder / "dino", device)):
        vectors = model.pictures(pictures)
        [[same], [other]] = (likenesses(model.pictures([copy]), vectors[n : n + 1]) for n in (0, 1))
        assert other < same < 1
    clip = Clip(folder / "clip", device)
    assert clip.texts(["a dog", "the cat " * 60]).shape == clip.pictures(pictures).shape


def test_the_figures_of_the_photographs_themselves(folder: Path) -> None:
    """Asked for two pictures, it hands in its two photographs: each is itself, and as like the other as they are."""
    [rex, _], device = read_subjects(folder / "subjects"), torch.device("cpu")
    clip, dino = Clip(folder / "clip", device), Dino(folder / "dino", device)
    pictures = [square(path, 16) for path in rex.pictures]
    made = Made(np.stack([np.asarray(picture) for picture in pictures]), Cost(1, 1, 1, 1))
    found = real.measure(clip, dino, rex, made, 1)
    for name, vectors in (("clip", clip.pictures(pictures)), ("dino", dino.pictures(pictures))):
        between = float(torch.cosine_similarity(vectors[0], vectors[1], dim=0))
        assert between < 0.9999
        assert found[name] == pytest.approx([(1 + between) / 2] * 2, abs=1e-5)
    texts = clip.texts(["a dog sitting", "the dog"])
    own = torch.cosine_similarity(clip.pictures(pictures), texts, dim=1).tolist()
    assert found["text"] == pytest.approx(own, abs=1e-5)


@dataclass(frozen=True)
class Classy(Plain):
    """Needs pictures of its class, which all subjects share; notes its steps, and whether they were there."""

    steps: int = 100

    lengths = ("steps",)

    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:  # noqa: ARG002 - as every method's
        LEARNED.append((self.steps, "class" in stage.shared))
        stage.shared["class"] = torch.zeros(1)
        return Subject(shots)


def test_the_class_pictures_are_there_before_anything_is_timed(folder: Path, tmp_path: Path) -> None:
    backbone = load_backbone(str(folder / "model"), name="tiny")
    stage = Stage(Studio(backbone, quiet=True, threads=1), EditParams(num_inference_steps=1))
    rex, _ = read_subjects(folder / "subjects")
    LEARNED.clear()
    make(stage, Entry("classy", Classy()), rex, 1, tmp_path)
    assert LEARNED == [(1, False), (100, True)]
    make(stage, Entry("classy", Classy()), replace(rex, noun="hound"), 1, tmp_path)
    assert len(LEARNED) == 4  # another noun, another subject
    other = Stage(Studio(backbone, quiet=True, threads=2), stage.edit)
    make(other, Entry("classy", Classy()), rex, 1, tmp_path)
    assert len(LEARNED) == 6  # other threads, other seconds
    make(stage, Entry("classy", Classy()), rex, 1, tmp_path)
    assert len(LEARNED) == 6


def test_a_folder_that_is_missing_is_said_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "load_backbone", None)  # nothing is loaded before
    with pytest.raises(SystemExit, match=r"there is no folder .*nowhere"):
        run(folder, monkeypatch, "plain", dino=folder / "nowhere")


def test_what_is_wrong_with_a_subject_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no folder with pictures"):
        read_subjects(tmp_path)
    write_subject(tmp_path / "a", "dog", 2, prompts=["a dog"])
    with pytest.raises(SystemExit, match="2 pictures, 1 prompts"):
        read_subjects(tmp_path)
    write_subject(tmp_path / "0", "dog", 1, targets=["a cat"])
    with pytest.raises(SystemExit, match="no word 'dog'"):
        read_subjects(tmp_path)
    write_subject(tmp_path / "others" / "b", "dog", 1, worded=["a red dog"])
    with pytest.raises(SystemExit, match="1 worded"):
        read_subjects(tmp_path / "others")


def test_pictures_are_cut_to_squares_of_the_models_size(folder: Path) -> None:
    rex, tom = read_subjects(folder / "subjects")
    assert (rex.name, len(rex.pictures), tom.noun) == ("rex", 2, "cat")
    mine = rex.shots(1, 16)
    assert mine.sources[0].image.shape == (3, 16, 16)
    assert [ask.prompt for ask in rex.asks(2)] == ["a dog sitting"] * 2 + ["the dog"] * 2
