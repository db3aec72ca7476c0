"""What methods cost, by a clock that only they move."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.rivals import timing
from bench.rivals.lines import Entry
from bench.rivals.method import Ask, Shots, Stage, Subject
from bench.rivals.plain import Sdedit
from bench.rivals.timing import LONGEST, Timer, Timing
from bench.trials.keep import Keep
from tests.bench.rivals.support import CLOCK, Counted, open_stage, shots

NOISE: list[float] = []


@dataclass(frozen=True)
class Noisy(Counted):
    """Takes what `NOISE` says, run by run, and then what its steps take."""

    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:
        began = CLOCK[0]
        subject = super().learn(stage, shots, seed)
        if NOISE:
            CLOCK[0] = began + NOISE.pop(0)
        return subject


@pytest.fixture
def timer(tmp_path: Path) -> Timer:
    stage = open_stage(tmp_path / "model")
    mine = shots(stage)
    clock = lambda: CLOCK[0]  # noqa: E731
    return Timer(stage, {1: [mine, mine]}, Ask("a dog", 0), keep=Keep(tmp_path / "keep"), repeats=1, clock=clock)


def test_seconds_of_many_steps_are_reckoned_from_few(timer: Timer) -> None:
    timing = timer.timing(Entry("counted", Counted(steps=1000)))
    assert timing.fixed == pytest.approx(2)
    assert timing.seconds == pytest.approx(502)
    assert timing.together == timing.seconds  # nobody shares its calls
    assert (timing.steps, timing.bytes_kept) == (1000, 20)


def test_a_method_is_cut_to_anothers_seconds(timer: Timer) -> None:
    short = Entry("short", Counted(steps=16))
    cut = timer.in_seconds_of(Entry("long", Counted(steps=1000)), short)
    assert cut.method.steps_in_all == 16
    assert timer.timing(cut).seconds == pytest.approx(timer.timing(short).seconds)


def test_what_was_timed_is_kept(timer: Timer) -> None:
    entry = Entry("counted", Counted())
    first, spent = timer.timing(entry), CLOCK[0]
    assert timer.timing(entry) == first
    assert CLOCK[0] == spent


def test_a_measurement_that_noise_has_spoilt_is_made_again(timer: Timer) -> None:
    NOISE[:] = [2.5, 9, 8]  # the warm one, then six steps slower than twenty-six
    timing = timer.timing(Entry("noisy", Noisy(steps=1000)))
    assert not NOISE
    assert (timing.fixed, timing.seconds) == (pytest.approx(2), pytest.approx(502))


def test_no_steps_are_reckoned_from_noise(timer: Timer) -> None:
    NOISE[:] = [7.0] * 100
    with pytest.raises(SystemExit, match=r"'noisy seconds=short'.*more --timing-repeats"):
        timer.in_seconds_of(Entry("noisy seconds=short", Noisy(steps=1000)), Entry("short", Counted(steps=16)))


def test_the_share_of_the_steps_has_an_end() -> None:
    timing = Timing(seconds=3, fixed=1, together=3, picture=1, picture_of_many=1, steps=10, bytes_kept=0)
    assert timing.share_for(2) == pytest.approx(0.5)
    assert timing.share_for(0.5) == 0
    assert timing.share_for(1e9) == LONGEST
    with pytest.raises(ValueError, match=r"10 steps take 1\.01 seconds, 1 whatever the steps"):
        replace(timing, seconds=1.01).share_for(2)


def test_timings_are_named_by_the_numbers_that_they_were_made_in(timer: Timer, monkeypatch: pytest.MonkeyPatch) -> None:
    timer.timing(Entry("counted", Counted()))
    spent = CLOCK[0]
    monkeypatch.setattr(timer._stage.backbone, "dtype", "another")
    timer.timing(Entry("counted", Counted()))
    assert CLOCK[0] > spent


def test_another_machine_is_timed_anew(timer: Timer, monkeypatch: pytest.MonkeyPatch) -> None:
    timer.timing(Entry("counted", Counted()))
    spent = CLOCK[0]
    monkeypatch.setattr(timing, "processor", lambda: ["another"])
    timer.timing(Entry("counted", Counted()))
    assert CLOCK[0] > spent


def test_a_picture_is_timed_for_each_setting_that_draws_otherwise(timer: Timer) -> None:
    for strength in (0.5, 0.9):
        timer.timing(Entry("sdedit", Sdedit(strength=strength)))
    for steps in (3, 4):
        timer.timing(Entry("counted", Counted(steps=steps)))
    assert len(timer._drawings) == 3
