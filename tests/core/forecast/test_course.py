"""How the queue would go on, against what can be worked out by hand."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from core.forecast.asides import Aside, Asides
from core.forecast.course import Course
from core.forecast.loads import Load, ModelRates, RunningJob
from core.forecast.machine import Machine, Task
from core.forecast.work import Work
from core.jobs.records import JobKind

MODEL = "c0ffee"
CALLS = {
    "NoiseLoss": {1: 1.0, 2: 1.5, 4: 2.5},
    "AdamStep": {1: 0.0, 2: 0.0, 4: 0.0},
    "PredictNoise": {2: 0.5, 4: 0.8, 16: 2.0},
    "DecodeLatents": {1: 0.3, 2: 0.5},
}


def machine(*running: RunningJob, model: str = MODEL, **changes: Any) -> Machine:
    rates = ModelRates(calls=changes.pop("calls", CALLS), **changes.pop("rates", {}))
    told: dict[str, Any] = {
        "at": 0.0,
        "slots": {"personalize": 2, "edit": 2},
        "max_batch": 16,
        "shares": {"personalize": 1.0, "edit": 4.0},
    }
    load = Load.model_validate(told | changes | {"models": {model: rates}, "running": running})
    return Machine(load, {model: rates})


def learning(name: str, steps: int = 10) -> Task:
    return Task.fresh(name, "personalize", MODEL, Work(steps, 1))


def edit(name: str, steps: int = 10, pictures: int = 1, model: str = MODEL) -> Task:
    return Task.fresh(name, "edit", model, Work(steps, 2 * pictures, pictures))


def run(*machines: Machine, queued: list[Task], after: dict[str, list[Task]] | None = None) -> dict[str, float]:
    lines: dict[tuple[JobKind, str], deque[Task]] = {}
    for task in queued:
        lines.setdefault((task.kind, task.model_hash), deque()).append(task)
    ends = Course(machines, lines, after or {}).run().ends
    return {name: round(seconds, 6) for name, seconds in ends.items()}


def test_a_job_alone_takes_its_steps_and_what_comes_beside_them() -> None:
    assert run(machine(), queued=[learning("a")]) == {"a": 10.0}
    assert run(machine(rates={"aside_s": {"personalize": 3.0}}), queued=[learning("a")]) == {"a": 13.0}


def test_what_comes_before_the_first_step_is_not_counted_again_once_steps_are_made() -> None:
    rates = {"before_s": {"personalize": 3.0}, "aside_s": {"personalize": 1.0}}

    def left_of(left: float, waited_s: float | None) -> dict[str, float]:
        job = RunningJob(id="a", kind="personalize", model_hash=MODEL, work=Work(10, 1), left=left, waited_s=waited_s)
        return run(machine(job, rates=rates), queued=[])

    assert run(machine(rates=rates), queued=[learning("a")]) == {"a": 14.0}
    assert left_of(10.0, waited_s=1.0) == {"a": 13.0}
    assert left_of(10.0, waited_s=7.0) == {"a": 11.0}  # it takes longer than usual, and may begin at any moment
    assert left_of(4.0, waited_s=None) == {"a": 5.0}


def test_an_edit_whose_steps_are_made_still_decodes() -> None:
    made = RunningJob(id="e", kind="edit", model_hash=MODEL, work=Work(10, 2, 1), left=0.0, pictures_left=1)

    assert run(machine(made), queued=[]) == {"e": 0.3}


def test_what_jobs_take_beside_their_steps_is_averaged_before_and_after_them() -> None:
    asides = Asides()
    asides.note(MODEL, "edit", Aside(1.0, 4.0))
    asides.note(MODEL, "edit", Aside(3.0, -0.1))  # clocks are read one after the other

    assert asides.of(MODEL) == {"edit": Aside(2.0, 2.0)}
    assert asides.of("other") == {}


def test_jobs_of_a_kind_share_calls_until_one_of_them_ends() -> None:
    # two rows a call take 1.5 s; the longer one goes on alone
    assert run(machine(), queued=[learning("a", 10), learning("b", 12)]) == {"a": 15.0, "b": 17.0}


def test_who_finds_no_slot_begins_when_one_is_free() -> None:
    # c begins with b's last two steps at 15.0 and makes two in company, eight alone
    assert run(machine(), queued=[learning("a", 10), learning("b", 12), learning("c", 10)]) == {
        "a": 15.0,
        "b": 18.0,
        "c": 26.0,
    }


def test_two_workers_take_turns_at_the_line() -> None:
    ends = run(machine(), machine(), queued=[learning(name) for name in "abcd"])

    assert ends == dict.fromkeys("abcd", 15.0)


def test_when_both_kinds_want_the_device_they_get_their_shares() -> None:
    # The edit has four fifths of the device: 10 steps of 0.5 s and 0.3 s of decoding take 6.625 s. The other one makes
    # a fifth of its steps meanwhile.
    ends = run(machine(), queued=[learning("a"), edit("e")])

    assert ends["e"] == 6.625
    assert ends["a"] == 6.625 + 10 - 6.625 / 5


def test_edits_follow_the_tail_that_they_wait_for() -> None:
    ends = run(machine(), queued=[learning("a")], after={"a": [edit("e")]})

    assert ends == {"a": 10.0, "e": 15.3}


def test_an_edit_of_two_tails_waits_for_both() -> None:
    both = edit("e")

    ends = run(machine(), queued=[learning("a", 10), learning("b", 12)], after={"a": [both], "b": [both]})

    assert ends["e"] == ends["b"] + 5.3


def test_rows_beyond_the_largest_call_take_another_one() -> None:
    # 2 jobs of 16 rows each: two calls of 2 s a round
    ends = run(machine(), queued=[edit("a", 5, 8), edit("b", 5, 8)])

    assert ends["a"] >= 20.0


def test_a_model_that_was_put_away_is_loaded_first() -> None:
    cold = machine(rates={"loaded": False, "load_s": 7.0})

    assert run(cold, queued=[learning("a")]) == {"a": 17.0}


def test_what_runs_is_counted_from_where_it_is() -> None:
    half = RunningJob(id="a", kind="personalize", model_hash=MODEL, work=Work(10, 1), left=4.0)

    assert run(machine(half), queued=[]) == {"a": 4.0}


def test_what_was_told_a_while_ago_has_gone_on_since() -> None:
    half = RunningJob(id="a", kind="personalize", model_hash=MODEL, work=Work(10, 1), left=4.0)
    late = machine(half)
    late.time = -3.0

    assert run(late, queued=[learning("b")])["a"] == 1.5  # a last step in company


def test_of_what_was_never_done_anywhere_nothing_is_said() -> None:
    fresh = machine(calls={})

    assert run(fresh, queued=[learning("a"), edit("e")]) == {}


def test_jobs_of_a_model_that_no_worker_serves_have_no_end() -> None:
    assert run(machine(), queued=[edit("e", model="other")]) == {}


@pytest.mark.parametrize(("rows", "seconds"), [(2, 0.5), (3, 0.8), (8, 1.2), (16, 2.0), (20, 2.8)])
def test_seconds_of_rows_between_those_that_were_seen(rows: int, seconds: float) -> None:
    rates = ModelRates(calls={"PredictNoise": {2: 0.5, 4: 0.8, 16: 2.0}})

    assert rates.seconds("PredictNoise", rows, 16) == pytest.approx(seconds)


def test_what_rounding_leaves_of_a_delay_passes() -> None:
    """A remainder of 1e-16 s, added to a time, is nothing: the course would stand still."""
    other, calls = "decade", {"NoiseLoss": {1: 0.0371, 2: 0.05}, "AdamStep": {1: 0.0013}}
    aside = {"personalize": 0.313}
    rates = {
        MODEL: ModelRates(calls=calls, aside_s=aside),
        other: ModelRates(calls=calls, aside_s=aside, loaded=False, load_s=3.337),
    }
    told = {"at": 0.0, "slots": {"personalize": 2}, "max_batch": 8, "shares": {}, "models": rates}
    for number in range(1, 40):
        both = Machine(Load.model_validate(told), rates, -number / 41)
        lines: dict[tuple[JobKind, str], deque[Task]] = {
            ("personalize", MODEL): deque(learning(f"a{n}", 5 + (7 * number + 13 * n) % 50) for n in range(3)),
            ("personalize", other): deque(Task.fresh(f"b{n}", "personalize", other, Work(30, 1)) for n in range(4)),
        }
        assert len(Course([both], lines, {}).run().ends) == 7
