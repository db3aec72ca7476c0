from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from tailor_client import ProblemError, Retries, ServerError, Tailor
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
