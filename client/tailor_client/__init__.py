"""A typed client of Tailor's HTTP interface, sync and async."""

from tailor_client.aio import AsyncTailor
from tailor_client.answers import Deletion, Delivery, Job, Model, Result, Tail
from tailor_client.client import Tailor
from tailor_client.errors import (
    JobFailedError,
    NotFoundError,
    Problem,
    ProblemError,
    ServerError,
    TailorError,
    UnauthorizedError,
    UnreachableError,
    WaitTimeoutError,
    WebhookError,
)
from tailor_client.events import Event
from tailor_client.options import EditOptions, NewEdit, PersonalizeOptions, Sweep
from tailor_client.retries import Retries
from tailor_client.webhooks import WebhookEvent, verify_webhook

__all__ = [
    "AsyncTailor",
    "Deletion",
    "Delivery",
    "EditOptions",
    "Event",
    "Job",
    "JobFailedError",
    "Model",
    "NewEdit",
    "NotFoundError",
    "PersonalizeOptions",
    "Problem",
    "ProblemError",
    "Result",
    "Retries",
    "ServerError",
    "Sweep",
    "Tail",
    "Tailor",
    "TailorError",
    "UnauthorizedError",
    "UnreachableError",
    "WaitTimeoutError",
    "WebhookError",
    "WebhookEvent",
    "verify_webhook",
]
