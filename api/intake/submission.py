"""Accepts jobs: what was checked is stored with its pictures and made known."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from api.intake.checks import (
    check_bytes,
    check_company,
    check_edit_prompts,
    check_prompt,
    check_quota,
    check_room,
    check_strength,
    check_sweep,
    edit_params,
    edit_prompts,
    parse,
    personalize_params,
    tail_model,
    usable_tails,
)
from api.intake.fields import EditFields, PersonalizeFields
from api.intake.identity import identify, same_request, stored_before
from api.intake.parsing import Body
from api.intake.sources import Source, name_of, optional_source, picture_files, picture_sources, sent_of
from api.intake.together import edits_of, with_json, with_json_list
from api.intake.webhook import webhook_of, with_form_events
from api.state import AppState
from core.errors import InvalidInputError
from core.jobs import keys
from core.jobs.ids import tail_of
from core.jobs.keeping.terms import terms
from core.jobs.records import JobEnd, JobSpec, JobState, JobStatus, LiveRecord, SourcePicture
from core.jobs.store import NOTHING_SENT
from core.logs import origin
from core.models.info import ModelInfo
from core.models.parameters import Fit
from core.models.sweeps import SEED_LIMIT
from core.services import Services

log = structlog.get_logger()


@dataclass(frozen=True)
class Submission:
    """An accepted job, or the earlier one when the request was a repetition."""

    state: JobState
    replayed: bool


@dataclass(frozen=True)
class Checked:
    """A job that was checked but for its pictures; `prompts` has one for each of them.

    `tail_end` is that of an edit all of whose tails are ready.
    """

    spec: JobSpec
    info: ModelInfo
    sources: list[Source]
    prompts: list[str]
    idempotency_key: str | None
    fit: Fit = "crop"
    tail_end: JobEnd | None = None


async def submit_personalize(
    state: AppState, owner: str, body: Body, idempotency_key: str | None, base_url: str
) -> Submission:
    """Check an owner's personalization, store it with its pictures and make it known."""
    checked = await state.threads.intake.run(_check_personalize, state.services, owner, body, idempotency_key, base_url)
    return checked if isinstance(checked, Submission) else await _with_its_pictures(state, checked)


async def submit_edit(
    state: AppState, owner: str, body: Body, idempotency_key: str | None, base_url: str
) -> Submission:
    """Check an owner's edit, store it and make it known; it waits for its tail if that is not ready."""
    checked = await state.threads.intake.run(_check_edit, state.services, owner, body, idempotency_key, base_url)
    return checked if isinstance(checked, Submission) else await _with_its_pictures(state, checked)


async def _with_its_pictures(state: AppState, checked: Checked) -> Submission:
    async with picture_files(state.fetcher, checked.sources, state.services.settings.max_picture_bytes) as files:
        pictures = await state.decoder.squares(files, checked.info.image_size, checked.fit)
    return await state.threads.intake.run(_accept_with_pictures, state.services, checked, pictures)


def _check_personalize(
    services: Services, owner: str, body: Body, idempotency_key: str | None, base_url: str
) -> Submission | Checked:
    sources, others = picture_sources(body, services.settings.max_pictures)
    fields = parse(PersonalizeFields, with_json_list(with_form_events(others), "edits"))
    job_id, request_hash = identify(
        "personalize", fields, owner=owner, key=idempotency_key, secret=services.secret, sent=sent_of(sources)
    )
    if replay := _replay(services, owner, job_id, request_hash, idempotency_key):
        return replay
    info = services.registry.get(fields.model)
    params = personalize_params(services, info, fields)
    prompts = _prompt_for_each(services, info, fields.prompt, len(sources), info.sequence_length - params.positions)
    kept = terms(services.settings, fields.labels, fields.ttl)
    check_room(services, "personalize")
    check_quota(services, owner, 1 + len(fields.edits))
    check_bytes(services, owner)
    spec = JobSpec(
        **accepted_now(services, job_id, request_hash, info, fields.seed),
        owner=owner,
        **kept,
        kind="personalize",
        prompt=prompts[0],
        tail_id=tail_of(job_id),
        personalize=params,
        tail_usage=info.recipes[params.recipe].edit,
        webhook=webhook_of(services.settings, fields.webhook, base_url),
    )
    edits = edits_of(services, spec, info, fields.edits)
    spec = spec.model_copy(update={"edits": edits})
    return Checked(spec, info, sources, prompts, idempotency_key, params.fit)


def _prompt_for_each(
    services: Services, info: ModelInfo, prompts: tuple[str, ...], pictures: int, limit: int
) -> list[str]:
    """Return each picture's prompt: there is one for all, or one each."""
    if len(prompts) not in (1, pictures):
        detail = f"prompt is given {len(prompts)} times for {pictures} pictures; give one for all, or one for each"
        raise InvalidInputError("prompt", detail)
    for index, prompt in enumerate(prompts):
        check_prompt(services, info, name_of("prompt", index, prompts), prompt, limit)
    return list(prompts) * (pictures // len(prompts))


def _accept_with_pictures(services: Services, checked: Checked, pictures: list[bytes]) -> Submission:
    size = sum(map(len, pictures))
    of = checked.spec
    # The same request may have been accepted meanwhile: then it is no reason to refuse this one.
    if replay := _replay(services, of.owner, of.id, of.request_hash, checked.idempotency_key):
        return replay
    # Again: others of the same owner may have come while the pictures were fetched and decoded.
    check_quota(services, checked.spec.owner, 1 + len(checked.spec.edits))
    check_bytes(services, checked.spec.owner, size)
    stored = [keys.picture(checked.spec.id, hashlib.sha256(picture).hexdigest()) for picture in pictures]
    more = [SourcePicture(key=key, prompt=said) for key, said in zip(stored[1:], checked.prompts[1:], strict=True)]
    # Only now: fetching and decoding may have taken minutes, and the reconciler looks for the youngest.
    times = _times(services)
    edits = tuple(edit.model_copy(update=times) for edit in checked.spec.edits)
    spec = checked.spec.model_copy(
        update={"picture_key": stored[0], "more_pictures": tuple(more), "edits": edits, "input_bytes": size, **times}
    )
    files = dict(zip(stored, pictures, strict=True))
    return _accept(services, spec, checked.idempotency_key, sent=files, tail_end=checked.tail_end)


def _check_edit(
    services: Services, owner: str, body: Body, idempotency_key: str | None, base_url: str
) -> Submission | Checked:
    """Check an edit, and accept it at once if it brings no picture of its own."""
    source, others = optional_source(body)
    fields = parse(EditFields, with_json(with_json_list(with_form_events(others), "tails"), "sweep"))
    sent = sent_of([source] if source else [])
    job_id, request_hash = identify("edit", fields, owner=owner, key=idempotency_key, secret=services.secret, sent=sent)
    if replay := _replay(services, owner, job_id, request_hash, idempotency_key):
        return replay
    tails = usable_tails(services, owner, fields)
    tail = tails[0][0]
    info = tail_model(services, tail, fields.model)
    params = edit_params(services, info, tail, fields)
    check_company([each for each, _ in tails], params)
    check_sweep(services, fields, params)
    check_strength(params, tail, has_picture=source is not None)
    prompts = edit_prompts(fields)
    positions = max(each.positions or 0 for each, _ in tails)
    check_edit_prompts(services, info, positions, prompts, params.negative_prompt)
    kept = terms(services.settings, fields.labels, fields.ttl)
    check_room(services, "edit")
    check_quota(services, owner)
    check_bytes(services, owner)
    spec = JobSpec(
        **accepted_now(services, job_id, request_hash, info, fields.seed),
        **kept,
        owner=owner,
        kind="edit",
        prompt=next(iter(prompts.values())),
        tail_id=tail.tail_id,
        sweep=fields.sweep,
        tails=tuple(fields.tails or ()),
        tail_keys=_tail_keys([end for _, end in tails]),
        webhook=webhook_of(services.settings, fields.webhook, base_url),
        edit=params,
    )
    tail_end = tails[0][1] if spec.tail_keys else None
    if source is None:
        return _accept(services, spec, idempotency_key, tail_end=tail_end)
    fit: Fit = tail.personalize.fit if tail.personalize else "crop"
    return Checked(spec, info, [source], [spec.prompt], idempotency_key, fit, tail_end)


def _tail_keys(ends: list[JobEnd | None]) -> tuple[str, ...]:
    """Return where the files of an edit's tails lie if all of them are ready: then its worker need not ask."""
    keys_of_ready = [end.tail_key for end in ends if end and end.tail_key]
    return tuple(keys_of_ready) if len(keys_of_ready) == len(ends) else ()


def _replay(services: Services, owner: str, job_id: str, request_hash: str, key: str | None) -> Submission | None:
    stored = stored_before(services, owner, job_id, request_hash, key)
    return Submission(services.jobs.state(stored.id), replayed=True) if stored else None


def _same(services: Services, stored: JobSpec, request_hash: str) -> Submission:
    same_request(stored, request_hash)
    return Submission(services.jobs.state(stored.id), replayed=True)


def accepted_now(
    services: Services, job_id: str, request_hash: str, info: ModelInfo, seed: int | None
) -> dict[str, Any]:
    """Return what all specs have in common; a seed that was not sent is drawn."""
    return {
        "id": job_id,
        **_times(services),
        **origin(),
        "model": info.name,
        "model_hash": info.hash,
        "seed": secrets.randbelow(SEED_LIMIT) if seed is None else seed,
        "request_hash": request_hash,
    }


def _times(services: Services) -> dict[str, datetime]:
    now = services.clock.now()
    return {"created_at": now, "deadline_at": now + timedelta(seconds=services.settings.deadline_s)}


def _accept(
    services: Services,
    spec: JobSpec,
    idempotency_key: str | None,
    *,
    sent: Mapping[str, bytes] = NOTHING_SENT,
    tail_end: JobEnd | None = None,
) -> Submission:
    stored, new = services.jobs.accept(spec, sent, shared_id=idempotency_key is not None)
    if not new:
        return _same(services, stored, spec.request_hash)
    for job in (stored, *stored.edits):
        log.info("job.accepted", job=job.id, kind=job.kind)
    services.jobs.announce(stored, tail_end=tail_end)
    status = JobStatus.WAITING if spec.kind == "edit" and tail_end is None else JobStatus.QUEUED
    # Not read back: the job is accepted, and nothing that fails from here on may say otherwise.
    return Submission(JobState(spec=stored, live=LiveRecord(status=status)), replayed=False)
