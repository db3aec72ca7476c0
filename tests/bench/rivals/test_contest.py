"""The contest: lines, times, what is taken up again, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.rivals import lines
from bench.rivals.comparison import page, sheet
from bench.rivals.contest import Kept, Plan, compete, shots_of
from bench.rivals.inversion import TextualInversion
from bench.rivals.lines import METHODS, Entry, field_lines, read_entry
from bench.rivals.plain import Plain
from bench.rivals.table import Result, of_bytes, plot, results, show_results
from bench.rivals.timing import Timing, hours
from bench.rivals.tune import FULL, GRIDS, QUICK, best, guided, score, tries
from bench.trials.cases import Case, cases
from bench.trials.keep import Keep
from bench.trials.scoring import Scorer
from bench.trials.studio import CRITTERS, Studio
from bench.trials.trial import GROUNDS, Row, Trial
from core.diffusion.backbone import load_backbone
from core.models.recipes import FAST, recipes_for
from pretrain.judging.judge import new_judge
from tests.bench.rivals.support import ASKS, LEARNED, Counted, open_stage

RECIPES = recipes_for(CRITTERS)


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(load_backbone(str(CRITTERS), name="bench"), quiet=True, threads=1)


def trial_of(
    studio: Studio, found: Sequence[Case], judge: str, folder: Path | None, split: str = "development"
) -> Trial:
    torch.manual_seed(0)
    return Trial(studio, Scorer(new_judge(judge).eval()), found, 1, judge, Keep(folder), split=split)


def quick_plan(prompts: int) -> Plan:
    """Ask for so many prompts with one seed, in a single step of sampling."""
    edit = FAST.edit.model_copy(update={"num_inference_steps": 1})
    return Plan(prompts, 1, {"fast": FAST.model_copy(update={"edit": edit})})


def test_a_line_names_a_method_with_changes_its_pictures_and_whose_seconds_it_takes() -> None:
    entry = read_entry("inversion steps=7 learning_rate=0.1 pictures=4 seconds=fast", RECIPES)
    assert entry.method == TextualInversion(steps=7, learning_rate=0.1)
    assert (entry.pictures, entry.seconds) == (4, "fast")
    assert read_entry("fast steps=3 tail_scale=1.5", RECIPES).method.steps_in_all == 3
    for line, why in {
        "slow": "no method 'slow'",
        "inversion step=3": "sets what inversion has not: step",
        "imagic pictures=4": "learns from 1 picture at most",
        "plain seconds=fast": "no steps that could be fewer",
        "inversion pictures=17": "pictures are 1 to 16",
        "inversion individuals=0": "individuals are 1 or more",
    }.items():
        with pytest.raises(SystemExit, match=why):
            read_entry(line, RECIPES)


@pytest.mark.parametrize("world", GROUNDS)
def test_the_whole_field_can_be_read(world: str) -> None:
    entries = [read_entry(line, RECIPES) for line in field_lines(world, adapter=True)]
    assert {type(entry.method) for entry in entries} >= set(METHODS.values())
    assert "adapter" not in field_lines(world)
    assert {"fast", "paper", "paper seconds=fast", "fast pictures=4"} <= {entry.line for entry in entries}


@pytest.mark.parametrize("world", GROUNDS)
def test_an_individual_goes_by_a_word_of_its_captions(world: str) -> None:
    ground = GROUNDS[world]
    for case in ground.cases("development", 8):
        mine = shots_of(ground, case, 2)
        assert all(mine.noun in prompt.split() for prompt in mine.prompts)
        assert all(mine.noun in ground.caption(target).split() for target in case.targets)


def test_prompts_are_spread_over_the_styles() -> None:
    case = cases("development", 1)[0]
    assert Plan(6, 2, RECIPES).targets(case) == list(case.targets)
    assert Plan(2, 1, RECIPES).targets(case) == [case.targets[0], case.targets[-1]]
    assert len(Plan(3, 2, RECIPES).asked(case)) == 6


def test_what_was_drawn_is_taken_up_and_another_judge_can_mark_it(studio: Studio, tmp_path: Path) -> None:
    entries = [Entry("counted", Counted()), read_entry("words", RECIPES)]
    plan = quick_plan(2)
    found = cases("development", 3)
    LEARNED.clear()

    first = compete(trial_of(studio, found[:2], "a", tmp_path), entries=entries, plan=plan)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    again = compete(trial_of(studio, found, "a", tmp_path), entries=entries, plan=plan)
    other = compete(trial_of(studio, found, "b", tmp_path), entries=entries, plan=plan)

    assert LEARNED == [0, 1000, 2000]  # each individual once, whoever was asked for beside it
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert [sorted(row.marks) for row in again] == [[0, 1, 2]] * 2
    for row, more in zip(first, again, strict=True):
        assert {number: more.marks[number] for number in row.marks} == row.marks
    assert other[0].marks.keys() == again[0].marks.keys()
    compete(
        trial_of(studio, found[:1], "a", tmp_path),
        entries=[Entry("counted", replace(Counted(), steps=5))],
        plan=plan,
    )
    assert LEARNED[3:] == [0]  # other settings are other pictures
    compete(trial_of(studio, found[:1], "a", tmp_path, "test"), entries=entries[:1], plan=plan)
    assert LEARNED[4:] == [0]  # another split's first individual is somebody else


def test_a_line_may_be_of_some_individuals_only(studio: Studio) -> None:
    plan = quick_plan(1)
    entries = [read_entry(line, RECIPES) for line in ("plain", "words individuals=1")]
    everybody, some = compete(trial_of(studio, cases("development", 2), "a", None), entries=entries, plan=plan)
    assert (sorted(everybody.marks), sorted(some.marks)) == ([0, 1], [0])
    lead = everybody.minus(some, "text")
    assert lead.low == lead.mean == lead.high  # of the one that both have


def test_pictures_are_named_by_the_numbers_and_the_device_that_they_were_made_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, entry = open_stage(tmp_path / "model"), Entry("plain", Plain())
    names = [Kept(tmp_path, stage, entry, ["test", 0, noun], ASKS).beside(".png") for noun in ("dog", "dog", "cat")]
    for name, other in (("dtype", torch.bfloat16), ("device", torch.device("cuda"))):
        with monkeypatch.context() as patched:
            patched.setattr(stage.backbone, name, other)
            names.append(Kept(tmp_path, stage, entry, ["test", 0, "dog"], ASKS).beside(".png"))
    monkeypatch.setattr(Plain, "revision", 2)
    names.append(Kept(tmp_path, stage, entry, ["test", 0, "dog"], ASKS).beside(".png"))
    assert names[0] == names[1]
    assert len(set(names)) == 5


def test_an_interrupted_save_leaves_nothing_that_would_be_taken_up(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = quick_plan(1)
    trial, entries = trial_of(studio, cases("development", 1), "a", tmp_path), [Entry("plain", Plain())]

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            compete(trial, entries=entries, plan=plan)
    assert not list(tmp_path.rglob("*.png"))
    assert len(compete(trial, entries=entries, plan=plan)[0].marks[0]) == 1


def test_hours_are_those_of_all_pictures_and_of_learning_anew_for_each_prompt() -> None:
    timing = Timing(seconds=20, fixed=0, together=10, picture=2, picture_of_many=1, steps=1, bytes_kept=0)
    entries = [read_entry(line, RECIPES) for line in ("inversion", "imagic")]
    assert hours(entries, [timing] * 2, individuals=36, asks=12, prompts=6) == pytest.approx(
        36 * ((10 + 12) + (60 + 12)) / 3600
    )
    some = [replace(entry, individuals=6) for entry in entries]
    assert hours(some, [timing] * 2, individuals=36, asks=12, prompts=6) == pytest.approx(6 * (22 + 72) / 3600)
    assert timing.per_minute == pytest.approx(60 / 14)


def _found() -> list[Result]:
    """Return results of four lines, of which `fast` and `inversion` always show the right individual."""
    entries = [read_entry(line, RECIPES) for line in ("plain", "fast", "imagic", "inversion seconds=fast")]
    timing = Timing(1.5, 0.1, 1, 0.5, 0.25, 30, 2560)
    rows = [
        Row(entry.line, None, {0: [_marks(1, value)], 1: [_marks(value, value)]})
        for entry, value in zip(entries, (0, 1, 0, 1), strict=True)
    ]
    return results(entries, [timing] * 4, rows)


def test_the_table_pairs_everybody_with_fast(capsys: pytest.CaptureFixture[str]) -> None:
    found = _found()
    assert [result.fast_leads["identity"].mean for result in found] == [50, 0, 50, 0]
    assert [result.fast_leads["text"].mean for result in found] == [100, 0, 100, 0]
    assert found[1].users_a_minute == 30
    show_results(found, "title")
    shown = capsys.readouterr().out
    assert "2.6 kB" in shown
    assert "1.5 a prompt" in shown
    assert [of_bytes(count) for count in (12, 2560, 22_300_000)] == ["12 B", "2.6 kB", "22.3 MB"]


def test_the_lead_is_that_of_fast_from_as_many_pictures() -> None:
    names = ("fast", "fast pictures=4", "inversion pictures=4", "inversion pictures=8")
    entries = [read_entry(line, RECIPES) for line in names]
    timing = Timing(1.5, 0.1, 1, 0.5, 0.25, 30, 2560)
    rows = [Row(line, None, {0: [_marks(value, 1)]}) for line, value in zip(names, (0.5, 1.0, 0.25, 0.25), strict=True)]

    found = results(entries, [timing] * 4, rows)

    assert [result.fast_leads["identity"].mean for result in found] == [0, 0, 75, 25]


def test_the_plots_are_over_seconds_and_over_bytes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason='no matplotlib (pip install -e ".[bench]")')
    plot(_found(), tmp_path / "field")
    assert {path.name for path in tmp_path.iterdir()} == {"field-seconds.png", "field-bytes.png"}


def _marks(identity: float, text: float) -> dict[str, float]:
    return {"identity": identity, "twin": identity, "text": text, "leak place": 0.0}


@pytest.mark.parametrize("name", GRIDS)
def test_every_method_is_tuned_with_as_many_tries(name: str) -> None:
    entries = [read_entry(line, RECIPES) for line in tries(name)]
    quick = [entry for entry in entries if entry.seconds]
    assert len(entries) - len(quick) == FULL
    assert len(quick) == (QUICK if entries[0].method.steps_in_all else 0)
    assert len({entry.line for entry in entries}) == len(entries)


def test_the_best_is_good_in_identity_and_in_text() -> None:
    entries = [read_entry(line, RECIPES) for line in ("lora rank=1", "lora rank=2", "lora rank=3 seconds=fast")]
    timing = Timing(1.5, 0.1, 1, 0.5, 0.25, 30, 2560)
    values = ((1.0, 0.0), (0.6, 0.6), (0.5, 0.1))
    rows = [Row(entry.line, None, {0: [_marks(*value)]}) for entry, value in zip(entries, values, strict=True)]
    assert best(results(entries, [timing] * 3, rows)) == {"lora": {"full": "lora rank=2", "quick": "lora rank=3"}}


def test_the_best_are_tried_with_other_guidance_if_they_have_not_said_theirs() -> None:
    chosen = {"lora": {"full": "lora rank=2", "quick": "lora"}, "words": {"full": "words guidance_scale=3"}}
    assert guided(chosen, 3) == [
        "lora rank=2 guidance_scale=1.5", "lora rank=2 guidance_scale=5",
        "lora guidance_scale=1.5 seconds=fast", "lora guidance_scale=5 seconds=fast",
    ]  # fmt: skip


def test_look_alikes_count_in_a_world_that_has_them() -> None:
    timing = Timing(1.5, 0.1, 1, 0.5, 0.25, 30, 2560)
    row = Row("lora", None, {0: [{"identity": 1.0, "alike": 0.5, "text": 1.0}]})
    assert score(results([read_entry("lora", RECIPES)], [timing], [row])[0]) == pytest.approx(75)


def test_tuned_lines_join_the_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tuned.json"
    path.write_text(
        '{"critters": {"imagic": {"full": "imagic eta=0.5"}, "lora": {"full": "lora rank=2", "quick": "lora"}}}'
    )
    monkeypatch.setattr(lines, "TUNED", path)
    found = field_lines("critters")
    assert {"imagic eta=0.5", "lora rank=2", "lora seconds=fast", "lora rank=2 pictures=8"} <= set(found)
    assert "imagic eta=0.5 pictures=4" not in found


def test_the_page_has_the_figures_of_the_run_and_a_sheet_of_each_individual() -> None:
    share = {"mean": 51.2, "low": 40.0, "high": 60.0}
    row = {"line": "lora rank=2", "steps": 5, "seconds": 1.26, "bytes_kept": 2560, "users_a_minute": 3.0}
    row |= {"per_prompt": True, "shares": {"identity": share, "text": share}}
    text = page(
        {"machine": {"load": "1.0"}, "rows": [row]}, "2 individuals", "test", "b", [("a.webp", ["a dog", "a cat"])]
    )
    assert "| `lora rank=2` | 5 | 1.3 a prompt | 2.6 kB | 3.0 | 51 (40-60) | 51 (40-60) |" in text
    assert "![a dog](a.webp)\n\n1. a dog\n2. a cat\n" in text
    red, blue = (np.full((64, 64, 3), color, np.uint8) for color in ((255, 0, 0), (0, 0, 255)))
    drawn = np.asarray(sheet([("one", [red, blue]), ("two, of a long line that must be broken", [blue])], ["1", "2"]))
    assert drawn[40, 270].tolist() == [255, 0, 0]
    assert drawn[40, 340].tolist() == drawn[110, 270].tolist() == [0, 0, 255]
    assert drawn[110, 340].tolist() == [255, 255, 255]
