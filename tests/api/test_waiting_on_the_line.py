"""`Prefer: wait=N` of a POST: the answer comes when the job has ended."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.waiting import longpoll
from core.config import Settings
from core.errors import StorageUnavailableError
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.records import JobKind
from core.services import Services
from tests.api.serving import MODEL, PretendingWorker, api_server, edit, personalize, picture


def take(services: Services, kind: JobKind, prompt: str) -> Attempt:
    """Claim the job with this prompt, whose id nobody knows yet; others that come first are canceled."""
    claims = Claims(services.jobs, "pretender", lambda: {MODEL.hash})
    while (attempt := claims.take(kind)) and attempt.spec.prompt != prompt:
        services.jobs.cancel(attempt.spec.id)
    assert attempt
    return attempt


def test_a_job_that_ends_in_time_is_the_answer_with_its_results(
    api: httpx.Client, worker: PretendingWorker, services: Services, waiting: threading.Event
) -> None:
    tail = personalize(api).json()
    worker.succeed(worker.take(tail["id"]))
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(
            edit, api, tail["tail_id"], headers={"Prefer": "wait=60"}, num_images=2, prompt="a dog at once"
        )
        assert waiting.wait(timeout=20)
        attempt = take(services, "edit", "a dog at once")
        worker.progress(attempt, 1, 2)
        worker.succeed(attempt)
        answer = sent.result(timeout=20)
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.headers["Preference-Applied"] == "wait=60"
    assert answer.headers["Location"] == f"/jobs/{attempt.spec.id}"
    assert "Retry-After" not in answer.headers
    assert len(answer.json()["results"]) == 2


def test_a_job_that_fails_in_time_says_why(
    api: httpx.Client, worker: PretendingWorker, services: Services, waiting: threading.Event
) -> None:
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(personalize, api, headers={"Prefer": "wait=60"}, prompt="a dog that fails")
        assert waiting.wait(timeout=20)
        worker.fail(take(services, "personalize", "a dog that fails"), "the loss was not finite")
        answer = sent.result(timeout=20)
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert answer.json()["error"]["detail"] == "the loss was not finite"


@pytest.mark.parametrize("prefer", ["wait=1", "wait=0"])
def test_a_job_that_goes_on_is_a_202_after_that_time(api: httpx.Client, prefer: str) -> None:
    answer = personalize(api, headers={"Prefer": prefer})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == prefer
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_repetition_waits_too(api: httpx.Client, worker: PretendingWorker, waiting: threading.Event) -> None:
    headers = {"Idempotency-Key": "waiting again"}
    job = personalize(api, headers=headers).json()
    attempt = worker.take(job["id"])
    with ThreadPoolExecutor() as pool:
        again = pool.submit(personalize, api, headers=headers | {"Prefer": "wait=60"})
        assert waiting.wait(timeout=20)
        worker.succeed(attempt)
        answer = again.result(timeout=20)
    assert (answer.status_code, answer.json()["id"]) == (200, job["id"])
    assert answer.headers["Idempotency-Replayed"] == "true"


def test_the_bytes_of_an_upload_are_given_back_before_the_waiting(
    settings: Settings, services: Services, waiting: threading.Event
) -> None:
    headers = {"Idempotency-Key": "bytes in hand"}
    body = httpx.Request("POST", "http://x", data={"prompt": "a standing dog"}, files={"picture": picture()}).read()
    enough_for_one = settings.model_copy(update={"max_body_bytes_in_flight": len(body) * 3 // 2})
    with api_server(enough_for_one) as api, ThreadPoolExecutor() as pool:
        waits = pool.submit(personalize, api, headers=headers | {"Prefer": "wait=60"})
        assert waiting.wait(timeout=20)
        meanwhile = personalize(api, headers=headers)
        assert (meanwhile.status_code, meanwhile.headers["Idempotency-Replayed"]) == (202, "true")
        api.delete(f"/jobs/{meanwhile.json()['id']}")
        assert waits.result(timeout=20).json()["status"] == "canceled"


def test_what_can_not_be_read_while_waiting_takes_nothing_back(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object) -> None:
        raise StorageUnavailableError("storage is away")

    monkeypatch.setattr(longpoll, "_wait", unavailable)
    answer = personalize(api, headers={"Prefer": "wait=60"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
