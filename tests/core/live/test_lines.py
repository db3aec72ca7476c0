"""Who comes next."""

from __future__ import annotations

from core.live.names import ALONE, turns_key
from tests.support.job_life import MODEL_HASH, Life


def order(life: Life, count: int) -> list[str]:
    """Take so many jobs, without running them."""
    claimed = [life.live.lines.claim("personalize", MODEL_HASH, f"token {n}") for n in range(count)]
    return [found[0] if found else "" for found in claimed]


def accept(life: Life, owner: str, count: int = 1) -> list[str]:
    return [life.accept(life.personalization(owner=owner)).id for _ in range(count)]


def test_owners_take_turns_and_the_jobs_of_one_go_in_their_order(life: Life) -> None:
    alice, bob = accept(life, "alice", 4), accept(life, "bob", 2)
    carol = accept(life, "carol")

    assert order(life, 7) == [alice[0], bob[0], carol[0], alice[1], bob[1], alice[2], alice[3]]


def test_an_owner_who_comes_late_waits_for_one_turn_and_makes_up_for_none(life: Life) -> None:
    alice = accept(life, "alice", 6)
    assert order(life, 3) == alice[:3]

    bob = accept(life, "bob", 2)

    assert order(life, 5) == [alice[3], bob[0], alice[4], bob[1], alice[5]]


def test_after_an_empty_line_nobody_pays_for_what_was_served_before(life: Life) -> None:
    assert "" not in order(life, len(accept(life, "alice", 5)))
    alice, bob = accept(life, "alice"), accept(life, "bob")

    assert order(life, 2) == [alice[0], bob[0]]
    assert set(life.live.client.hkeys(turns_key("personalize", MODEL_HASH))) == {"now", "count"}


def test_a_job_that_comes_back_has_its_place_again(life: Life) -> None:
    first, *others = [life.accept(life.personalization()) for _ in range(3)]
    token = "a worker"
    assert life.live.lines.claim("personalize", MODEL_HASH, token) == (first.id, 0)

    assert life.live.lines.enqueue(first, "personalize", token=token)

    assert order(life, 3) == [first.id, *(spec.id for spec in others)]


def test_positions_count_the_jobs_that_go_before(life: Life) -> None:
    specs = [life.accept(life.personalization(owner=owner)) for owner in ("alice", "alice", "alice", "bob")]

    records = [life.live.records.read(spec) for spec in specs]

    assert [record.position for record in records if record] == [0, 2, 3, 1]


def test_a_job_stands_in_one_line_only(life: Life) -> None:
    spec = life.accept(life.personalization())

    assert life.live.lines.enqueue(spec, ALONE)

    assert life.live.lines.lengths() == {(ALONE, MODEL_HASH): 1}


def test_what_is_forgotten_is_in_no_line_and_leaves_no_events(life: Life) -> None:
    job_id = accept(life, "alice")[0]

    life.live.open_jobs.forget(job_id)

    assert life.live.client.keys(f"*{job_id}*") == []
    assert order(life, 1) == [""]
