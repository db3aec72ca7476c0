import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from core.diffusion.prior import load_prior
from pretrain import stages
from pretrain.captions.caption import ATTRIBUTES
from pretrain.drawing.pictures import draw_pictures, open_pictures
from pretrain.drawing.render import render
from pretrain.judging.evaluate import evaluate, foreign_tails, prompts, readings, show
from pretrain.judging.judge import judge_a, open_judge
from pretrain.judging.judges import open_judges
from pretrain.training.export import megabytes
from pretrain.training.pipeline import open_pipeline


@pytest.fixture(scope="module", autouse=True)
def few_sampling_steps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pretrain.training.sampling.SAMPLING_STEPS", 2)
        yield


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    """A whole small run: every stage from nothing to an exported model, two steps each."""
    folder = tmp_path_factory.mktemp("run")
    found = Namespace(
        work=folder / "work", out=folder / "model", steps=2, minutes=None, anneal=0.5, rate=1e-3, pictures=16,
        processes=1, threads=1, count=4, split="development", world="critters", bfloat16=False,
    )  # fmt: skip
    threads = torch.get_num_threads()
    draw_pictures(found.work, "development", 16, processes=1)
    draw_pictures(found.work, "pretraining", 16, processes=1)
    for stage in (stages.tokenizer, stages.vae, stages.text, stages.latents, stages.unet, stages.decoder):
        stage(found)
    stages.judges(found)
    stages.reader(found)
    stages.prior(found)
    stages.write(found)
    torch.set_num_threads(threads)
    return found


def test_drawn_pictures_are_those_of_their_scenes(options: Namespace) -> None:
    pictures = open_pictures(options.work, "pretraining")
    assert len(pictures) == 16
    assert np.array_equal(pictures.images[7], np.asarray(render(pictures.scene(7))))


def test_the_prior_keeps_its_reader_and_learns_to_guess(options: Namespace) -> None:
    prior = load_prior(options.out / "prior.safetensors")
    reader = open_judge("reader", options.work / "judges" / "judge_reader.safetensors")
    for name, weight in reader.body.state_dict().items():
        torch.testing.assert_close(prior.encoder.state_dict()[name], weight, atol=1e-3, rtol=1e-2)
    assert prior(torch.zeros(1, 3, 64, 64)).any()


def test_what_is_exported_is_a_stable_diffusion_pipeline(options: Namespace) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(options.out, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline("a sitting dog", num_inference_steps=2, height=64, width=64, output_type="np").images
    assert images.shape == (1, 64, 64, 3)
    assert 0 < megabytes(options.out) <= 60
    files = {path.name for path in (options.out / "tokenizer").iterdir()}
    assert files >= {"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"}


def test_no_path_of_this_machine_is_exported(options: Namespace) -> None:
    for path in options.out.rglob("*.json"):
        assert str(options.work) not in path.read_text(encoding="utf-8")


def test_a_finished_stage_is_taken_up_and_changes_nothing(options: Namespace) -> None:
    before = (options.work / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    stages.unet(options)
    assert (options.work / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() == before


def test_the_decoder_trains_on_without_moving_the_latents(options: Namespace) -> None:
    latents = np.load(options.work / "pretraining-latents.npy")
    (options.work / "pretraining-latents.npy").unlink()
    stages.latents(options)
    assert np.array_equal(np.load(options.work / "pretraining-latents.npy"), latents)


def test_the_same_seed_gives_the_same_sample(options: Namespace) -> None:
    pipeline = open_pipeline(options.out)
    sequence = pipeline.encode(["a standing dog", "a sitting dog"])
    assert np.array_equal(pipeline.draw(sequence, 5), pipeline.draw(sequence, 5))


def test_a_foreign_tail_changes_the_last_five_vectors_only() -> None:
    sequence = torch.randn(6, 32, 8)
    swapped = foreign_tails(sequence)
    assert torch.equal(swapped[:, :-5], sequence[:, :-5])
    assert (swapped[:, -5:] != sequence[:, -5:]).any(2).any(1).all()


def test_judges_are_read_back_as_they_were_written(options: Namespace) -> None:
    judges = open_judges(options.out / "judges")
    found = judges["b"].read(torch.zeros(2, 3, 64, 64))
    assert len(found) == 2
    assert all(row[name] in ATTRIBUTES[name] for row in found for name in row)
    _, vectors = judges["a"](torch.randn(3, 3, 64, 64))
    assert vectors.norm(dim=1).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_the_evaluation_reports_every_bar(options: Namespace) -> None:
    report = evaluate(options.out, options.work, 3, "development", processes=1)
    assert {"psnr", "megabytes", "seconds_per_edit", "judges", "plain", "foreign_tail"} <= set(report)
    assert json.loads((options.work / "evaluation.json").read_text(encoding="utf-8")) == report


def test_prompts_ask_for_every_scene_equally_often() -> None:
    asked = prompts("development", 540)
    for name, values in (("pose", 5), ("place", 9), ("style", 6)):
        counts = {value: sum(getattr(item.scene, name) == value for item in asked) for value in ATTRIBUTES[name]}
        assert len(counts) == values
        assert max(counts.values()) == min(counts.values())


def test_readings_are_shares_of_what_was_asked_for() -> None:
    asked = prompts("development", 8)
    found = readings(judge_a().eval(), np.zeros((8, 64, 64, 3), np.uint8), asked)
    assert {"species", "pose", "style"} <= set(found)
    assert all(0 <= share <= 1 for share in found.values())


def test_the_sheet_of_samples(options: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pretrain.judging.evaluate.SHOWN", 2)
    show(options.out, tmp_path / "samples.png")
    assert (tmp_path / "samples.png").stat().st_size > 0
    assert "_name_or_path" not in json.loads((options.out / "unet" / "config.json").read_text(encoding="utf-8"))


def test_an_exported_model_can_be_trained_further(options: Namespace, tmp_path: Path) -> None:
    stages.begin(Namespace(out=options.out, work=tmp_path))
    stages.draw(Namespace(**vars(options) | {"work": tmp_path, "pictures": 2}))
    stages.latents(Namespace(**vars(options) | {"work": tmp_path, "pictures": 2}))
    before = torch.load(options.work / "unet.pt", weights_only=True)["average"]["unet.conv_in.weight"]
    stages.unet(Namespace(**vars(options) | {"work": tmp_path, "pictures": 2, "steps": 1, "anneal": 0.0}))
    after = torch.load(tmp_path / "unet.pt", weights_only=True)["module"]["unet.conv_in.weight"]
    assert 0 < (after - before).abs().max() < 1e-2  # fp16 and one step away from where it was, not from new weights


def test_a_training_under_way_is_not_overwritten(options: Namespace) -> None:
    with pytest.raises(FileExistsError):
        stages.begin(Namespace(out=options.out, work=options.work))
