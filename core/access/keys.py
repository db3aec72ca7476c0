"""An API key: how it looks, what is kept of it, and whether a sent one is it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import Literal, get_args

from pydantic import Field

from core.record import SCHEMA_VERSION, Record

Scope = Literal["submit", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_SCOPES: tuple[Scope, ...] = ("submit", "read")
# The prefix is what scanners for leaked secrets look for; the id is no secret, and finds the record.
KEY_PATTERN = r"tailor_([0-9a-f]{12})_[0-9a-f]{64}"
_KEY = re.compile(KEY_PATTERN)
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"


class ApiKey(Record):
    """`keys/{id}.json`: all that is kept of a key, which is not enough to use it."""

    schema_version: int = SCHEMA_VERSION
    id: str
    name: str = Field(pattern=f"^{NAME_PATTERN}$")
    owner: str = Field(pattern=f"^{NAME_PATTERN}$", description="whose all is that the key makes, and all that it sees")
    scopes: tuple[Scope, ...]
    sha256: str
    created_at: datetime
    revoked_at: datetime | None = None

    def is_hash_of(self, key: str) -> bool:
        """Tell whether a sent key is this one; takes as long for every wrong one."""
        return hmac.compare_digest(hash_of(key), self.sha256)

    def may(self, scope: Scope) -> bool:
        """Tell whether the key is for this; `admin` is for everything."""
        return scope in self.scopes or "admin" in self.scopes


def new_key() -> tuple[str, str]:
    """Return a fresh key, with 256 random bits, and its id."""
    key_id = secrets.token_hex(6)
    return f"tailor_{key_id}_{secrets.token_hex(32)}", key_id


def id_in(key: str) -> str | None:
    """Return the id in a key; None for what does not look like one."""
    found = _KEY.fullmatch(key)
    return found[1] if found else None


def hash_of(key: str) -> str:
    """Return what is kept of a key.

    A fast hash is right here: slow ones make up for passwords that can be guessed. Nobody guesses 256 random bits, and
    a slow hash would only let strangers keep the server busy with wrong keys.
    """
    return hashlib.sha256(key.encode()).hexdigest()
