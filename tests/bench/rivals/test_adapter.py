"""The zero-shot adapter: it begins with the text's keys and values, its training goes on, it leaves no trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.rivals.adapter.method import ZeroShot
from bench.rivals.adapter.network import PictureAdapter, cross_attentions, installed, load_adapter, save_adapter
from bench.rivals.adapter.training import draw_individuals, new_adapter, train_adapter
from bench.rivals.method import Stage, Subject
from bench.rivals.plain import Plain
from bench.trials.studio import CRITTERS
from core.diffusion.backbone import load_backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.prior import LookingEncoder, TailPrior
from pretrain.training.trainer import Budget
from pretrain.worlds import CRITTERS as WORLD
from tests.bench.rivals.support import ASKS, fingerprint, open_stage, shots


def tiny_adapter(stage: Stage) -> PictureAdapter:
    """Return an adapter with random values, so that a picture matters."""
    torch.manual_seed(1)
    config = {"size": 16, "widths": [8], "features": 12}
    layers = cross_attentions(stage.backbone._unet)
    adapter = PictureAdapter(config, 4, stage.backbone.width, layers, stage.backbone.sequence_length)
    for value in adapter.values:
        torch.nn.init.normal_(value.weight)  # type: ignore[arg-type]
    return adapter.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("tiny")
    stage = open_stage(folder / "model")
    save_adapter(tiny_adapter(stage), folder / "adapter.safetensors")
    return replace(stage, adapter=folder / "adapter.safetensors")


def test_the_backbone_is_afterwards_what_it_was(stage: Stage) -> None:
    before, processors = fingerprint(stage), dict(stage.backbone._unet.attn_processors)
    plain = Plain().draw(stage, Subject(shots(stage)), ASKS)
    method = ZeroShot()
    method.draw(stage, method.learn(stage, shots(stage), 0), ASKS)
    assert fingerprint(stage) == before
    assert stage.backbone._unet.attn_processors == processors
    assert np.array_equal(Plain().draw(stage, Subject(shots(stage)), ASKS), plain)


def test_pictures_of_others_give_other_pictures_and_no_scale_the_plain_one(stage: Stage) -> None:
    mine, its = (ZeroShot().learn(stage, shots(stage, seed=seed), 0) for seed in (1, 2))
    assert not np.array_equal(ZeroShot().draw(stage, mine, ASKS), ZeroShot().draw(stage, its, ASKS))
    plain = Plain().draw(stage, mine, ASKS)
    without = ZeroShot(scale=0).draw(stage, mine, ASKS)
    assert np.abs(without.astype(int) - plain).max() <= 1


def test_rows_with_and_without_a_picture_stand_apart(stage: Stage) -> None:
    """The attention to the text is the frozen one's, and a row without a picture goes as in the frozen model."""
    backbone, adapter = stage.backbone, load_adapter(stage.adapter or Path())
    latents, timesteps = torch.randn(1, *backbone.latent_shape), torch.tensor([500])
    text = Conditioning(backbone.encode_prompt(["a dog"])[0].sequence[None])
    with torch.no_grad():
        frozen = backbone.predict(latents, timesteps, text)
        with installed(backbone._unet, adapter, 1.0):
            torch.testing.assert_close(backbone.predict(latents, timesteps, text), frozen, rtol=1e-4, atol=1e-5)
            longer = Conditioning(torch.cat([text.sequence, torch.randn(1, 4, backbone.width)], 1))
            assert not torch.allclose(backbone.predict(latents, timesteps, longer), frozen, atol=1e-3)


def test_of_several_pictures_it_keeps_the_mean_and_a_few_bytes(stage: Stage) -> None:
    several = shots(stage, 3)
    subject = ZeroShot().learn(stage, several, 0)
    assert subject.bytes_kept == 2 * 4 * stage.backbone.width
    each = [ZeroShot().learn(stage, replace(several, sources=[source]), 0) for source in several.sources]
    mean = torch.stack([one.kept["vectors"] for one in each]).mean(0)
    torch.testing.assert_close(subject.kept["vectors"], mean)


def test_a_file_of_another_model_is_refused(stage: Stage, tmp_path: Path) -> None:
    adapter = load_adapter(stage.adapter or Path())
    adapter.config["layers"] = {"elsewhere": 8}
    with pytest.raises(ValueError, match="other layers"), installed(stage.backbone._unet, adapter, 1.0):
        pass
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="holds no adapter"):
        load_adapter(tmp_path / "x.safetensors")
    with pytest.raises(SystemExit, match="needs a file"):
        ZeroShot().learn(replace(stage, adapter=None), shots(stage), 0)


def test_training_is_taken_up_where_it_stopped_and_moves_the_adapter_alone(tmp_path: Path) -> None:
    backbone = load_backbone(str(CRITTERS), name="bench")
    before = backbone._unet.state_dict()["conv_in.weight"].clone()
    individuals = draw_individuals(backbone, WORLD, 6, tmp_path)
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    fresh = new_adapter(backbone)

    train_adapter(backbone, individuals, 2, Budget(steps=2, anneal=0), whole)
    for steps in (1, 2):
        train_adapter(backbone, draw_individuals(backbone, WORLD, 6, tmp_path), 2, Budget(steps=steps, anneal=0), parts)

    assert whole.read_bytes() == parts.read_bytes()
    assert torch.equal(backbone._unet.state_dict()["conv_in.weight"], before)
    first = backbone._unet.get_submodule(fresh.names[0].removesuffix(".processor"))
    assert torch.equal(fresh.keys[0].weight, first.to_k.weight)  # type: ignore[arg-type]
    assert torch.equal(fresh.values[0].weight, first.to_v.weight)  # type: ignore[arg-type]
    trained = load_adapter(whole)
    moved = torch.load(whole.with_suffix(".pt"), weights_only=True)["module"]
    for name in ("keys.0.weight", "values.0.weight", "norm.weight"):
        assert not torch.equal(moved[name], fresh.state_dict()[name])
    seen = fresh.encoder.state_dict()
    for name, tensor in trained.encoder.state_dict().items():  # the prior's encoder stays as it was
        torch.testing.assert_close(tensor, seen[name], rtol=1e-3, atol=1e-3)


def test_it_sees_as_a_prior_does_that_looks_at_places(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = stage.backbone
    prior = TailPrior(128, (8, 16), LookingEncoder.FEATURES, 3, backbone.width, looking=True).half().float()
    monkeypatch.setattr(backbone, "_prior", prior)
    adapter = new_adapter(backbone)
    assert not any(weight.requires_grad for weight in adapter.encoder.parameters())
    save_adapter(adapter, tmp_path / "adapter.safetensors")
    again, images = load_adapter(tmp_path / "adapter.safetensors"), torch.rand(2, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        for one in (adapter, again):
            torch.testing.assert_close(one.encoder(images), prior.encoder(images))
        torch.testing.assert_close(again(images), adapter(images), atol=2e-2, rtol=2e-2)  # the file is float16
