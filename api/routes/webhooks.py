"""The webhooks of a job: how their deliveries went, and once more, please."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response

from api.callers import Asking, Caller, JobId, may
from api.state import State, Use
from api.views.deliveries import DeliveryList, DeliveryView, SecretsView, delivery_view
from core.errors import NotFoundError
from core.jobs.records import JobSpec
from core.webhooks.records import WebhookEvent

router = APIRouter(tags=["webhooks"])


@router.get("/jobs/{job_id}/deliveries", dependencies=[Depends(may("read"))])
def read_deliveries(job_id: JobId, services: Use, caller: Asking) -> DeliveryList:
    """Return what a job's webhook was sent, attempt by attempt; empty when it has none."""
    if _is_the_servers(services.jobs.spec(job_id), caller):
        return DeliveryList(items=[])
    deliveries = sorted(services.jobs.deliveries.of(job_id), key=lambda one: (one.occurred_at, one.round))
    return DeliveryList(items=[delivery_view(one) for one in deliveries])


@router.post("/jobs/{job_id}/deliveries/{event}", status_code=202, dependencies=[Depends(may("submit"))])
def deliver_again(job_id: JobId, event: WebhookEvent, services: Use, caller: Asking) -> DeliveryView:
    """Deliver an event again, at once and with all attempts; the message keeps its id."""
    spec = services.jobs.spec(job_id)
    if _is_the_servers(spec, caller):
        raise NotFoundError(f"{job_id} has no delivery of {event}", id=job_id)
    return delivery_view(services.jobs.deliveries.again(spec, event))


def _is_the_servers(spec: JobSpec, caller: Caller) -> bool:
    """Tell whether the webhook is the server's own, which is no concern of a caller who does not run it."""
    return spec.webhook is not None and spec.webhook.servers and "admin" not in caller.scopes


@router.get("/webhooks/secrets", dependencies=[Depends(may("submit"))])
async def read_webhook_secrets(caller: Asking, state: State, response: Response) -> SecretsView:
    """Return the secrets that sign your webhooks (`whsec_…`): a receiver checks with any of them."""
    response.headers["Cache-Control"] = "no-store"
    return SecretsView(secrets=state.signing.secrets(caller.owner))
