"""The policy on plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from worker.engine.batching import bucket_for, pick, rows_to_take
from worker.engine.policy import Kind, Shares


@dataclass(frozen=True)
class Waiting:
    kind: Kind
    arrival: int
    group: str = "unet"
    quick: bool = False


def serve(shares: Shares, kinds: set[Kind], turns: int, cost: dict[Kind, float] | None = None) -> list[Kind]:
    """Return who is served when all `kinds` wait all the time and a call costs a second, or as `cost` says."""
    served = []
    for _ in range(turns):
        kind = shares.next(kinds)
        shares.charge(kind, (cost or {}).get(kind, 1.0))
        served.append(kind)
    return served


def test_edits_get_four_fifths_of_the_seconds_and_personalizations_the_rest() -> None:
    served = serve(Shares(), {"edit", "personalize"}, 100)
    assert served[0] == "edit"
    assert served.count("edit") == 80


def test_the_shares_are_of_seconds_not_of_calls() -> None:
    served = serve(Shares(), {"edit", "personalize"}, 900, cost={"edit": 0.5, "personalize": 1.0})
    assert served.count("edit") * 0.5 == pytest.approx(4 * served.count("personalize"), rel=0.02)


def test_an_edit_that_arrives_while_personalizations_run_is_next() -> None:
    shares = Shares()
    serve(shares, {"personalize"}, 50)
    assert shares.next({"edit", "personalize"}) == "edit"


@pytest.mark.parametrize(("late", "early"), [("edit", "personalize"), ("personalize", "edit")])
def test_a_kind_that_arrives_does_not_cash_in_the_time_it_was_idle(late: Kind, early: Kind) -> None:
    shares = Shares()
    serve(shares, {early}, 1000)
    served = serve(shares, {late, early}, 100)
    expected = 80 if late == "edit" else 20
    assert abs(served.count(late) - expected) <= 1


def test_a_kind_does_not_lose_its_turn_when_it_ran_dry_for_a_moment() -> None:
    shares = Shares()
    served: list[Kind] = []
    for turn in range(100):
        served += serve(shares, {"edit"} if turn % 2 else {"edit", "personalize"}, 1)
    assert served.count("personalize") >= 10


def test_the_oldest_row_of_the_kind_goes_first_and_its_group_with_it() -> None:
    waiting = [Waiting("personalize", 0, "vae"), Waiting("edit", 3, "text"), Waiting("edit", 2), Waiting("edit", 5)]
    assert [row.arrival for row in pick(waiting, Shares(), lambda _: 8)] == [2, 5]


def test_rows_of_the_other_kind_fill_up_a_batch_behind_those_whose_turn_it_is() -> None:
    waiting = [Waiting("personalize", 0), Waiting("personalize", 1), Waiting("edit", 2), Waiting("edit", 3)]
    assert [row.arrival for row in pick(waiting, Shares(), lambda _: 8)] == [2, 3, 0, 1]
    assert [row.arrival for row in pick(waiting, Shares(), lambda _: 2)] == [2, 3]


def test_quick_rows_go_before_everything_and_cost_no_turn() -> None:
    shares = Shares()
    waiting = [Waiting("edit", 0), Waiting("personalize", 1, "adam", True), Waiting("personalize", 2, "adam", True)]
    assert [row.arrival for row in pick(waiting, shares, lambda _: 8)] == [1, 2]
    assert [row.arrival for row in pick(waiting[:1], shares, lambda _: 8)] == [0]


def test_in_a_full_house_every_row_is_served_in_the_order_of_its_arrival() -> None:
    shares, waiting, served = Shares(), [Waiting("personalize", number) for number in range(40)], []
    while waiting:
        batch = pick(waiting, shares, lambda _: 8)
        waiting = [row for row in waiting if row not in batch]
        served += [row.arrival for row in batch]
    assert served == list(range(40))


def test_personalizations_are_served_however_many_edits_keep_coming() -> None:
    shares, number = Shares(), 100
    waiting = [Waiting("personalize", 0, "loss"), *[Waiting("edit", number) for number in range(1, 20)]]
    for _ in range(10):
        batch = pick(waiting, shares, lambda _: 8)
        for row in batch:
            shares.charge(row.kind, 1 / len(batch))
        waiting = [row for row in waiting if row not in batch]
        waiting += [Waiting("edit", number + offset) for offset in range(8)]
        number += 8
    assert all(row.kind == "edit" for row in waiting)


@pytest.mark.parametrize(
    ("count", "taken"),
    [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 6), (8, 8), (9, 8), (11, 8), (12, 12), (15, 15), (16, 16), (40, 16)],
)
def test_a_call_takes_a_full_bucket_unless_the_next_one_is_three_quarters_full(count: int, taken: int) -> None:
    assert rows_to_take(count, 16) == taken


def test_a_bucket_is_the_smallest_power_of_two_that_holds_the_rows() -> None:
    assert [bucket_for(count) for count in (1, 2, 3, 4, 5, 9, 16)] == [1, 2, 4, 4, 8, 16, 16]
