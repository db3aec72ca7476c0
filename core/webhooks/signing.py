"""Signatures of Standard Webhooks, and the secrets that make them: each owner's own, made of the server's."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from standardwebhooks import Webhook as Signer

PREFIX = "whsec_"


def check_secret(text: str) -> str:
    """Return a secret if it is one as Standard Webhooks has them: `whsec_` and base64 of 24 to 64 bytes.

    Raises ValueError, which does not tell the secret.
    """
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("a secret must be whsec_ and the base64 of 24 to 64 bytes")
    return text


class Signing:
    """Signs with every secret, so that receivers may change to a new one at leisure; the first is the newest."""

    def __init__(self, secrets: tuple[str, ...], fallback: bytes) -> None:
        """`secrets` are the server's, as `whsec_…`; without any, owners' are made of `fallback`."""
        self._servers = secrets
        self._sources = [base64.b64decode(secret.removeprefix(PREFIX)) for secret in secrets] or [fallback]

    def secrets(self, owner: str) -> list[str]:
        """Return an owner's secrets, newest first. Whoever knows them can sign for nobody else."""
        made = (hmac.digest(source, f"webhooks of {owner}".encode(), hashlib.sha256) for source in self._sources)
        return [PREFIX + base64.b64encode(key).decode() for key in made]

    def headers(self, message_id: str, at: datetime, body: str, owner: str, *, servers: bool = False) -> dict[str, str]:
        """Return the headers that go with a message; those to the server's own endpoint have the server's secrets."""
        secrets = self._servers if servers else self.secrets(owner)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(Signer(secret).sign(message_id, at, body) for secret in secrets),
        }
