"""A client is told how long its jobs will take, by what the worker has measured."""

from __future__ import annotations

from typing import Any

from tests.support.stack import RunningStack


def eta_s(stack: RunningStack, job_id: str) -> float | None:
    job = stack.client.get(f"/jobs/{job_id}").json()
    assert job["ended_at"] is None, job
    return job["eta_s"]  # type: ignore[no-any-return]


def test_what_runs_and_what_waits_for_it_has_an_estimate(stack: RunningStack, tail: str) -> None:
    stack.succeeded(stack.edit(tail_id=tail, prompt="a dog", num_inference_steps=4)["id"])  # the second teaches, too
    long = stack.personalize(steps=2000, seed=3)
    edit = stack.edit(tail_id=long["tail_id"], prompt="a sitting dog")

    known: dict[str, Any] = {}

    def both_known() -> bool:
        known.update({each: eta_s(stack, each) for each in (long["id"], edit["id"])})
        return None not in known.values()

    stack.wait_for(both_known, "an estimate of both")
    assert known[edit["id"]] > known[long["id"]] > 0
    assert stack.client.delete(f"/jobs/{long['id']}").status_code == 200
    assert stack.ended(edit["id"])["eta_s"] is None
