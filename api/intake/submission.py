"""Accepts jobs: what was checked is stored with its picture and made known."""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from api.intake.bodies import Body
from api.intake.checks import check_prompt, check_room, edit_params, parse, personalize_params, tail_model, usable_tail
from api.intake.fields import SEED_LIMIT, EditFields, PersonalizeFields
from api.intake.identity import identify
from core.cpus import usable_cpus
from core.errors import IdempotencyConflictError, InvalidInputError, NotFoundError
from core.images import decode_picture, fit_picture, parse_data_uri, to_png
from core.jobs import keys
from core.jobs.ids import tail_of
from core.jobs.records import JobEnd, JobSpec, JobState, JobStatus, LiveRecord
from core.models.info import ModelInfo
from core.services import Services

# A decoded picture may take hundreds of megabytes; the threads that answer requests are many.
_decoding = threading.BoundedSemaphore(usable_cpus())


@dataclass(frozen=True)
class Submission:
    """An accepted job, or the earlier one when the request was a repetition."""

    state: JobState
    replayed: bool


def submit_personalize(services: Services, body: Body, idempotency_key: str | None) -> Submission:
    """Check a personalization, store it with its picture and make it known."""
    data = _picture_bytes(body)
    fields = parse(PersonalizeFields, Body({k: v for k, v in body.fields.items() if k != "picture"}, body.strict))
    job_id, request_hash = identify("personalize", fields, idempotency_key, data)
    if replay := _replay(services, job_id, request_hash, idempotency_key):
        return replay
    info = services.registry.get(fields.model)
    params = personalize_params(services, info, fields)
    limit = info.sequence_length - params.positions
    check_prompt(services, info, "prompt", fields.prompt, limit)
    check_room(services, "personalize")
    picture = _stored_picture(services, data, info.image_size, params.fit)
    spec = JobSpec(
        **_accepted_now(services, job_id, request_hash, info, fields.seed),
        kind="personalize",
        prompt=fields.prompt,
        tail_id=tail_of(job_id),
        personalize=params,
        picture_key=keys.picture(job_id, hashlib.sha256(picture).hexdigest()),
    )
    return _accept(services, spec, idempotency_key, picture=picture)


def submit_edit(services: Services, body: Body, idempotency_key: str | None) -> Submission:
    """Check an edit, store it and make it known; it waits for its tail if that is not ready."""
    fields = parse(EditFields, body)
    job_id, request_hash = identify("edit", fields, idempotency_key)
    if replay := _replay(services, job_id, request_hash, idempotency_key):
        return replay
    tail, tail_end = usable_tail(services, fields.tail_id)
    info = tail_model(services, tail, fields.model)
    params = edit_params(services, info, tail, fields)
    if tail.personalize is not None:
        check_prompt(services, info, "prompt", fields.prompt, info.sequence_length - tail.personalize.positions)
    if params.negative_prompt:
        check_prompt(services, info, "negative_prompt", params.negative_prompt, info.sequence_length)
    check_room(services, "edit")
    spec = JobSpec(
        **_accepted_now(services, job_id, request_hash, info, fields.seed),
        kind="edit",
        prompt=fields.prompt,
        tail_id=fields.tail_id,
        edit=params,
    )
    return _accept(services, spec, idempotency_key, tail_end=tail_end)


def _picture_bytes(body: Body) -> bytes:
    picture = body.fields.get("picture")
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str):
        return parse_data_uri(picture)
    raise InvalidInputError("picture", "picture is required: a file in a form, a data URI in JSON")


def _stored_picture(services: Services, data: bytes, size: int, fit: Literal["crop", "pad"]) -> bytes:
    limits = services.settings
    with _decoding:
        image = decode_picture(data, max_bytes=limits.max_picture_bytes, max_pixels=limits.max_picture_pixels)
        return to_png(fit_picture(image, size, fit))


def _replay(services: Services, job_id: str, request_hash: str, key: str | None) -> Submission | None:
    if key is None:
        return None
    try:
        stored = services.jobs.spec(job_id)
    except NotFoundError:
        return None
    return _same(services, stored, request_hash)


def _same(services: Services, stored: JobSpec, request_hash: str) -> Submission:
    if stored.request_hash != request_hash:
        raise IdempotencyConflictError(f"this Idempotency-Key belongs to {stored.id}, another request", id=stored.id)
    return Submission(services.jobs.state(stored.id), replayed=True)


def _accepted_now(
    services: Services, job_id: str, request_hash: str, info: ModelInfo, seed: int | None
) -> dict[str, Any]:
    now = services.clock.now()
    return {
        "id": job_id,
        "created_at": now,
        "deadline_at": now + timedelta(seconds=services.settings.deadline_s),
        "model": info.name,
        "model_hash": info.hash,
        "seed": secrets.randbelow(SEED_LIMIT) if seed is None else seed,
        "request_hash": request_hash,
    }


def _accept(
    services: Services,
    spec: JobSpec,
    idempotency_key: str | None,
    *,
    picture: bytes | None = None,
    tail_end: JobEnd | None = None,
) -> Submission:
    stored, new = services.jobs.accept(spec, picture, may_exist=idempotency_key is not None)
    if not new:
        return _same(services, stored, spec.request_hash)
    services.jobs.announce(stored, tail_end=tail_end)
    status = JobStatus.WAITING if spec.kind == "edit" and tail_end is None else JobStatus.QUEUED
    # Not read back: the job is accepted, and nothing that fails from here on may say otherwise.
    return Submission(JobState(spec=stored, live=LiveRecord(status=status)), replayed=False)
