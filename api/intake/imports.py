"""Takes in tails that come as files: checked, stored, and ready for edits at once."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from api.intake.checks import check_bytes, check_prompt, parse, tail_usage
from api.intake.fields import ImportFields
from api.intake.identity import identify, same_request, stored_before
from api.intake.parsing import Body
from api.intake.submission import accepted_now
from api.problems import field_errors
from api.state import AppState
from core.errors import InvalidInputError, PayloadTooLargeError, WrongModelError
from core.jobs import keys
from core.jobs.ids import tail_of
from core.jobs.keeping.terms import terms
from core.jobs.records import ImportedTail, JobEnd, JobSpec
from core.limits import named_limit
from core.models.info import ModelInfo
from core.models.parameters import EditParams
from core.models.tail_file import TailFile, read_tail_file
from core.services import Services


@dataclass(frozen=True)
class Import:
    """A tail that was taken in, or the earlier one when the request was a repetition."""

    spec: JobSpec
    end: JobEnd
    labels: dict[str, str]
    replayed: bool


async def submit_tail(state: AppState, owner: str, body: Body, idempotency_key: str | None) -> Import:
    """Check an owner's tail file and store it: edits may use the tail from then on."""
    return await state.threads.intake.run(_submit_tail, state.services, owner, body, idempotency_key)


def _submit_tail(services: Services, owner: str, body: Body, idempotency_key: str | None) -> Import:
    data = _file_bytes(body, named_limit(services.settings, "max_tail_bytes"))
    fields = parse(ImportFields, Body({k: v for k, v in body.fields.items() if k != "file"}, body.strict))
    job_id, request_hash = identify(
        "import", fields, owner=owner, key=idempotency_key, secret=services.secret, sent=[data]
    )
    if stored := stored_before(services, owner, job_id, request_hash, idempotency_key):
        return _import(services, stored, replayed=True)
    try:
        file = read_tail_file(data)
    except ValueError as error:
        raise InvalidInputError("file", f"file: {error}") from None
    info = _model(services, file, fields.model)
    prompt = _source_prompt(services, info, file, fields.prompt)
    imported = ImportedTail(
        key=keys.tail_file(job_id, hashlib.sha256(data).hexdigest()),
        sha256=hashlib.sha256(file.tail).hexdigest(),
        positions=file.positions,
    )
    spec = JobSpec(
        **accepted_now(services, job_id, request_hash, info, 0),
        owner=owner,
        **terms(services.settings, fields.labels, fields.ttl),
        kind="personalize",
        prompt=prompt,
        tail_id=tail_of(job_id),
        imported=imported,
        input_bytes=len(data),
    )
    spec = spec.model_copy(update={"tail_usage": _usage(info, file, spec)})
    check_bytes(services, owner, len(data))
    stored, new = services.jobs.accept(spec, {imported.key: data}, shared_id=idempotency_key is not None)
    if not new:
        same_request(stored, request_hash)
    return _import(services, stored, replayed=not new)


def _import(services: Services, spec: JobSpec, *, replayed: bool) -> Import:
    """Return a tail that was taken in; an earlier request may have been cut off before its end."""
    if (end := services.jobs.end(spec.id)) is None:
        services.jobs.finish(spec, JobEnd.of_import(spec, services.clock.now()))
        end = services.jobs.end(spec.id)
    if end is None:
        raise RuntimeError(f"{spec.id} was ended and has no end")
    return Import(spec, end, services.jobs.labels(spec) if replayed else spec.labels, replayed)


def _file_bytes(body: Body, limit: dict[str, Any]) -> bytes:
    file = body.fields.get("file")
    if isinstance(file, str) and file:
        try:
            file = base64.b64decode(file, validate=True)
        except binascii.Error as error:
            raise InvalidInputError("file", f"file is not base64: {error}") from None
    if not isinstance(file, bytes) or not file:
        raise InvalidInputError("file", "file is required: a safetensors file in a form, its base64 in JSON")
    if len(file) > limit["limit"]:
        detail = f"file has {len(file)} bytes, over the limit of {limit['limit']}"
        raise PayloadTooLargeError(detail, field="file", **limit)
    return file


def _model(services: Services, file: TailFile, wanted: str | None) -> ModelInfo:
    """Return the model that the tail was learned on; the file names it by the hash of its weights."""
    learned_on = file.metadata.model_hash
    if not learned_on:
        raise InvalidInputError("file", "file: its metadata has no model_hash, so nobody knows what it was learned on")
    info = next((info for info in services.registry.models() if info.hash == learned_on), None)
    if info is None:
        named = f"{file.metadata.model[:50]!r} with the weights {learned_on[:12]!r}"
        raise WrongModelError("file", f"file: its tail was learned on {named}, which is not served here")
    if wanted not in (None, info.name):
        raise WrongModelError("model", f"model: the tail was learned on {info.name!r}, not on {wanted!r}")
    _check_size(info, file)
    return info


def _check_size(info: ModelInfo, file: TailFile) -> None:
    most = info.sequence_length - 3  # two markers and one token stay
    if file.width != info.width or file.positions > most:
        sizes = f"({file.positions}, {file.width}); model {info.name!r} takes (n, {info.width}), n at most {most}"
        raise InvalidInputError("file", f"file: its tail is {sizes}")


def _source_prompt(services: Services, info: ModelInfo, file: TailFile, sent: str | None) -> str:
    """Return the prompt that the tail was learned with; without it the file must say where the tail began."""
    prompt = file.metadata.prompt if sent is None else sent
    if not prompt.strip() and file.has_source_tail:
        return ""
    if not prompt.strip():
        detail = "prompt: the file has neither a source_tail nor its source prompt: send the prompt it was learned with"
        raise InvalidInputError("prompt", detail)
    check_prompt(services, info, "prompt", prompt, info.sequence_length - file.positions)
    return prompt


def _usage(info: ModelInfo, file: TailFile, spec: JobSpec) -> EditParams:
    """Return how edits use the tail unless they say otherwise: as its file says, else as the model's recipe does."""
    base = info.recipes.get(file.metadata.recipe or "")
    try:
        return file.metadata.usage(base.edit if base else tail_usage(info, spec))
    except ValidationError as error:
        wrong = field_errors(error.errors())[0]
        raise InvalidInputError("file", f"file: its metadata's {wrong['field']}: {wrong['detail']}") from None
