"""Whatever dies while a job runs, the job that was accepted ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stack import RunningStack, running_stack

pytestmark = pytest.mark.slow
STEPS = 60


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("faults") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(own_stack: RunningStack) -> str:
    """The tail that this picture and this seed give when nothing happens."""
    job = own_stack.personalize(steps=STEPS, seed=7)
    return str(own_stack.succeeded(job["id"])["receipt"]["tail_sha256"])


def test_a_killed_worker_costs_an_attempt_and_the_next_one_gives_the_same_tail_bit_for_bit(
    own_stack: RunningStack, undisturbed: str
) -> None:
    job = own_stack.personalize(steps=STEPS, seed=7)
    edit = own_stack.edit(tail_id=job["tail_id"], prompt="a sitting dog", num_inference_steps=2)
    own_stack.until_step(job["id"], STEPS // 4)

    own_stack.kill("worker-1")

    ended = own_stack.succeeded(job["id"])
    assert ended["attempt"] == 2
    assert ended["receipt"]["tail_sha256"] == undisturbed
    own_stack.succeeded(edit["id"])


def test_a_killed_redis_costs_nothing(own_stack: RunningStack, undisturbed: str) -> None:
    job = own_stack.personalize(steps=STEPS, seed=7)
    own_stack.until_step(job["id"], STEPS // 4)

    own_stack.kill("redis")

    ended = own_stack.succeeded(job["id"])
    assert ended["attempt"] == 1
    assert ended["receipt"]["tail_sha256"] == undisturbed


def test_a_killed_api_costs_nothing(own_stack: RunningStack, undisturbed: str) -> None:
    job = own_stack.personalize(steps=STEPS, seed=7)
    own_stack.until_step(job["id"], STEPS // 4)

    own_stack.kill("api")

    ended = own_stack.succeeded(job["id"])
    assert ended["attempt"] == 1
    assert ended["receipt"]["tail_sha256"] == undisturbed


def test_all_of_it_ended_and_started_again_goes_on_where_it_was(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("restart") / "data"
    with running_stack(data) as before:
        job = before.personalize(steps=STEPS)
        before.until_step(job["id"], STEPS // 4)

    with running_stack(data) as after:
        ended = after.succeeded(job["id"])

    assert ended["attempt"] == 2
    assert ended["error"] is None
