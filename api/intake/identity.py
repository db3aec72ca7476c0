"""Which job a request is: its id, and the hash that tells repetitions of it from other requests."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from pydantic import BaseModel

from core.errors import IdempotencyConflictError, InvalidInputError, NotFoundError
from core.jobs.ids import new_job_id
from core.jobs.records import DEFAULT_OWNER, JobKind, JobSpec
from core.services import Services

MAX_KEY_CHARS = 255


def identify(
    kind: JobKind | Literal["import"],
    fields: BaseModel,
    *,
    owner: str,
    key: str | None,
    secret: bytes,
    sent: Sequence[bytes] = (),
) -> tuple[str, str]:
    """Return a job's id and the hash of its request.

    With an Idempotency-Key the id is an HMAC over owner and key: nobody without the server's secret can work out the
    id behind a key that he guesses. The hash covers what was sent, not what a recipe or a drawn seed made of it: those
    may change between two tries.
    """
    digests = [hashlib.sha256(picture).hexdigest() for picture in sent or (b"",)]
    canonical = {
        "kind": kind,
        "picture": digests if len(digests) > 1 else digests[0],
        "fields": fields.model_dump(exclude_unset=True),
    }
    request_hash = hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()
    if key is None:
        return new_job_id(), request_hash
    if not 1 <= len(key) <= MAX_KEY_CHARS or not key.isprintable():
        detail = f"Idempotency-Key needs 1 to {MAX_KEY_CHARS} printable characters"
        raise InvalidInputError("Idempotency-Key", detail, limit=MAX_KEY_CHARS)
    message = f"Idempotency-Key\0{owner}\0{key}".encode()
    return "job_" + hmac.new(secret, message, hashlib.sha256).hexdigest()[:24], request_hash


def stored_before(services: Services, owner: str, job_id: str, request_hash: str, key: str | None) -> JobSpec | None:
    """Return the job that an Idempotency-Key has already; refuses another request than the one that made it."""
    if key is None:
        return None
    # What the last version accepted, which knew one owner, has another id.
    for known_as in (job_id, _earlier_id(key)) if owner == DEFAULT_OWNER else (job_id,):
        with suppress(NotFoundError):
            stored = services.jobs.spec(known_as)
            same_request(stored, request_hash)
            return stored
    return None


def same_request(stored: JobSpec, request_hash: str) -> None:
    """Refuse a request whose Idempotency-Key belongs to another one; who asks may not be who sent that: no id."""
    if stored.request_hash != request_hash:
        raise IdempotencyConflictError("this Idempotency-Key was used for another request")


def _earlier_id(key: str) -> str:
    """Return the id that a key had before ids needed the secret; there was only the default owner then."""
    return "job_" + hashlib.sha256(f"{DEFAULT_OWNER}\0{key}".encode()).hexdigest()[:24]
