"""Names of individuals: they tell all looks, stand behind prompts while the UNet learns, and a prior learns them."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import REPOSITORY
from core.diffusion.prior import TailPrior
from pretrain.captions.tokenizer import open_tokenizer
from pretrain.menagerie.individual import BACKS, CUTS, FACES, FRONTS, Individual, look_alike, random_individual
from pretrain.menagerie.looks import LOOKS
from pretrain.menagerie.names import GROUPS, WIDTH, looks_as_numbers, said_as_numbers
from pretrain.menagerie.scenes import random_scene
from pretrain.training.models import CLIPTextModel
from pretrain.training.naming import teach_names
from pretrain.training.unet import TAIL, Names, hidden, mix_tails, open_names, save_names, wording
from pretrain.worlds import MENAGERIE


def _everything() -> Individual:
    """Return an individual that has all that can be told at once."""
    who = random_individual(random.Random(4))
    return replace(
        who, face="mask", front="bib", back="blots", socks=True, tip=True, ears=True, wear="hat", cut=1
    )  # fmt: skip


def test_a_name_tells_everything_of_an_individual_but_its_species() -> None:
    who = _everything()
    told = looks_as_numbers(who)
    assert len(told) == WIDTH
    assert looks_as_numbers(replace(who, species="dog")) == looks_as_numbers(replace(who, species="pig"))
    others = [
        *(replace(who, looks=replace(who.looks, **{look: 0.123})) for look in who.shown),
        *(replace(who, **{color: (1, 2, 3)}) for color in ("coat", "second", "third", "iris", "wear_rgb")),
        *(replace(who, face=face) for face in FACES if face != who.face),
        *(replace(who, front=front) for front in FRONTS if front != who.front),
        *(replace(who, back=back) for back in BACKS if back != who.back),
        *(replace(who, **{mark: False}) for mark in ("socks", "tip", "ears")),
        *(replace(who, wear=wear) for wear in CUTS if wear != who.wear),
        *(replace(who, cut=cut) for cut in (0, 2)),
    ]
    assert all(looks_as_numbers(other) != told for other in others)
    assert {field.name for field in fields(who)} == {
        "species",
        "looks",
        "coat",
        "second",
        "third",
        "iris",
        "face",
        "front",
        "back",
        "socks",
        "tip",
        "ears",
        "wear",
        "cut",
        "wear_rgb",
        "kind",
    }  # fmt: skip - one more wants its place in a name


def test_look_alikes_have_different_names() -> None:
    who = random_individual(random.Random(1))
    assert looks_as_numbers(look_alike(who, random.Random(2))) != looks_as_numbers(who)
    assert len(LOOKS) == GROUPS["shapes"] + GROUPS["markings"]


def test_what_a_caption_says_is_a_part_of_a_name() -> None:
    said_of_any = set()
    for seed in range(60):
        scene = random_scene(100_000_000 + seed)  # of no kind: a kind's captions tell its middle
        caption = MENAGERIE.caption(scene, random.Random(seed))
        told, said = torch.tensor([looks_as_numbers(scene.who), said_as_numbers(caption.said, caption.degrees)])
        parts = list(zip(GROUPS, *(each.split(list(GROUPS.values())) for each in (told, said)), strict=True))
        for group, whole, part in parts:
            if part.any():
                said_of_any.add(group)
            if group in {"face", "front", "back", "extra", "wear"}:
                assert bool((part <= whole).all())  # each 1 that is said is true
            elif group in {"shapes", "markings"}:
                assert bool((part * whole >= 0).all())  # long ears are none of the short ones
            elif part.any():
                assert float((part - whole).norm()) < 1.5  # a color's word and its shade
    assert said_of_any == set(GROUPS)


def test_names_begin_as_captions_that_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "CAPTIONS", 400)
    monkeypatch.setattr(wording, "STEPS", 150)
    model = REPOSITORY / "models" / "menagerie"
    text, tokenizer = CLIPTextModel.from_pretrained(model / "text_encoder"), open_tokenizer(model)
    torch.manual_seed(0)
    unsaid = wording.begin_with_words(Names(GROUPS), MENAGERIE, text.float(), tokenizer)
    assert unsaid < 0.7  # of nothing it would be more than 1


def test_groups_of_looks_are_left_out_as_a_whole() -> None:
    looks = torch.ones(400, WIDTH)
    left = hidden(looks, GROUPS, torch.Generator().manual_seed(3))
    parts = left.split(list(GROUPS.values()), 1)
    assert all(bool(((part == 0).all(1) | (part == 1).all(1)).all()) for part in parts)
    shares = [float((part[:, 0] == 0).float().mean()) for part in parts]
    assert all(0.08 < share < 0.23 for share in shares)


def test_names_stand_behind_prompts_and_not_behind_the_empty_one() -> None:
    sequence, empty = torch.randn(64, 32, 8), torch.zeros(32, 8)
    names = torch.randn(64, TAIL, 8)
    names[::2] = 0  # not known by name
    plain, named = (mix_tails(sequence, empty, torch.Generator().manual_seed(0), each) for each in (None, names))
    dropped = (plain == 0).all(2).all(1)
    assert 0 < dropped.sum() < 20
    assert torch.equal(named[:, :-TAIL], plain[:, :-TAIL])
    assert torch.equal(named[dropped], plain[dropped])
    torch.testing.assert_close((named - plain)[~dropped, -TAIL:], names[~dropped])


def test_names_are_kept_in_a_file(tmp_path: Path) -> None:
    names = Names(GROUPS)
    save_names(names, tmp_path / "names.safetensors")
    looks = torch.tensor([looks_as_numbers(_everything())])
    again = open_names(tmp_path / "names.safetensors", GROUPS)(looks)
    torch.testing.assert_close(again, names(looks), atol=0.05, rtol=0.01)


def test_a_prior_learns_the_names_of_those_whom_pictures_show() -> None:
    """Pictures of one color each; what the color is, is told, and a number that no picture shows."""
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (150, 3))
    images = np.broadcast_to(colors[:, None, None, None], (150, 2, 16, 16, 3)).astype(np.uint8)
    torch.manual_seed(0)
    looks = torch.cat([torch.from_numpy(colors).float() / 128 - 1, torch.randn(150, 1)], 1)
    for shown, known in ((looks[:, :3], True), (looks[:, 3:], False)):
        prior = TailPrior(16, (16,), 24, TAIL, 256).requires_grad_(True)
        unknown = teach_names(prior, Names({"all": shown.shape[1]}), images, shown, steps=300)
        assert unknown < 0.1 if known else unknown > 0.8
