"""What is sent: the event, when it happened, and the job as `GET /jobs/{id}` tells it."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel

from api.views.jobs import JobView
from api.views.links import Links
from api.views.whole import whole_view
from core.clock import utc_now
from core.jobs.records import JobSpec
from core.services import Services
from core.webhooks.records import Delivery, WebhookEvent


class JobMessage(BaseModel):
    """The body of a webhook."""

    type: WebhookEvent
    timestamp: datetime
    data: JobView


def message(services: Services, spec: JobSpec, delivery: Delivery) -> str:
    """Return the body of a delivery, with links that are fresh at every attempt.

    Raises NotFoundError, or GoneError when the job was deleted.
    """
    base_url = services.settings.public_url or (spec.webhook.base_url if spec.webhook else "")
    links = Links(services, base_url.rstrip("/"), utc_now() + timedelta(seconds=services.settings.url_ttl_s))
    view = whole_view(services, services.jobs.state(spec.id), links, inline=False)
    return JobMessage(type=delivery.event, timestamp=delivery.occurred_at, data=view).model_dump_json()
