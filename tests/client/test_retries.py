from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from tailor_client import ProblemError, Retries, ServerError, Tailor, TailorError, UnreachableError
from tailor_client.errors import NotTailorError
from tailor_client.retries import retry_after_s
from tests.api.serving import picture

AT_ONCE = Retries(first_s=0)


class Flaky(httpx.BaseTransport):
    """A server's transport that answers with these first, or breaks off after the server has answered."""

    def __init__(self, *first: httpx.Response | None) -> None:
        self._inner = httpx.HTTPTransport()
        self._first = list(first)
        self.keys: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("Idempotency-Key"))
        if not self._first:
            return self._inner.handle_request(request)
        if answer := self._first.pop(0):
            return answer
        self._inner.handle_request(request).read()
        raise httpx.ReadError("the answer was lost")


def test_a_lost_answer_makes_no_second_job(api: httpx.Client) -> None:
    transport = Flaky(None, None)
    with Tailor(str(api.base_url), transport=transport, retries=AT_ONCE) as tailor:
        job = tailor.personalize(picture(), "a dog", labels={"batch": "retried"})

        assert [one.id for one in tailor.jobs(labels={"batch": "retried"})] == [job.id]
        assert len(set(transport.keys[:3])) == 1
        assert transport.keys[0]
        tailor.cancel(job)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_gone_soon_is_tried_again(api: httpx.Client, status: int) -> None:
    transport = Flaky(httpx.Response(status), httpx.Response(status, headers={"Retry-After": "0"}))
    with Tailor(str(api.base_url), transport=transport, retries=AT_ONCE) as tailor:
        assert tailor.models()[0].name == "critters"
    assert len(transport.keys) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
def test_what_stays_is_not_tried_again(api: httpx.Client, status: int) -> None:
    transport = Flaky(httpx.Response(status))
    tailor = Tailor(str(api.base_url), transport=transport, retries=AT_ONCE)
    with tailor, pytest.raises(ProblemError) as refused:
        tailor.models()
    assert (refused.value.status, len(transport.keys)) == (status, 1)


def test_a_server_that_wants_more_patience_than_there_is_is_an_error_at_once(api: httpx.Client) -> None:
    transport = Flaky(httpx.Response(503, headers={"Retry-After": "3600"}))
    tailor = Tailor(str(api.base_url), transport=transport, retries=AT_ONCE)
    with tailor, pytest.raises(ServerError) as busy:
        tailor.models()
    assert (busy.value.retry_after_s, len(transport.keys)) == (3600, 1)


def test_pauses_double_up_to_the_longest_and_heed_the_server() -> None:
    retries = Retries(tries=10, patience_s=1000, first_s=1, longest_s=8, chance=lambda: 0)

    assert [retries.pause_s(tried, 0, None) for tried in range(1, 7)] == [1, 2, 4, 8, 8, 8]
    assert retries.pause_s(1, 0, 30) == 30
    assert retries.pause_s(1, 980, 30) is None
    assert retries.pause_s(10, 0, None) is None
    assert Retries(first_s=1, chance=lambda: 1).pause_s(1, 0, None) == 0.5


def test_retry_after_is_a_number_or_a_date() -> None:
    now = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)

    assert retry_after_s({"Retry-After": "7"}) == 7
    assert retry_after_s({"Retry-After": "Fri, 02 Jan 2026 15:04:15 GMT"}, now) == 10
    assert retry_after_s({"Retry-After": "Fri, 02 Jan 2026 15:04:00 GMT"}, now) == 0
    assert retry_after_s({"Retry-After": "soon"}) is None
    assert retry_after_s({}) is None


class Answering(httpx.BaseTransport):
    """A transport that answers all requests alike, and counts them."""

    def __init__(self, answer: Exception | httpx.Response) -> None:
        self._answer = answer
        self.asked = 0

    def handle_request(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (httpx.ReadError("the answer was lost"), 1),  # it may have been delivered
        (httpx.ConnectError("nobody there"), 6),
        (httpx.Response(503), 6),
        (httpx.Response(504), 1),
    ],
)
def test_what_would_be_done_twice_is_tried_again_only_if_it_was_not_done(
    answer: Exception | httpx.Response, asked: int
) -> None:
    transport = Answering(answer)
    with Tailor("http://tailor", transport=transport, retries=AT_ONCE) as tailor, pytest.raises(TailorError):
        tailor.deliver_again("job_" + 24 * "0", "job.succeeded")
    assert transport.asked == asked


def test_waiting_has_no_more_patience_than_time() -> None:
    transport = Answering(httpx.ConnectError("nobody there"))
    slow = Retries(first_s=2, chance=lambda: 0)
    with Tailor("http://tailor", transport=transport, retries=slow) as tailor, pytest.raises(UnreachableError):
        tailor.wait("job_" + 24 * "0", timeout_s=1)
    assert transport.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
        httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=httpx.ByteStream(b"data: {\n\n")),
    ],
)
def test_what_is_no_stream_of_events_is_no_server_of_ours(answer: httpx.Response) -> None:
    with Tailor("http://tailor", transport=Answering(answer), retries=AT_ONCE) as tailor, pytest.raises(NotTailorError):
        list(tailor.events("job_" + 24 * "0"))
