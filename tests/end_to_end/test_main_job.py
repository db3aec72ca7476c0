from __future__ import annotations

import io

import pytest
from PIL import Image
from safetensors.numpy import load

from tests.support.stack import RunningStack

pytestmark = pytest.mark.slow


def test_one_picture_becomes_a_tail_and_the_tail_becomes_pictures(stack: RunningStack, tail: str) -> None:
    edit = stack.edit(tail_id=tail, prompt="a sitting dog", num_images=2, num_inference_steps=5, seed=3)

    job = stack.succeeded(edit["id"])

    pictures = [Image.open(io.BytesIO(stack.client.get(result["url"]).content)) for result in job["results"]]
    assert [(picture.format, picture.size) for picture in pictures] == [("PNG", (64, 64))] * 2
    assert pictures[0].tobytes() != pictures[1].tobytes()
    assert job["receipt"]["tail_id"] == tail


def test_a_tail_is_a_small_safetensors_file(stack: RunningStack, tail: str) -> None:
    answer = stack.client.get(f"/tails/{tail}/file", follow_redirects=True)

    assert load(answer.content)["tail"].shape == (5, 256)
    assert len(answer.content) < 16_000


def test_a_receipts_request_posted_again_gives_the_same_pictures(stack: RunningStack, tail: str) -> None:
    fields = {"tail_id": tail, "prompt": "a running dog", "num_inference_steps": 4, "exact": True}
    first = stack.succeeded(stack.edit(**fields)["id"])

    again = stack.succeeded(stack.edit(**first["receipt"]["request"])["id"])

    one, other = (stack.client.get(job["results"][0]["url"]).content for job in (first, again))
    assert one == other


def test_a_tails_receipt_posted_again_with_its_picture_gives_the_same_tail_in_any_company(stack: RunningStack) -> None:
    first = stack.succeeded(stack.personalize(steps=12, exact=True)["id"])
    request = first["receipt"]["request"]
    assert request["exact"] is True

    beside = stack.personalize(steps=40)
    again = stack.succeeded(stack.personalize(**request)["id"])

    assert again["receipt"]["tail_sha256"] == first["receipt"]["tail_sha256"]
    stack.succeeded(beside["id"])


def test_an_edit_that_is_sent_before_its_tail_is_ready_waits_for_it(stack: RunningStack) -> None:
    source = stack.personalize(steps=10)
    edit = stack.edit(tail_id=source["tail_id"], prompt="a sitting dog", num_inference_steps=2)
    assert edit["status"] == "waiting"

    stack.succeeded(edit["id"])


def test_eight_edits_sent_at_once_run_as_batches(stack: RunningStack, tail: str) -> None:
    calls, rows = (stack.metric(f"tailor_engine_{name}_total") for name in ("calls", "rows"))
    jobs = [stack.edit(tail_id=tail, prompt="a dog in the snow", num_inference_steps=20, seed=i) for i in range(8)]

    for job in jobs:
        stack.succeeded(job["id"])

    stack.wait_for(lambda: stack.metric("tailor_engine_rows_total") >= rows + 8 * 40, "the worker's next heartbeat")
    mean = (stack.metric("tailor_engine_rows_total") - rows) / (stack.metric("tailor_engine_calls_total") - calls)
    assert mean > 4  # 16 rows wait at once; the first calls and the last may be smaller


def test_a_canceled_job_stops_and_frees_its_slot(stack: RunningStack, tail: str) -> None:
    job = stack.personalize(steps=5000)
    stack.until_step(job["id"], 1)

    answer = stack.client.delete(f"/jobs/{job['id']}")

    assert answer.json()["status"] == "canceled"
    stack.wait_for(lambda: stack.metric("tailor_engine_running_jobs") == 0, "the engine to be idle")


def test_every_kind_of_override_reaches_the_receipt(stack: RunningStack) -> None:
    job = stack.personalize(steps=3, positions=3, learning_rate=0.01, recipe="paper", seed=9)

    request = stack.succeeded(job["id"])["receipt"]["request"]

    told = {name: request[name] for name in ("steps", "positions", "learning_rate", "recipe", "seed")}
    assert told == {"steps": 3, "positions": 3, "learning_rate": 0.01, "recipe": "paper", "seed": 9}


def test_an_edit_behind_a_full_queue_of_personalizations_is_served_while_they_run(
    stack: RunningStack, tail: str
) -> None:
    jobs = [stack.personalize(steps=5000)["id"] for _ in range(12)]  # eight slots, and four that wait
    stack.until_step(jobs[7], 1)

    edit = stack.succeeded(stack.edit(tail_id=tail, prompt="a sitting dog", num_inference_steps=3)["id"])

    states = [stack.client.delete(f"/jobs/{job_id}").json() for job_id in jobs]
    assert edit["attempt"] == 1
    assert {state["status"] for state in states} == {"canceled"}
    stack.wait_for(lambda: stack.metric("tailor_engine_running_jobs") == 0, "the engine to be idle")
