from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from core.config import Settings
from core.webhooks.signing import PREFIX, Signing

OLD, NEW = (PREFIX + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
BODY = '{"type":"job.succeeded"}'


def test_whoever_has_one_of_the_secrets_can_check_and_nobody_else() -> None:
    signing = Signing((NEW, OLD), b"")
    headers = signing.headers("msg_1", datetime.now(UTC), BODY, "anna")
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in signing.secrets("anna"):
        assert secret.startswith("whsec_")
        assert Webhook(secret).verify(BODY, headers) == {"type": "job.succeeded"}
    for secret in (*signing.secrets("bert"), NEW, OLD):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(BODY, headers)


def test_a_receiver_with_the_old_secret_goes_on_while_secrets_are_exchanged() -> None:
    [old] = Signing((OLD,), b"").secrets("anna")
    headers = Signing((NEW, OLD), b"").headers("msg_1", datetime.now(UTC), BODY, "anna")
    assert Webhook(old).verify(BODY, headers)


def test_what_goes_to_the_servers_own_endpoint_is_signed_with_its_secrets_as_they_are() -> None:
    headers = Signing((NEW, OLD), b"").headers("msg_1", datetime.now(UTC), BODY, "anna", servers=True)
    assert Webhook(OLD).verify(BODY, headers)
    assert Webhook(NEW).verify(BODY, headers)


def test_without_secrets_each_server_has_its_own() -> None:
    assert Signing((), b"one").secrets("anna") == Signing((), b"one").secrets("anna")
    assert Signing((), b"one").secrets("anna") != Signing((), b"two").secrets("anna")


@pytest.mark.parametrize(
    "secret", ["geheim", "whsec_", "whsec_YWJj", "whsec_!!!!", base64.b64encode(b"x" * 32).decode()]
)
def test_a_secret_that_is_none_is_refused_at_the_start_and_not_told(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and the base64 of 24 to 64 bytes") as refused:
        Settings(_env_file=None, webhook_secrets=f"{NEW},{secret}")
    assert "input_value" not in str(refused.value)


def test_the_servers_own_endpoint_needs_secrets() -> None:
    with pytest.raises(ValueError, match="webhook_url needs webhook_secrets"):
        Settings(_env_file=None, webhook_url="https://example.org/")


def test_settings_do_not_show_secrets() -> None:
    assert NEW not in repr(Settings(_env_file=None, webhook_secrets=NEW))
