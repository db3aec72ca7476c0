from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest

from tailor_client import JobFailedError, Retries, Tailor, UnreachableError, WaitTimeoutError
from tests.api.serving import PretendingWorker, picture


@pytest.fixture
def tailor(api: httpx.Client) -> Iterator[Tailor]:
    with Tailor(str(api.base_url)) as tailor:
        yield tailor


def test_a_job_without_success_is_an_error_that_has_it(tailor: Tailor, worker: PretendingWorker) -> None:
    job = tailor.personalize(picture(), "a dog")
    worker.fail(worker.take(job.id), "the loss is not finite")

    with pytest.raises(JobFailedError, match="the loss is not finite") as failed:
        tailor.wait(job)

    assert failed.value.job.error
    assert failed.value.job.error.type == "urn:tailor:problem:not-finite"
    assert tailor.wait(job, check=False).status == "failed"


def test_waiting_ends_in_time_and_the_job_goes_on(tailor: Tailor) -> None:
    job = tailor.personalize(picture(), "a dog")

    with pytest.raises(WaitTimeoutError) as late:
        tailor.wait(job, timeout_s=0.2)

    assert late.value.job.status == "queued"
    assert tailor.cancel(job).status == "canceled"


def test_events_tell_the_progress_until_the_end(tailor: Tailor, worker: PretendingWorker) -> None:
    job = tailor.personalize(picture(), "a dog")
    attempt = worker.take(job.id)
    worker.progress(attempt, 1, 2)
    worker.succeed(attempt)

    events = list(tailor.events(job))

    assert [event.type for event in events][-2:] == ["progress", "status"]
    assert events[-2].data["step"] == 1
    assert events[-1].is_last
    assert list(tailor.events(job, after=events[-1].id)) == []
    assert [event.id for event in tailor.events(job, after=events[0].id)] == [event.id for event in events[1:]]


class Cutting(httpx.BaseTransport):
    """Cuts each stream of events after so many bytes, and lets every other request pass."""

    def __init__(self, after: int) -> None:
        self._inner = httpx.HTTPTransport()
        self._after = after
        self.asked: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if request.url.path.endswith("/events"):
            self.asked.append(request.headers.get("Last-Event-ID"))
            return httpx.Response(response.status_code, headers=response.headers, stream=_Cut(response, self._after))
        return response


class _Cut(httpx.SyncByteStream):
    def __init__(self, response: httpx.Response, after: int) -> None:
        self._response = response
        self._after = after

    def __iter__(self) -> Iterator[bytes]:
        left = self._after
        for data in self._response.iter_raw():
            yield data[:left]
            left -= len(data)
            if left <= 0:
                raise httpx.ReadError("cut")

    def close(self) -> None:
        self._response.close()


def test_events_go_on_where_the_connection_broke(api: httpx.Client, tailor: Tailor, worker: PretendingWorker) -> None:
    job = tailor.personalize(picture(), "a dog")
    attempt = worker.take(job.id)
    for step in range(1, 6):
        worker.progress(attempt, step, 5)
    worker.succeed(attempt)
    whole = list(tailor.events(job))
    transport = Cutting(after=200)

    with Tailor(str(api.base_url), transport=transport, retries=Retries(first_s=0)) as cut:
        events = list(cut.events(job))

    assert [event.id for event in events] == [event.id for event in whole]
    assert len(transport.asked) > 2
    assert transport.asked[0] is None
    assert set(transport.asked[1:]) <= {event.id for event in whole}


def test_events_are_given_up_when_the_server_stays_away(api: httpx.Client, tailor: Tailor) -> None:
    job = tailor.personalize(picture(), "a dog")
    away = httpx.MockTransport(lambda _: httpx.Response(503))
    lost = Tailor(str(api.base_url), transport=away, retries=Retries(tries=3, first_s=0))
    with lost, pytest.raises(UnreachableError):
        list(lost.events(job))
    tailor.cancel(job)


def test_wait_hears_of_the_end_at_once(tailor: Tailor, worker: PretendingWorker) -> None:
    job = tailor.personalize(picture(), "a dog")
    attempt = worker.take(job.id)
    seen: list[str] = []
    waiting = threading.Thread(target=lambda: seen.append(tailor.wait(job).status))
    waiting.start()
    worker.succeed(attempt)
    waiting.join(timeout=20)
    assert seen == ["succeeded"]
