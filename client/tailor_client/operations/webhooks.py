"""Webhooks: how their deliveries went, and with which secrets they are signed."""

from __future__ import annotations

from tailor_client.answers import Delivery, Job
from tailor_client.calls import Call
from tailor_client.operations.common import one, page
from tailor_client.operations.jobs import id_of_job


def deliveries(job_id: str | Job) -> Call[list[Delivery]]:
    """GET /jobs/{id}/deliveries."""
    return Call("GET", f"/jobs/{id_of_job(job_id)}/deliveries", lambda answer: page(Delivery)(answer)[0])


def deliver_again(job_id: str | Job, event: str) -> Call[Delivery]:
    """POST /jobs/{id}/deliveries/{event}."""
    return Call("POST", f"/jobs/{id_of_job(job_id)}/deliveries/{event}", one(Delivery), once=True)


def webhook_secrets() -> Call[list[str]]:
    """GET /webhooks/secrets."""
    return Call("GET", "/webhooks/secrets", lambda answer: list(answer.json()["secrets"]))
