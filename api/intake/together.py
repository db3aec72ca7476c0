"""The edits that come in one call with the personalization that makes their tail."""

from __future__ import annotations

import json
import secrets
from typing import Any

from api.intake.checks import check_edit_prompts, check_limit, check_room, check_strength, edit_params, tail_model
from api.intake.fields import NewEdit
from api.intake.parsing import Body, json_number
from core.errors import InvalidInputError
from core.jobs.ids import new_job_id
from core.jobs.keeping.terms import terms
from core.jobs.records import JobSpec
from core.limits import named_limit
from core.models.info import ModelInfo
from core.models.sweeps import SEED_LIMIT
from core.services import Services

_OF_ITS_TAIL = {"owner", "created_at", "deadline_at", "model", "model_hash", "tail_id", "webhook"}
_OF_ITS_TAIL |= {"request_id", "key_id"}


def with_json(body: Body, name: str) -> Body:
    """Return a body in which one of a form's fields, which is JSON, is read."""
    if body.strict or not (text := body.fields.get(name)):
        return body
    return Body(body.fields | {name: _read(name, text)}, body.strict)


def with_json_list(body: Body, name: str) -> Body:
    """Return a body in which a list of objects is read that a form has as JSON, whole or each in a field of its own."""
    if body.strict or not (sent := body.fields.get(name)):
        return body
    read = [_read(name, text) for text in (sent if isinstance(sent, list) else [sent])]
    whole = read[0] if len(read) == 1 and isinstance(read[0], list) else read
    return Body(body.fields | {name: whole}, body.strict)


def _read(name: str, text: str) -> Any:
    try:
        return json.loads(text, parse_float=json_number)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(name, f"{name} is not JSON: {error}") from None


def edits_of(services: Services, tail: JobSpec, info: ModelInfo, edits: list[NewEdit]) -> tuple[JobSpec, ...]:
    """Return the specs of the edits of a tail that is about to be accepted, each checked as `POST /edit` would.

    Raises InvalidInputError for the first that is wrong, naming its fields `edits.N.…`, and QueueFullError.
    """
    check_limit("edits", len(edits), named_limit(services.settings, "max_edits"))
    specs = []
    for number, fields in enumerate(edits):
        try:
            specs.append(_edit_of(services, tail, info, fields))
        except InvalidInputError as error:
            raise error.within(f"edits.{number}") from None
    if specs:
        check_room(services, "edit", len(specs))
    return tuple(specs)


def _edit_of(services: Services, tail: JobSpec, info: ModelInfo, fields: NewEdit) -> JobSpec:
    tail_model(services, tail, fields.model)
    params = edit_params(services, info, tail, fields)
    if params.strength is not None:
        check_strength(params, tail, has_picture=True)  # that of the personalization
    positions = tail.positions or 0
    check_edit_prompts(services, info, positions, {"prompt": fields.prompt}, params.negative_prompt)
    accepted = tail.model_dump(include=_OF_ITS_TAIL)
    accepted |= terms(services.settings, fields.labels, fields.ttl)
    seed = secrets.randbelow(SEED_LIMIT) if fields.seed is None else fields.seed
    return JobSpec(**accepted, id=new_job_id(), kind="edit", prompt=fields.prompt, seed=seed, edit=params)
