"""Which job a request is: its id, and the hash that tells repetitions of it from other requests."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import BaseModel

from core.errors import InvalidInputError
from core.jobs.ids import new_job_id
from core.jobs.records import JobKind

MAX_KEY_CHARS = 255


def identify(
    kind: JobKind | Literal["import"], owner: str, fields: BaseModel, key: str | None, picture: bytes = b""
) -> tuple[str, str]:
    """Return a job's id and the hash of its request.

    The hash covers what was sent, not what a recipe or a drawn seed made of it: those may change between two tries.
    """
    canonical = {
        "kind": kind,
        "picture": hashlib.sha256(picture).hexdigest(),
        "fields": fields.model_dump(exclude_unset=True),
    }
    request_hash = hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()
    if key is None:
        return new_job_id(), request_hash
    if not 1 <= len(key) <= MAX_KEY_CHARS or not key.isprintable():
        raise InvalidInputError("Idempotency-Key", f"Idempotency-Key needs 1 to {MAX_KEY_CHARS} printable characters")
    return "job_" + hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()[:24], request_hash
