"""How quality is measured, on a judge with fresh weights and an engine with the embedded model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.quality import compare, results, with_pools
from bench.trials.cases import RIVALS, TARGETS, Case, cases
from bench.trials.ground import CRITTERS_GROUND
from bench.trials.keep import Keep
from bench.trials.scoring import Scorer, Share, shares
from bench.trials.studio import CRITTERS, Studio, Wish
from bench.trials.trial import Row, Setting, Tails, Trial, over_processes
from bench.trials.variants import read_variant
from core.diffusion.backbone import load_backbone
from core.models.parameters import EditParams, PersonalizeParams
from core.models.recipes import recipes_for
from pretrain.captions.caption import full_caption
from pretrain.drawing.pictures import to_tensor
from pretrain.drawing.render import render
from pretrain.judging.judge import new_judge


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
    marks = [[{"identity": 1.0, "pose": 1.0}], [{"identity": 1.0}, {"identity": 0.0, "pose": 0.0}]]
    assert shares(marks)["pose"].mean == 50
    assert shares(marks)["identity"].mean == 75


def test_tails_are_kept_at_the_wanted_steps(studio: Studio, case: Case) -> None:
    params = PersonalizeParams(steps=3)
    [kept] = studio.tails([CRITTERS_GROUND.subject(case)], [0], params, at=(1, 3))
    assert sorted(kept) == [1, 3]
    [whole] = studio.tails([CRITTERS_GROUND.subject(case)], [0], params)
    assert torch.equal(whole[3], kept[3])
    assert not torch.equal(kept[1], kept[3])


def test_more_pictures_of_a_subject_show_it_in_other_scenes(case: Case) -> None:
    one, several = CRITTERS_GROUND.subject(case), CRITTERS_GROUND.subject(case, 4)
    assert [len(one), len(several)] == [1, 4]
    assert torch.equal(one[0].image, several[0].image)
    scenes = CRITTERS_GROUND.scenes(case, 4)
    assert len(set(scenes)) == 4
    assert {scene.who for scene in scenes} == {case.source.who}
    assert scenes == CRITTERS_GROUND.scenes(case, 4)


def test_a_tail_of_several_pictures_is_another_one_and_used_with_their_prompts(studio: Studio, case: Case) -> None:
    trial = Trial(studio, Scorer(new_judge("a").eval()), [case], 1)
    params = PersonalizeParams(steps=4)
    one, four = (trial.learn(params, 0, pictures=count)[4] for count in (1, 4))
    assert not torch.equal(one.rows[0], four.rows[0])  # type: ignore[arg-type]
    assert len(four.prompts[0]) == 4
    row = trial.run("four", EditParams(num_inference_steps=1, tail_mode="residual"), four)
    assert len(row.marks[case.number]) == TARGETS


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
    row = trial.run("no tail", EditParams(num_inference_steps=1), trial.no_tails())
    assert len(row.marks[case.number]) == TARGETS
    assert {"identity", "twin", "text", "pose", "leak pose"} <= set(row.shares)
    assert trial.truth().shares["identity"].mean >= 0


def test_text_is_the_part_of_pose_place_and_style_that_is_right(case: Case) -> None:
    marks = Scorer(new_judge("b").eval()).marks(case, case.targets[0], np.asarray(render(case.targets[0])))
    assert marks["text"] == pytest.approx((marks["pose"] + marks["place"] + marks["style"]) / 3)


def test_differences_are_paired_over_individuals() -> None:
    mine = Row("mine", 1.0, {0: [{"identity": 1.0}, {"identity": 1.0}], 1: [{"identity": 0.0}], 2: [{}]})
    its = Row("its", 1.0, {0: [{"identity": 1.0}, {"identity": 0.0}], 1: [{"identity": 0.0}], 2: [{"identity": 1.0}]})
    assert mine.minus(its, "identity").mean == 25


def test_a_line_names_a_recipe_with_changes_to_both_halves() -> None:
    known = recipes_for(CRITTERS)
    variant = read_variant("fast steps=7 sampler=ddim tail_scale=1.25", known)
    assert variant.recipe.personalize.steps == 7
    assert (variant.recipe.edit.sampler, variant.recipe.edit.tail_scale) == ("ddim", 1.25)
    assert variant.recipe.personalize.learning_rate == known["fast"].personalize.learning_rate
    with pytest.raises(SystemExit, match="no recipe has: step"):
        read_variant("fast step=7", known)
    assert (variant.pictures, read_variant("fast pictures=4", known).pictures) == (1, 4)
    with pytest.raises(SystemExit, match="pictures are 1 to 16"):
        read_variant("fast pictures=17", known)
    with pytest.raises(SystemExit, match="there is no recipe 'slow'"):
        read_variant("slow", known)


def alike(rows: Sequence[Row], others: Sequence[Row]) -> float:
    """Return the share of marks that are equal."""
    pairs = [
        (mine[question], its[question])
        for row, other in zip(rows, others, strict=True)
        for number in row.marks
        for mine, its in zip(row.marks[number], other.marks[number], strict=True)
        for question in mine
    ]
    return sum(a == b for a, b in pairs) / len(pairs)


def test_several_processes_find_what_one_finds_and_a_kept_run_is_not_made_again(tmp_path: Path) -> None:
    setting = Setting(CRITTERS, "development", "a", 4, 1, tmp_path)
    line = "fast steps=2 num_inference_steps=2"
    variants = [read_variant(line, recipes_for(CRITTERS))]
    work = partial(compare, variants=variants, scales=[1.5], training_seeds=2, references=True)

    rows = over_processes(setting, work, 2)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = over_processes(setting, work, 2)
    alone = over_processes(replace(setting, keep=None), work, 1)

    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept
    assert again == rows
    assert [row.way for row in rows] == [row.way for row in alone]
    assert [sorted(row.marks) for row in rows] == [[0, 1, 2, 3]] * len(rows)
    assert alike(rows, alone) > 0.95  # in other company sums are added in another order, which may tip a close call
    found = {result.way: result for result in results(with_pools(rows, variants), variants[0])}
    assert found[f"{line}, all seeds"].against_first is None
    assert set(found["no tail"].against_first or {}) == {"identity", "text"}


def test_kept_tails_are_learned_again_only_for_steps_that_are_not_there(tmp_path: Path) -> None:
    learned: list[int] = []

    def make(*steps: int) -> list[dict[int, torch.Tensor]]:
        learned.append(len(steps))
        return [{step: torch.full((1, 2), float(step)) for step in steps}]

    keep = Keep(tmp_path, "ground")
    keep.tails("fast", [1, 3], lambda: make(1, 3))
    [found] = keep.tails("fast", [3], lambda: make(3))
    assert torch.equal(found[1], torch.ones(1, 2))
    assert learned == [2]
    keep.tails("fast", [2], lambda: make(2, 3, 1))
    Keep(tmp_path, "other ground").tails("fast", [3], lambda: make(3))
    assert learned == [2, 3, 1]


def test_anothers_tail_is_the_next_ones(studio: Studio) -> None:
    tails = Tails("mine", [torch.zeros(1, 2), torch.ones(1, 2)])
    assert torch.equal(tails.passed_on().rows[0], torch.ones(1, 2))  # type: ignore[arg-type]
    assert tails.passed_on().of != tails.of


def test_the_baseline_names_all_looks(case: Case) -> None:
    looks = {"coat": "brown", "pattern": "spots", "second": "white", "wear": "hat", "wear_color": "red"}
    text = full_caption(case.targets[0], looks)
    assert "brown" in text
    assert "with white spots and a red hat" in text
    bare = full_caption(case.targets[0], looks | {"pattern": "plain"})
    assert "spots" not in bare
    assert "wearing a red hat" in bare
