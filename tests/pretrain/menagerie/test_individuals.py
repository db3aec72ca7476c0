"""Individuals of the menagerie: what is fixed, what is independent, what look-alikes share."""

from __future__ import annotations

import random
from dataclasses import replace

from pretrain.menagerie.colors import NAMED, contrasting, distance, named, same_word
from pretrain.menagerie.individual import look_alike, random_individual, words_of
from pretrain.menagerie.kinds import KINDS, kinds, random_of_kind
from pretrain.menagerie.looks import LOOKS, MARKED, SHAPES, bin_of
from pretrain.menagerie.scenes import SPLITS, look_alikes, random_scene, scene_pair, scenes_of


def test_a_seed_is_the_same_scene_every_time() -> None:
    assert [random_scene(seed) for seed in range(20)] == [random_scene(seed) for seed in range(20)]


def test_every_look_is_a_shape_or_belongs_to_one_marking() -> None:
    marked = [look for looks in MARKED.values() for look in looks]
    assert sorted([*SHAPES, *marked]) == sorted(LOOKS)


def test_looks_are_drawn_from_all_of_their_range() -> None:
    drawn = [random_individual(random.Random(seed)).looks for seed in range(200)]
    for look in LOOKS:
        values = [getattr(looks, look) for looks in drawn]
        assert -1 <= min(values) < -0.9
        assert 0.9 < max(values) <= 1


def test_an_individual_stays_itself_in_other_settings() -> None:
    scenes = scenes_of(7, 30)
    assert {scene.who for scene in scenes} == {scenes[0].who}
    assert scenes[0] == random_scene(7)
    assert len({(scene.setting.pose, scene.setting.place, scene.setting.side) for scene in scenes}) > 20


def test_a_pair_shares_all_looks_and_sometimes_the_species() -> None:
    pairs = [scene_pair(seed) for seed in range(80)]
    for first, second in pairs:
        same = replace(second.who, species=first.who.species, kind=first.who.kind)
        assert same == first.who
        assert second.who.kind == "" or second.who.species == first.who.species
    assert 20 < sum(first.who.species != second.who.species for first, second in pairs) < 60


def test_look_alikes_share_every_word_and_differ_within_them() -> None:
    for seed in range(100, 140):
        who, *others = look_alikes(SPLITS["development"].start + seed, 16)
        for other in others:
            assert words_of(other) == words_of(who)
            assert [bin_of(getattr(other.looks, n)) for n in LOOKS] == [bin_of(getattr(who.looks, n)) for n in LOOKS]
            assert other.looks != who.looks
            assert other.kind == ""


def test_look_alikes_are_spread_over_the_whole_bin() -> None:
    who = random_individual(random.Random(3))
    others = [look_alike(who, random.Random(seed)).looks for seed in range(300)]
    for look in LOOKS:
        values = [getattr(looks, look) for looks in others]
        assert max(values) - min(values) > 0.5


def test_only_pretraining_individuals_are_of_a_kind() -> None:
    for split in ("development", "test"):
        assert all(not random_scene(seed).who.kind for seed in SPLITS[split][:200])
    share = sum(bool(random_scene(seed).who.kind) for seed in range(300)) / 300
    assert 0.4 < share < 0.6


def test_individuals_of_a_kind_vary_around_it() -> None:
    assert len(kinds()) == KINDS
    for name in list(kinds())[:20]:
        middle = kinds()[name]
        some = [random_of_kind(random.Random(seed), name) for seed in range(10)]
        assert {one.species for one in some} == {middle.species}
        assert len({one.looks for one in some}) == 10
        for one in some:
            assert all(abs(getattr(one.looks, n) - getattr(middle.looks, n)) <= 0.18 for n in LOOKS)
            assert named(one.coat) == named(middle.coat)


def test_colors_of_one_animal_can_be_told_apart() -> None:
    for seed in range(200):
        who = random_individual(random.Random(seed))
        assert distance(who.coat, who.second) > 0.15
        assert distance(who.coat, who.third) > 0.15


def test_another_shade_has_the_same_word() -> None:
    rng = random.Random(0)
    for name, rgb in NAMED.items():
        assert named(rgb) == name
        assert named(same_word(rgb, rng)) == name
    assert distance(contrasting(((255, 255, 255),), rng), (255, 255, 255)) > 0.2
