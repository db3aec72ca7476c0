"""The tail prior: its file, what it guesses, and a personalization that begins there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from core.diffusion import hiper
from core.diffusion.backbone import Backbone, load_backbone
from core.diffusion.checkpoints import CheckpointError
from core.diffusion.learning.sources import Source
from core.diffusion.prior import Looking, LookingEncoder, Parts, PriorFileError, TailPrior, load_prior, save_prior
from core.models.parameters import PersonalizeParams
from tests.support.checkpoints import write_checkpoint
from worker.engine import Engine

POSITIONS = 3


def some_prior(width: int) -> TailPrior:
    """Return a prior that says something else of every picture."""
    torch.manual_seed(4)
    prior = TailPrior(32, (8, 16), 24, POSITIONS, width)
    nn.init.normal_(prior.out.weight, std=0.02)
    return prior


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("prior"), kind="sd15")


@pytest.fixture(scope="module")
def without(folder: Path) -> Backbone:
    return load_backbone(str(folder), name="without", device="cpu")


@pytest.fixture
def backbone(folder: Path, without: Backbone, tmp_path: Path) -> Backbone:
    own = shutil.copytree(folder, tmp_path / "model")
    save_prior(some_prior(without.width), own / "prior.safetensors")
    return load_backbone(str(own), name="with", device="cpu")


def test_a_file_brings_back_what_was_saved(tmp_path: Path) -> None:
    prior, images = some_prior(16), torch.rand(2, 3, 48, 48) * 2 - 1
    save_prior(prior, tmp_path / "prior.safetensors")
    again = load_prior(tmp_path / "prior.safetensors")
    assert again(images).shape == (2, POSITIONS, 16)
    torch.testing.assert_close(again(images), prior(images), atol=2e-2, rtol=2e-2)  # the file is float16
    assert not torch.equal(*again(images))


def test_one_that_looks_at_places_is_read_back_and_computes_as_its_backbone_does(tmp_path: Path) -> None:
    torch.manual_seed(4)
    prior = TailPrior(128, (8, 16), LookingEncoder.FEATURES, POSITIONS, 16, looking=True)
    nn.init.normal_(prior.out.weight, std=0.02)
    save_prior(prior, tmp_path / "prior.safetensors")
    again, images = load_prior(tmp_path / "prior.safetensors"), torch.rand(2, 3, 128, 128) * 2 - 1
    torch.testing.assert_close(again(images), prior(images), atol=2e-2, rtol=2e-2)  # the file is float16
    torch.testing.assert_close(again.double()(images.double()), again.float()(images).double(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(again.half()(images.half()).float(), prior(images), atol=5e-2, rtol=5e-2)


def test_what_looks_at_places_finds_a_thing_wherever_it_is() -> None:
    looking, spot = Looking(2, places=1, seen=2), torch.zeros(2, 2, 16, 16)
    with torch.no_grad():
        looking.where.weight.copy_(torch.tensor([40.0, 0]).view(1, 2, 1, 1))
    spot[0, :, 3, 12] = spot[1, :, 10, 0] = 1
    told = looking(spot).view(2, 6)
    torch.testing.assert_close(told[0, :2], told[1, :2], atol=1e-3, rtol=1e-3)  # what it is
    where = torch.tensor([[12 / 7.5 - 1, 3 / 7.5 - 1], [-1, 10 / 7.5 - 1]])  # right, down
    torch.testing.assert_close(told[:, 2:4], where, atol=1e-3, rtol=1e-3)


def measures(parts: Parts, *boxes: tuple[int, int, int, int]) -> Tensor:
    """Measure a subject of boxes (left, top, right, below), of part 1, 2, ... each: (parts, MEASURES)."""
    where = torch.zeros(1, 3, 32, 32)
    where[:, 0] = 1
    for part, (left, top, right, below) in enumerate(boxes, 1):
        where[:, :, top:below, left:right] = torch.eye(3)[part].view(1, 3, 1, 1)
    told: Tensor = parts(40 * where)[1].detach()
    return told[0, : -Parts.OVERALL].view(3, Parts.MEASURES)


def test_measures_of_parts_do_not_depend_on_where_it_stands_nor_how_large_it_is_nor_which_way_it_faces() -> None:
    parts = Parts(3, parts=3, seen=1, trunk=slice(1, 2), head=slice(2, 3))
    with torch.no_grad():
        parts.which.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
        parts.which.bias.zero_()
    there = measures(parts, (4, 10, 16, 18), (16, 6, 20, 10))
    elsewhere = measures(parts, (8, 15, 20, 23), (20, 11, 24, 15))
    leftwards = measures(parts, (16, 10, 28, 18), (12, 6, 16, 10))
    small, large = measures(parts, (8, 14, 14, 18), (14, 12, 16, 14)), there
    torch.testing.assert_close(elsewhere[1:], there[1:], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(leftwards[1:], there[1:], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(small[1:], large[1:], atol=0.15, rtol=0.05)  # 0.15: half a cell is more of a small one
    longer = measures(parts, (4, 10, 16, 18), (16, 2, 20, 10))
    assert float(longer[2, 3] - there[2, 3]) > 0.5  # the spread of the head, downwards
    assert float(longer[2, 5] - there[2, 5]) > 0.4  # its share


def test_one_that_looks_at_places_reads_128_pixels() -> None:
    with pytest.raises(ValueError, match="128 pixels"):
        TailPrior(64, (8, 16), LookingEncoder.FEATURES, POSITIONS, 16, looking=True)


def test_a_fresh_prior_adds_nothing() -> None:
    assert not TailPrior(32, (8, 16), 24, POSITIONS, 16)(torch.rand(1, 3, 32, 32)).any()


def test_the_halvings_must_lead_to_the_size() -> None:
    with pytest.raises(ValueError, match="2 halvings lead from 32 pixels"):
        TailPrior(64, (8, 16), 24, POSITIONS, 16)


@pytest.mark.parametrize("content", [b"no tensors", None])
def test_another_file_is_refused(tmp_path: Path, content: bytes | None, folder: Path) -> None:
    path = shutil.copytree(folder, tmp_path / "model") / "prior.safetensors"
    if content is None:
        save_file({"weight": torch.zeros(2)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(PriorFileError, match="no tail prior"):
        load_prior(path)
    with pytest.raises(CheckpointError, match=r"prior\.safetensors can't be loaded"):
        load_backbone(str(path.parent), name="broken", device="cpu")


def test_the_prior_is_no_part_of_the_models_hash(backbone: Backbone, without: Backbone) -> None:
    assert backbone.hash == without.hash
    assert (backbone.prior_positions, without.prior_positions) == (POSITIONS, 0)
    assert without.prior_sha256 is None
    assert backbone.prior_sha256 is not None
    with pytest.raises(ValueError, match="no tail prior"):
        without.guess_tails(torch.zeros(1, 3, 32, 32))


def begun(backbone: Backbone, where: str, *sources: Source) -> Tensor:
    """Return the tail (n, D) after a step that moves nothing."""
    engine = Engine(num_threads=1)
    engine.start()
    try:
        params = PersonalizeParams(beginning=where, positions=POSITIONS, steps=1, learning_rate=1e-9)
        job = hiper.personalize(sources=sources, params=params, schedule=backbone.schedule, seed=1)
        tail: Tensor = engine.submit(job, backbone=backbone, kind="personalize", name=where).result()
        return tail
    finally:
        engine.stop()


@pytest.mark.parametrize("prompts", [["the dog"], ["the dog", "a cat"]], ids=["one picture", "two pictures"])
def test_a_personalization_begins_where_the_prior_guesses(backbone: Backbone, prompts: list[str]) -> None:
    size, rng = backbone.image_size, torch.Generator().manual_seed(1)
    sources = [Source(torch.rand(3, size, size, generator=rng) * 2 - 1, prompt) for prompt in prompts]
    beginning = torch.stack([row.tail(POSITIONS) for row in backbone.encode_prompt(prompts)]).mean(0)
    torch.testing.assert_close(begun(backbone, "prompt", *sources), beginning, atol=1e-6, rtol=0)
    guessed = backbone.guess_tails(torch.stack([source.image for source in sources])).mean(0)
    assert guessed.abs().max() > 0.01
    torch.testing.assert_close(begun(backbone, "prior", *sources), beginning + guessed, atol=1e-5, rtol=0)
