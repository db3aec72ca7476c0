"""How quality is measured, on a judge with fresh weights and an engine with the embedded model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.cases import RIVALS, TARGETS, Case, cases
from bench.quality import Trial, plain
from bench.scoring import Scorer, Share, shares
from bench.studio import CRITTERS, Studio, Wish
from core.diffusion.backbone import load_backbone
from core.schemas import EditParams, PersonalizeParams
from pretrain.captions import full_caption
from pretrain.judge import new_judge
from pretrain.pictures import to_tensor
from pretrain.render import render


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(load_backbone(str(CRITTERS), name="bench"), quiet=True)


@pytest.fixture
def case() -> Case:
    return cases("development", 1)[0]


def test_cases_are_the_same_every_time_and_ask_for_other_poses_and_places() -> None:
    found = cases("development", 20)
    assert found == cases("development", 20)
    assert found[0] != cases("test", 1)[0]
    for case in found:
        assert len(case.targets) == TARGETS
        assert case.source.style != "sketch"
        for target in case.targets:
            assert target.who == case.source.who
            assert target.pose != case.source.pose
            assert target.place != case.source.place


def test_rivals_share_the_species_and_twins_every_word() -> None:
    for case in cases("development", 5):
        who = case.source.who
        assert len(case.rivals) == len(case.twins) == RIVALS
        assert {rival.species for rival in case.rivals} == {who.species}
        for twin in case.twins:
            unnamed = {name: getattr(who, name) for name in ("coat_rgb", "second_rgb", "wear_rgb", "size", "head")}
            assert replace(twin, girth=who.girth, layout=who.layout, **unnamed) == who
            assert twin != who


def test_the_truth_itself_is_picked_and_a_stranger_is_not(case: Case) -> None:
    torch.manual_seed(0)
    scorer = Scorer(new_judge("b").eval())
    target = case.targets[0]
    truth = scorer.marks(case, target, np.asarray(render(target)))
    assert truth["identity"] == truth["twin"] == 1
    stranger = scorer.marks(case, target, np.asarray(render(replace(target, who=case.rivals[3]))))
    assert stranger["identity"] == 0


def test_looks_count_only_where_the_judge_reads_them_off_the_truth(case: Case) -> None:
    judge = new_judge("b").eval()
    target = case.targets[0]
    read = judge.read(to_tensor(np.asarray(render(target))[None]))[0]
    marks = Scorer(judge).marks(case, target, np.asarray(render(target)))
    for name in ("coat", "pattern", "wear"):
        assert (name in marks) == (read[name] == getattr(target.who, name))


def test_shares_are_means_over_individuals_with_an_interval() -> None:
    share = Share.of([[1, 1, 1, 1], [0, 0], []])
    assert share.mean == 50
    assert (share.low, share.high) == (0, 100)
    marks = [[{"identity": 1.0, "pose": 1.0, "place": 0.0, "style": 1.0}]]
    assert shares(marks)["text"].mean == pytest.approx(66.67)
    assert shares(marks)["identity"].mean == 100


def test_tails_are_kept_at_the_wanted_steps(studio: Studio, case: Case) -> None:
    params = PersonalizeParams(steps=3)
    [kept] = studio.tails([case.source], [0], params, at=(1, 3))
    assert sorted(kept) == [1, 3]
    [whole] = studio.tails([case.source], [0], params)
    assert torch.equal(whole[3], kept[3])
    assert not torch.equal(kept[1], kept[3])


def test_an_edit_without_a_tail_is_the_prompt_alone(studio: Studio) -> None:
    params = EditParams(num_inference_steps=2)
    own = studio.backbone.encode_prompt(["a sitting dog"])[0].tail(5)
    bare = studio.pictures([Wish("a sitting dog", None, 3)], params)
    same = studio.pictures([Wish("a sitting dog", own, 3)], params.model_copy(update={"tail_scale": 1.0}))
    other = studio.pictures([Wish("a sitting dog", own, 3)], params.model_copy(update={"tail_scale": 0.0}))
    assert np.abs(bare.astype(int) - same).max() <= 1
    assert np.abs(bare.astype(int) - other).max() > 1


def test_a_trial_marks_every_edit_of_every_case(studio: Studio, case: Case) -> None:
    trial = Trial(studio, Scorer(new_judge("a").eval()), [case], 1)
    row = trial.run("no tail", EditParams(num_inference_steps=1), lambda _: None, plain)
    assert {"identity", "twin", "text", "pose", "leak pose"} <= set(row.shares)
    assert trial.truth().shares["identity"].mean >= 0


def test_the_baseline_names_all_looks(case: Case) -> None:
    looks = {"coat": "brown", "pattern": "spots", "second": "white", "wear": "hat", "wear_color": "red"}
    text = full_caption(case.targets[0], looks)
    assert "brown" in text
    assert "with white spots and a red hat" in text
    bare = full_caption(case.targets[0], looks | {"pattern": "plain"})
    assert "spots" not in bare
    assert "wearing a red hat" in bare
