"""Checks webhooks (Standard Webhooks) and reads what they tell."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import ValidationError

from tailor_client.answers import Job, View
from tailor_client.errors import WebhookError

TOLERANCE_S = 300.0
PREFIX = "whsec_"


class WebhookEvent(View):
    """What a webhook tells: the event, when it happened, and the job as it is now."""

    type: str
    timestamp: datetime
    data: Job


def verify_webhook(
    secrets: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> WebhookEvent:
    """Return the event that a request to your webhook brings; its body must be as it came, byte for byte.

    `secrets` are those of `Tailor.webhook_secrets`: one of them must have signed it. Raises WebhookError when none did,
    or when it was sent longer ago than `tolerance_s`. The header `webhook-id` is the same when a message comes again.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = sent["webhook-id"], sent["webhook-timestamp"]
        signatures = sent["webhook-signature"].split()
        age_s = (time.time() if now_s is None else now_s) - int(timestamp)
    except (KeyError, ValueError) as error:
        raise WebhookError(f"a header is missing or no number: {error}") from None
    if abs(age_s) > tolerance_s:
        raise WebhookError(f"it was sent {age_s:.0f} s ago")
    raw = body.encode() if isinstance(body, str) else body
    signed = f"{message_id}.{timestamp}.".encode() + raw
    known = [_signature(secret, signed) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not any(hmac.compare_digest(one.encode(), each.encode()) for one in known for each in signatures):
        raise WebhookError("no signature is one of these secrets'")
    try:
        return WebhookEvent.model_validate_json(raw)
    except ValidationError as error:
        raise WebhookError(f"it is no event of Tailor: {error}") from None


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
