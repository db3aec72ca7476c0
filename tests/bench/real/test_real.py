"""The whole command on tiny random checkpoints in the layouts of real ones, and a folder of photographs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

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
from bench.real.metrics import Clip, Dino
from bench.real.subjects import read_subjects
from tests.support.checkpoints import write_checkpoint, write_tokenizer

VISION = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


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


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *methods: str) -> dict[str, Any]:
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
        arguments += [f"--{name}", str(folder / name)]
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
    for row in first.values():
        assert all(-100 <= row["figures"][name]["mean"] <= 100 for name in ("text", "clip", "dino"))
        assert row["seconds"] > 0
        assert row["memory"] > 1e6
    assert first[methods[0]]["fast_leads"]["text"]["mean"] == 0
    assert first["plain"]["bytes_kept"] == 0
    assert "DINO" in capsys.readouterr().out


def test_a_picture_of_the_subject_itself_is_most_like_it(folder: Path) -> None:
    device = torch.device("cpu")
    pictures = [Image.open(folder / "subjects" / "rex" / f"{n}.png").convert("RGB") for n in (0, 1)]
    for model in (Clip(folder / "clip", device), Dino(folder / "dino", device)):
        vectors = torch.nn.functional.normalize(model.pictures(pictures), dim=1)
        assert float((vectors[0] * vectors[0]).sum()) == pytest.approx(1, abs=1e-5)
        assert float((vectors[0] * vectors[1]).sum()) < 1
    clip = Clip(folder / "clip", device)
    assert clip.texts(["a dog", "the cat " * 60]).shape == clip.pictures(pictures).shape


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
