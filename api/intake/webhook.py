"""The webhook that a request names: a URL, or in JSON an object that also says which events it wants."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.intake.parsing import Body
from api.outbound.addresses import AddressGuard
from api.outbound.urls import check_url
from core.config import Settings
from core.errors import InvalidInputError
from core.webhooks.records import END_EVENTS, Webhook, WebhookEvent

FORM_EVENTS = "webhook_events"


class WebhookFields(BaseModel):
    """Who is told of the job, and of what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="http(s); gets POSTs as Standard Webhooks has them", examples=["https://example.org/"])
    events: list[WebhookEvent] = Field(list(END_EVENTS), min_length=1, description="the three ends, if not given")


WebhookField = Annotated[
    WebhookFields | None,
    BeforeValidator(
        lambda value: {"url": value} if isinstance(value, str) else value,
        json_schema_input_type=str | WebhookFields | None,
    ),
    Field(description="who is told of the job: a URL, or in JSON an object with the events that it wants"),
]


def with_form_events(body: Body) -> Body:
    """Return a body whose `webhook` is an object if it is a form's, which says the events in a field of their own."""
    events = body.fields.get(FORM_EVENTS)
    if body.strict or not isinstance(events, str):
        return body
    fields = {name: value for name, value in body.fields.items() if name != FORM_EVENTS}
    if not events:
        return Body(fields, body.strict)
    if not fields.get("webhook"):
        raise InvalidInputError(FORM_EVENTS, f"{FORM_EVENTS}: there is no webhook to send them to")
    fields["webhook"] = {"url": fields["webhook"], "events": [event.strip() for event in events.split(",")]}
    return Body(fields, body.strict)


def webhook_of(settings: Settings, wanted: WebhookFields | None, base_url: str) -> Webhook | None:
    """Return the webhook of a job: what its request names, else the server's own; raises InvalidInputError."""
    if wanted is None:  # a Host header that a client makes up must not name where the server's own receiver looks
        return Webhook(url=settings.webhook_url, servers=True) if settings.webhook_url else None
    check_url(AddressGuard(settings.allowed_inner_hosts), "webhook", wanted.url)
    return Webhook(url=wanted.url, events=tuple(dict.fromkeys(wanted.events)), base_url=base_url)
