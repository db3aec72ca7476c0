"""The trainings run on the menagerie, from drawings to an exported pipeline, and a folder knows its world."""

from __future__ import annotations

import json
from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from bench.quality import compare, show_slopes
from bench.trials.trial import Setting, over_processes
from bench.trials.variants import read_variant
from core.diffusion.prior import load_prior
from core.models.recipes import recipes_for
from pretrain import stages
from pretrain.captions.tokenizer import train_tokenizer
from pretrain.drawing.pictures import draw_pictures, open_pictures
from pretrain.judging.network import save_judge
from pretrain.judging.round_trips import round_trips
from pretrain.menagerie.judge import FEATURES, judge_b, open_judge
from pretrain.training.export import megabytes
from pretrain.training.latents import encode_pictures, judge_pictures, open_latents
from pretrain.training.parallel import has_bfloat16
from pretrain.training.unet import misaligned, open_names
from pretrain.worlds import CRITTERS, MENAGERIE, choose_world, world_of, world_of_model


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    """A whole small run, a step or two each."""
    folder = tmp_path_factory.mktemp("run")
    found = Namespace(
        work=folder / "work", out=folder / "model", steps=1, minutes=None, anneal=0.5, rate=1e-3, pictures=8,
        processes=1, threads=1, world="menagerie", judge="ab", split="development", count=3,
        bfloat16=has_bfloat16(),  # where it is imitated it takes minutes
    )  # fmt: skip
    choose_world(found.work, "menagerie")
    for split in ("development", "pretraining"):
        draw_pictures(found.work, split, 4, processes=1)
    train_tokenizer(found.work, captions=300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pretrain.training.sampling.SAMPLING_STEPS", 2)
        patch.setattr("pretrain.menagerie.lessons.GROUPS", 2)
        patch.setattr("pretrain.menagerie.judging.MEASURED", 2)
        for stage in (stages.vae, stages.whiten, stages.text, stages.judges, stages.latents):
            stage(found)
        judge_pictures(found.work, "pretraining", judge_b().requires_grad_(False).features, FEATURES)
        patch.setattr("pretrain.training.prior.HELD_OUT", 2)
        patch.setattr("pretrain.training.prior._CHUNK", 2)
        patch.setattr("pretrain.training.naming.STEPS", 3)
        patch.setattr("pretrain.training.unet.wording.CAPTIONS", 20)
        patch.setattr("pretrain.training.unet.wording.STEPS", 3)
        for stage in (stages.unet, stages.reader, stages.prior):
            stage(found)
    stages.write(found)
    return found


def test_what_is_exported_is_a_stable_diffusion_pipeline_of_128_px(options: Namespace) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(options.out, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline("a sitting dog", num_inference_steps=2, height=128, width=128, output_type="np").images
    assert images.shape == (1, 128, 128, 3)
    assert pipeline.tokenizer.model_max_length == 40
    assert 0 < megabytes(options.out) <= 80


def test_drawn_pictures_are_those_of_their_scenes(options: Namespace) -> None:
    pictures = open_pictures(options.work, "pretraining")
    assert pictures.images.shape == (4, 128, 128, 3)
    assert np.array_equal(pictures.images[3], np.asarray(MENAGERIE.draw(pictures.scene(3))[0]))


def test_the_unet_is_aligned_with_what_a_judge_sees(options: Namespace) -> None:
    data = open_latents(options.work, "pretraining")
    judged = data.judgement([0, 3])
    assert judged.shape == (2, FEATURES, 8, 8)
    assert misaligned(judged, judged) == pytest.approx(0, abs=1e-5)
    assert misaligned(-judged, judged) == pytest.approx(2, abs=1e-5)
    names = torch.load(options.work / "unet.pt", weights_only=True)["module"]
    assert any(name.startswith("judged.") for name in names)
    with pytest.raises(ValueError, match="no judge"):
        open_latents(options.work, "development").judgement([0])


def test_the_unet_learns_names_and_the_prior_begins_with_them(options: Namespace) -> None:
    names = open_names(options.work / "names.safetensors", MENAGERIE.groups)
    fresh = torch.load(options.work / "unet.pt", weights_only=True)["average"]["names.inner.0.weight"]
    torch.testing.assert_close(names.inner[0].weight, fresh, atol=1e-3, rtol=1e-2)
    assert (options.out / "names.safetensors").read_bytes() == (options.work / "names.safetensors").read_bytes()
    data = open_latents(options.work, "pretraining")
    told = data.told([0, 1])
    assert torch.equal(told[0], told[1])  # a pair shares its looks
    assert not data.told([2]).isnan().any()
    begun = torch.load(options.work / "prior.pt", weights_only=True)["module"]
    assert begun["out.weight"].abs().max() > 2e-3  # more than one step at the prior's rate makes


def test_encoding_that_was_stopped_is_taken_up(options: Namespace, tmp_path: Path) -> None:
    whole = np.load(options.work / "development-latents.npy")
    begun = whole.copy()
    begun[2:] = 0
    for name in ("vae", "tokenizer", "world.txt", "development-images.npy", "development-parts.npy"):
        (tmp_path / name).symlink_to(options.work / name)
    np.save(tmp_path / "development-latents.npy", begun)
    (tmp_path / "development-latents.npy").rename(tmp_path / "development-latents.unfinished")
    before = begun[0] + 1  # kept as it is, so it isn't encoded again
    stopped = np.load(tmp_path / "development-latents.unfinished", mmap_mode="r+")
    stopped[0] = before
    del stopped
    encode_pictures(tmp_path, "development", 4, processes=2, batch=2)
    found = np.load(tmp_path / "development-latents.npy")
    assert np.array_equal(found[0], before)
    assert np.allclose(found[1:], whole[1:], atol=1e-2)


def test_the_prior_sees_with_the_readers_encoder_and_is_exported_with_the_model(options: Namespace) -> None:
    prior = load_prior(options.out / "prior.safetensors")
    reader = open_judge("reader", options.work / "judges" / "judge_reader.safetensors")
    for name, weight in reader.encoder.state_dict().items():
        torch.testing.assert_close(prior.encoder.state_dict()[name], weight, atol=1e-3, rtol=1e-2)
    assert prior(torch.zeros(1, 3, 128, 128)).any()


def test_a_work_folder_is_of_one_world(options: Namespace, tmp_path: Path) -> None:
    assert world_of(options.work) is MENAGERIE
    assert world_of(tmp_path) is CRITTERS
    with pytest.raises(ValueError, match="another world, menagerie"):
        choose_world(options.work, "critters")


def test_taking_up_a_model_makes_the_work_folder_one_of_its_world(options: Namespace, tmp_path: Path) -> None:
    stages.begin(Namespace(out=options.out, work=tmp_path / "again"))
    assert world_of(tmp_path / "again") is MENAGERIE
    (tmp_path / "strange" / "vae").mkdir(parents=True)
    (tmp_path / "strange" / "vae" / "config.json").write_text('{"latent_channels": 7}', encoding="utf-8")
    with pytest.raises(ValueError, match="latents of 7 channels"):
        world_of_model(tmp_path / "strange")


def test_the_evaluation_reports_every_bar(options: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pretrain.training.sampling.SAMPLING_STEPS", 2)
    stages.measure(options)
    report = json.loads((options.work / "evaluation.json").read_text(encoding="utf-8"))
    assert {"psnr", "megabytes", "seconds_per_edit", "judges", "plain", "foreign_tail"} <= set(report)
    assert {"again", "again, photo", "words", "numbers"} == set(report["judges"]["b"])
    assert {"species", "pose", "place", "style"} <= set(report["plain"]["a"])
    assert {"coat", "face", "wear", "numbers"} <= set(report["named"]["a"])


def test_judges_also_see_what_the_vae_makes_of_drawings(options: Namespace) -> None:
    drawn = np.load(options.work / "look-alikes.npy").reshape(-1, 128, 128, 3)
    decoded = round_trips(options.work, drawn)
    assert decoded.shape == drawn.shape
    assert not np.array_equal(decoded, drawn)


def test_the_judge_lies_in_the_exported_folder(options: Namespace) -> None:
    assert (options.out / "judges" / "judge_b.safetensors").stat().st_size < 10_000_000
    save_judge(judge_b(), options.work / "again.safetensors")
    assert (options.work / "again.safetensors").exists()


def test_the_quality_bench_runs_on_what_is_exported(options: Namespace, capsys: pytest.CaptureFixture[str]) -> None:
    variant = read_variant("paper steps=1 num_inference_steps=1 pictures=2", recipes_for(options.out))
    work = partial(compare, variants=[variant], scales=[], training_seeds=1, references=True)
    rows = over_processes(Setting(options.out, "development", "b", 2, 1, None, "menagerie"), work, 1)
    ways = [row.way for row in rows]
    assert ways[:5] == [
        "no tail", "its looks in the prompt", "its own name", "the truth through the VAE", "the truth in another scene",
    ]  # fmt: skip
    assert {"identity", "alike", "precision", "text", "leak place"} <= set(rows[0].shares)
    show_slopes(rows)
    assert "ear_length" in capsys.readouterr().out
