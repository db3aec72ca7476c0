from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from tailor_client import Tailor, WebhookError, verify_webhook
from tests.api.serving import PretendingWorker, picture

NOW = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)


@pytest.fixture
def message(api: httpx.Client, worker: PretendingWorker) -> tuple[str, dict[str, str], str]:
    """A secret of the server's, and a message as the library of Standard Webhooks signs it."""
    with Tailor(str(api.base_url)) as tailor:
        [secret, *_] = tailor.webhook_secrets()
        job = tailor.personalize(picture(), "a dog")
        worker.succeed(worker.take(job.id))
        body = f'{{"type":"job.succeeded","timestamp":"{NOW.isoformat()}","data":{tailor.job(job).model_dump_json()}}}'
    signature = Webhook(secret).sign("msg_1", NOW, body)
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(int(NOW.timestamp())), "Webhook-Signature": signature}
    return secret, headers, body


def test_a_message_that_a_secret_signed_tells_the_job(message: tuple[str, dict[str, str], str]) -> None:
    secret, headers, body = message
    older = "whsec_" + "A" * 32

    event = verify_webhook([older, secret], headers, body.encode(), now_s=NOW.timestamp() + 10)

    assert (event.type, event.timestamp, event.data.status) == ("job.succeeded", NOW, "succeeded")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Webhook-Signature": "v1,AAAA"}, "no signature"),
        ({"Webhook-Id": "msg_2"}, "no signature"),
        ({"Webhook-Timestamp": "soon"}, "no number"),
        ({"Webhook-Timestamp": str(int((NOW - timedelta(hours=1)).timestamp()))}, "3600 s ago"),
    ],
)
def test_a_message_of_somebody_else_is_refused(
    message: tuple[str, dict[str, str], str], change: dict[str, str], said: str
) -> None:
    secret, headers, body = message
    with pytest.raises(WebhookError, match=said):
        verify_webhook(secret, headers | change, body, now_s=NOW.timestamp())
    with pytest.raises(WebhookError, match="no signature"):
        verify_webhook(secret, headers, body + " ", now_s=NOW.timestamp())
    with pytest.raises(WebhookError, match="missing"):
        verify_webhook(secret, {}, body, now_s=NOW.timestamp())
