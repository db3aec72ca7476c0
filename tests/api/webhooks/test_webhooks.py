"""A job's end reaches a real receiver, which checks it with the library that receivers use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.access.keyring import Keyring
from core.access.keys import Scope
from core.clock import utc_now
from core.config import Settings
from core.services import Services
from core.webhooks import keys
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, edit, personalize
from tests.api.webhooks.conftest import Deliveries, Endpoint
from tests.support.receiver import Reply

PATIENCE_S = 60.0


def until(happened: Callable[[], Any]) -> None:
    """Ask until it has happened: what is written down after an answer has no event to wait for."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_success_is_told_with_the_job_as_polling_tells_it(
    api: httpx.Client, endpoint: Endpoint, deliveries: Deliveries
) -> None:
    job_id = deliveries.succeeded(webhook=endpoint.url("/success"))
    [message] = endpoint.heard("/success")
    job = api.get(f"/jobs/{job_id}").json()
    assert message == {"type": "job.succeeded", "timestamp": job["ended_at"], "data": job}
    until(lambda: deliveries.of(job_id)[0]["state"] == "delivered")
    [delivery] = deliveries.of(job_id)
    assert endpoint.ids("/success") == {delivery["id"]}
    assert [attempt["status"] for attempt in delivery["attempts"]] == [204]
    assert (delivery["round"], delivery["due_at"]) == (1, None)


def test_links_in_a_message_work(api: httpx.Client, endpoint: Endpoint, worker: PretendingWorker) -> None:
    tail = personalize(api).json()
    worker.succeed(worker.take(tail["id"]))
    job = edit(api, tail["tail_id"], webhook={"url": endpoint.url("/edit"), "events": ["job.succeeded"]}).json()
    worker.succeed(worker.take(job["id"], "edit"))
    [message] = endpoint.heard("/edit")
    [result] = message["data"]["results"]
    assert httpx.get(result["url"]).headers["Content-Type"] == "image/png"


def test_failures_and_cancellations_are_told_too(
    api: httpx.Client, endpoint: Endpoint, worker: PretendingWorker
) -> None:
    failed = personalize(api, webhook=endpoint.url("/failure")).json()
    worker.fail(worker.take(failed["id"]), "the loss was not finite")
    canceled = personalize(api, webhook=endpoint.url("/cancellation")).json()
    api.delete(f"/jobs/{canceled['id']}")
    [failure], [cancellation] = endpoint.heard("/failure"), endpoint.heard("/cancellation")
    assert (failure["type"], failure["data"]["error"]["detail"]) == ("job.failed", "the loss was not finite")
    assert (cancellation["type"], cancellation["data"]["status"]) == ("job.canceled", "canceled")


def test_only_the_wanted_events_are_told(
    api: httpx.Client, endpoint: Endpoint, worker: PretendingWorker, deliveries: Deliveries
) -> None:
    url, events = endpoint.url("/filtered"), "job.started, job.failed"
    job_id = personalize(api, webhook=url, webhook_events=events).json()["id"]
    attempt = worker.take(job_id)
    assert [message["type"] for message in endpoint.heard("/filtered")] == ["job.started"]
    worker.succeed(attempt)
    assert [delivery["event"] for delivery in deliveries.of(job_id)] == ["job.started"]


def test_what_is_not_answered_well_is_tried_again_with_the_same_id(endpoint: Endpoint, deliveries: Deliveries) -> None:
    url = endpoint.url("/flaky", Reply(500), Reply(302, headers={"Location": "/elsewhere"}))
    job_id = deliveries.succeeded(webhook=url)
    messages = endpoint.heard("/flaky", 3)
    assert len({message["timestamp"] for message in messages}) == 1
    until(lambda: deliveries.of(job_id)[0]["state"] == "delivered")
    [delivery] = deliveries.of(job_id)
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 302, 204]
    assert endpoint.ids("/flaky") == {delivery["id"]}
    assert endpoint.ids("/elsewhere") == set()


def test_after_the_last_wait_it_is_given_up_and_can_be_asked_for_again(
    api: httpx.Client, endpoint: Endpoint, deliveries: Deliveries, services: Services
) -> None:
    job_id = deliveries.succeeded(webhook=endpoint.url("/down", *[Reply(503)] * 3))
    until(lambda: deliveries.of(job_id)[0]["state"] == "failed")
    assert [attempt["status"] for attempt in deliveries.of(job_id)[0]["attempts"]] == [503] * 3
    until(lambda: list(services.storage.list(keys.due_of(job_id))) == [])

    answer = api.post(f"/jobs/{job_id}/deliveries/job.succeeded")
    assert (answer.status_code, answer.json()["round"], answer.json()["state"]) == (202, 2, "pending")
    assert len(endpoint.heard("/down", 4)) == 4
    until(lambda: deliveries.of(job_id)[-1]["state"] == "delivered")
    assert len(endpoint.ids("/down")) == 1


def test_what_is_asked_for_again_is_not_told_twice_by_the_attempts_that_were_left(
    api: httpx.Client, endpoint: Endpoint, deliveries: Deliveries
) -> None:
    url = endpoint.url("/back-again", Reply(503, headers={"Retry-After": "2"}))
    job_id = deliveries.succeeded(webhook=url)
    until(lambda: deliveries.of(job_id)[0]["attempts"])
    api.post(f"/jobs/{job_id}/deliveries/job.succeeded")
    until(lambda: [one["state"] for one in deliveries.of(job_id)] == ["superseded", "delivered"])
    assert len(endpoint.heard("/back-again", 2)) == 2


def test_410_disables_the_url_for_what_was_owed_and_not_for_who_names_it_anew(
    api: httpx.Client, endpoint: Endpoint, deliveries: Deliveries
) -> None:
    url = endpoint.url("/gone", Reply(503, headers={"Retry-After": "3"}), Reply(410))
    before = deliveries.succeeded(webhook=url)
    until(lambda: deliveries.of(before)[0]["attempts"])
    gone = deliveries.succeeded(webhook=url)
    until(lambda: {one["state"] for id_ in (before, gone) for one in deliveries.of(id_)} == {"disabled"})
    assert len(endpoint.heard("/gone", 2)) == 2
    after = deliveries.succeeded(webhook=url)
    until(lambda: deliveries.of(after)[0]["state"] == "delivered")
    assert api.post(f"/jobs/{gone}/deliveries/job.succeeded").status_code == 202
    until(lambda: [one["state"] for one in deliveries.of(gone)] == ["disabled", "delivered"])


def test_an_endpoint_that_does_not_answer_is_an_attempt_with_a_reason(
    endpoint: Endpoint, deliveries: Deliveries
) -> None:
    closed = threading.Event()
    silent = Reply(200, drip=lambda _: closed.wait(PATIENCE_S))
    job_id = deliveries.succeeded(webhook=endpoint.url("/silent", silent))
    until(lambda: deliveries.of(job_id)[0]["attempts"])
    attempt = deliveries.of(job_id)[0]["attempts"][0]
    assert attempt["status"] is None
    assert attempt["error"].startswith("timeout:")
    closed.set()


def test_a_name_of_an_inner_address_is_never_reached(endpoint: Endpoint, deliveries: Deliveries) -> None:
    job_id = deliveries.succeeded(webhook=endpoint.server.url("/inner", host="127.2"))
    until(lambda: deliveries.of(job_id)[0]["attempts"])
    assert deliveries.of(job_id)[0]["attempts"][0]["error"].startswith("inner-address:")


def test_a_deleted_job_takes_its_deliveries_along(
    api: httpx.Client, endpoint: Endpoint, deliveries: Deliveries, services: Services
) -> None:
    job_id = deliveries.succeeded(webhook=endpoint.url("/deleted", *[Reply(503, headers={"Retry-After": "3600"})] * 9))
    until(lambda: deliveries.of(job_id)[0]["attempts"])
    assert list(services.storage.list(keys.due_of(job_id)))
    api.delete(f"/tails/{job_id.replace('job_', 'tail_')}")
    check(api.get(f"/jobs/{job_id}/deliveries"), 410, "gone")
    assert list(services.storage.list(keys.due_of(job_id))) == []
    assert list(services.storage.list(keys.deliveries(job_id))) == []


def test_a_job_without_a_webhook_has_no_deliveries(api: httpx.Client, deliveries: Deliveries) -> None:
    job_id = deliveries.succeeded()
    assert deliveries.of(job_id) == []
    check(api.post(f"/jobs/{job_id}/deliveries/job.succeeded"), 404, "not-found")
    check(api.get(f"/jobs/job_{'0' * 24}/deliveries"), 404, "not-found")


@pytest.mark.parametrize(
    ("webhook", "field"),
    [
        ("example.org", "webhook"),
        ("http://169.254.169.254/", "webhook"),
        ("https://user:password@example.org/", "webhook"),
        ({"url": "http://[::1]/"}, "webhook"),
        ({"url": "https://example.org/", "events": ["job.exploded"]}, "webhook.events.0"),
        ({"url": "https://example.org/", "events": []}, "webhook.events"),
        ({"url": "https://example.org/", "secret": "x"}, "webhook.secret"),
        ({}, "webhook.url"),
        (7, "webhook"),
    ],
)
def test_a_webhook_that_can_not_be_is_refused_at_once(api: httpx.Client, webhook: Any, field: str) -> None:
    tail_id = personalize(api).json()["tail_id"]
    check(edit(api, tail_id, webhook=webhook), 422, "invalid-input", field)


def test_a_form_says_what_is_wrong_with_its_events(api: httpx.Client) -> None:
    url = "https://example.org/"
    check(personalize(api, webhook=url, webhook_events="job.ended"), 422, "invalid-input", "webhook.events.0")
    check(personalize(api, webhook_events="job.failed"), 422, "invalid-input", "webhook_events")
    assert personalize(api, webhook="", webhook_events="").status_code == 202


def test_metrics_count_attempts_and_what_is_owed(api: httpx.Client, endpoint: Endpoint, deliveries: Deliveries) -> None:
    job_id = deliveries.succeeded(webhook=endpoint.url("/counted"))
    until(lambda: deliveries.of(job_id)[0]["state"] == "delivered")
    shown = api.get("/metrics").text
    for name in ("attempts_total{status=", "deliveries_total{state=", "deliveries_owed", "delay_seconds_bucket"):
        assert f"tailor_webhook_{name}" in shown


def test_edits_that_came_with_a_personalization_tell_the_same_webhook(
    api: httpx.Client, endpoint: Endpoint, worker: PretendingWorker
) -> None:
    edits = '[{"prompt": "a sitting dog"}]'
    tail = personalize(api, webhook=endpoint.url("/together"), edits=edits).json()
    worker.succeed(worker.take(tail["id"]))
    [told] = endpoint.heard("/together")
    assert [edit["id"] for edit in told["data"]["edits"]] == [tail["edits"][0]["id"]]
    worker.succeed(worker.take(tail["edits"][0]["id"], "edit"))
    assert endpoint.heard("/together", 2)[-1]["data"]["id"] == tail["edits"][0]["id"]


def test_the_servers_own_webhook_is_no_concern_of_callers_who_do_not_run_it(
    settings: Settings, services: Services, endpoint: Endpoint
) -> None:
    own = {
        "webhook_url": endpoint.url("/the-servers"),
        "webhook_secrets": f"whsec_{'A' * 32}",
        "require_keys": "always",
    }
    with api_server(settings.model_copy(update=own)) as api:

        def client(name: str, *scopes: Scope) -> httpx.Client:
            _, key = Keyring(services.storage).create(name, scopes, utc_now(), owner="one")
            return httpx.Client(base_url=api.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=30)

        caller, admin = client("caller", "submit", "read"), client("runs-it", "admin")
        job = personalize(caller).json()["id"]
        caller.delete(f"/jobs/{job}")
        assert len(admin.get(f"/jobs/{job}/deliveries").json()["items"]) == 1
        assert admin.post(f"/jobs/{job}/deliveries/job.canceled").status_code == 202
        assert caller.get(f"/jobs/{job}/deliveries").json()["items"] == []
        assert caller.post(f"/jobs/{job}/deliveries/job.canceled").status_code == 404
