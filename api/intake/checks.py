"""What a request must satisfy: its fields, the recipe, the model's and the server's limits, the tail."""

from __future__ import annotations

import unicodedata
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.intake.fields import EditFields, NewEdit, PersonalizeFields
from api.intake.parsing import Body
from api.problems import field_errors, first_error
from core.errors import (
    GoneError,
    InvalidInputError,
    NotFoundError,
    PromptTooLongError,
    QueueFullError,
    QuotaExceededError,
    StorageQuotaExceededError,
    WrongModelError,
)
from core.jobs.ids import is_tail_id, job_of
from core.jobs.keeping.terms import check_not_expired
from core.jobs.records import JobEnd, JobKind, JobSpec, JobStatus
from core.limits import named_limit
from core.models.exactness import check_exact
from core.models.info import ModelInfo
from core.models.parameters import EditParams, PersonalizeParams, Recipe
from core.models.recipes import of_steps_at_most
from core.models.sizes import check_size
from core.services import Services

F = TypeVar("F", bound=BaseModel)


def parse(model: type[F], body: Body) -> F:
    """Return the fields that were sent, each checked by itself; raises InvalidInputError with all that are wrong.

    An empty field of a form is one that was not filled in; one that does not exist is refused all the same.
    """
    sent = body.fields if body.strict else {k: v for k, v in body.fields.items() if v or k not in model.model_fields}
    try:
        return model.model_validate(sent, strict=body.strict)
    except ValidationError as error:
        errors = field_errors(error.errors())
        detail = "; ".join(f"{e['field']}: {e['detail']}" for e in errors)
        raise InvalidInputError(detail=detail, errors=errors, **first_error(errors)) from None


def _recipe(info: ModelInfo, name: str) -> Recipe:
    if name not in info.recipes:
        known = ", ".join(info.recipes)
        raise InvalidInputError("recipe", f"model {info.name!r} has no recipe {name!r}; there are: {known}")
    return info.recipes[name]


def _sent(fields: BaseModel, params: type[BaseModel]) -> dict[str, Any]:
    return fields.model_dump(include=fields.model_fields_set & params.model_fields.keys())


def personalize_params(services: Services, info: ModelInfo, fields: PersonalizeFields) -> PersonalizeParams:
    """Return the recipe's parameters with what was sent in their place, within all limits."""
    name = fields.recipe or info.default_recipe
    recipe = of_steps_at_most(_recipe(info, name), services.settings.max_steps).personalize
    params = PersonalizeParams.model_validate(recipe.model_dump() | _sent(fields, PersonalizeParams) | {"recipe": name})
    check_exact(wanted=params.exact, device=info.device)
    check_limit("steps", params.steps, named_limit(services.settings, "max_steps"))
    check_limit("positions", params.positions, {"limit": info.sequence_length - 3})  # two markers and one token stay
    if params.beginning == "prior" and params.positions != info.prior_positions:
        has = f"a prior of {info.prior_positions} positions" if info.prior_positions else "no prior"
        raise InvalidInputError(
            "beginning", f"beginning is prior with {params.positions} positions; {info.name} has {has}"
        )
    if params.timestep_low > params.timestep_high:
        raise InvalidInputError(
            "timestep_low", f"timestep_low is {params.timestep_low}, over timestep_high, {params.timestep_high}"
        )
    return params


def edit_params(services: Services, info: ModelInfo, tail: JobSpec, fields: NewEdit) -> EditParams:
    """Return the asked-for recipe's parameters, else how the tail is used, with what was sent in their place."""
    usage = _recipe(info, fields.recipe).edit if fields.recipe else tail_usage(info, tail)
    params = EditParams.model_validate(usage.model_dump() | _sent(fields, EditParams))
    check_exact(wanted=params.exact, device=info.device)
    check_size(info, params)
    check_limit("num_images", params.num_images, named_limit(services.settings, "max_num_images"))
    return params


def tail_usage(info: ModelInfo, tail: JobSpec) -> EditParams:
    """Return how a tail is used unless an edit says otherwise."""
    if tail.tail_usage:
        return tail.tail_usage
    recipe = tail.personalize.recipe if tail.personalize else info.default_recipe
    return _recipe(info, recipe if recipe in info.recipes else info.default_recipe).edit


def check_limit(field: str, value: int, limit: dict[str, Any]) -> None:
    """Refuse a number over the server's limit, which is given as a problem names it."""
    if value > limit["limit"]:
        raise InvalidInputError(field, f"{field} is {value}, over the limit of {limit['limit']}", **limit)


def check_prompt(services: Services, info: ModelInfo, field: str, text: str, limit: int) -> None:
    """Refuse a text that is blank, too long for the server or the model (`limit` tokens), or not a text."""
    if not text.strip():
        raise InvalidInputError(field, f"{field} is blank")
    if len(text) > services.settings.max_prompt_chars:
        most = named_limit(services.settings, "max_prompt_chars")
        raise InvalidInputError(field, f"{field} has {len(text)} characters, over the limit of {most['limit']}", **most)
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise InvalidInputError(field, f"{field} holds control characters")
    tokens = services.registry.count_tokens(info, text)
    if tokens > limit:
        raise PromptTooLongError(field, tokens, limit)


def check_edit_prompts(
    services: Services, info: ModelInfo, positions: int, prompts: dict[str, str], negative_prompt: str
) -> None:
    """Refuse prompts, by the name of the field, that don't fit before a tail of so many positions."""
    for field, prompt in prompts.items():
        check_prompt(services, info, field, prompt, info.sequence_length - positions)
    if negative_prompt:
        check_prompt(services, info, "negative_prompt", negative_prompt, info.sequence_length)


def check_room(services: Services, kind: JobKind, count: int = 1) -> None:
    """Refuse so many jobs of a kind when too many of it would wait."""
    if services.jobs.queued(kind) + count > services.settings.max_queued:
        limit = named_limit(services.settings, "max_queued")
        raise QueueFullError(f"{limit['limit']} jobs of kind {kind} wait already", retry_after_s=30, **limit)


def check_quota(services: Services, owner: str, count: int = 1) -> None:
    """Refuse so many jobs of an owner's when it would have too many that have not ended."""
    limit = services.settings.max_open_per_owner
    if limit is None or (under_way := services.jobs.open_of(owner)) + count <= limit:
        return
    detail = f"{under_way} of your jobs have not ended, and you may have {limit}: {count} more are too many"
    named = named_limit(services.settings, "max_open_per_owner")
    raise QuotaExceededError(detail, retry_after_s=30, under_way=under_way, **named)


def check_bytes(services: Services, owner: str, more: int = 1) -> None:
    """Refuse so many bytes more of an owner's when it would have too many stored."""
    limit = services.settings.max_bytes_per_owner
    if limit is None:
        return
    used = services.jobs.usage.of(owner, limit=limit - more)
    if used is not None and used + more > limit:
        detail = f"you have {used} bytes stored, and may have {limit}; delete tails or jobs that you don't need"
        raise StorageQuotaExceededError(detail, used=used, **named_limit(services.settings, "max_bytes_per_owner"))


def usable_tail(services: Services, owner: str, tail_id: str, field: str = "tail_id") -> tuple[JobSpec, JobEnd | None]:
    """Return the personalization behind an owner's tail, and its end if it is ready.

    Refuses a tail that can't become ready; another owner's is as unknown as one that never was.
    """
    if not is_tail_id(tail_id) or not _owns(services, owner, job_of(tail_id)):
        raise NotFoundError(f"{field}: there is no tail {tail_id}", field=field)
    try:
        spec, end = services.jobs.ready_tails.end(tail_id)
        check_not_expired(spec, end, services.clock.now())
    except (NotFoundError, GoneError) as error:
        raise type(error)(f"{field}: {error.detail}", field=field) from error
    if end is None or end.status is JobStatus.SUCCEEDED:
        return spec, end
    reason = end.error.detail if end.error else f"its job was {end.status}"
    raise InvalidInputError(field, f"{field}: {tail_id} can't be used: {reason}", status_of_tail=end.status)


def usable_tails(services: Services, owner: str, fields: EditFields) -> list[tuple[JobSpec, JobEnd | None]]:
    """Return the personalizations behind the tails that an edit names, each with its end if it is ready."""
    if (fields.tail_id is None) == (fields.tails is None):
        raise InvalidInputError("tail_id", "tail_id: either tail_id or tails must be given")
    if fields.tails is None:
        return [usable_tail(services, owner, fields.tail_id or "")]
    if not fields.tails:
        raise InvalidInputError("tails", "tails is empty; it must name one tail at least")
    check_limit("tails", len(fields.tails), named_limit(services.settings, "max_tails"))
    for i, use in enumerate(fields.tails):
        if use.id in [earlier.id for earlier in fields.tails[:i]]:
            raise InvalidInputError(f"tails.{i}.id", f"tails.{i}.id: {use.id} is given twice; give it a higher scale")
    return [usable_tail(services, owner, use.id, f"tails.{i}.id") for i, use in enumerate(fields.tails)]


def check_company(tails: list[JobSpec], params: EditParams) -> None:
    """Refuse several tails that can't stand in one edit."""
    for i, tail in enumerate(tails):
        if tail.model_hash != tails[0].model_hash:
            field = f"tails.{i}.id"
            raise WrongModelError(field, f"{field}: {tail.tail_id} was learned on {tail.model!r}, another model")
    if len(tails) > 1 and params.tail_mode == "replace":
        detail = "tail_mode is 'replace', in which only one tail has a place; several need 'residual'"
        raise InvalidInputError("tail_mode", detail)


def check_sweep(services: Services, fields: EditFields, params: EditParams) -> None:
    """Refuse a sweep that varies nothing, is too large, or says twice what it varies."""
    sweep = fields.sweep
    if sweep is None:
        return
    if not sweep.axes:
        raise InvalidInputError("sweep", "sweep names no values: prompt, seed, tail_scale or guidance_scale")
    check_limit("sweep", sweep.size, named_limit(services.settings, "max_sweep"))
    if params.num_images != 1:
        raise InvalidInputError("num_images", "num_images must be 1 with a sweep; sweep over seed for more of each")
    if sweep.tail_scale and any(use.scale is not None for use in fields.tails or ()):
        raise InvalidInputError("sweep.tail_scale", "sweep.tail_scale: the tails have scales of their own")


def edit_prompts(fields: EditFields) -> dict[str, str]:
    """Return the prompts of an edit, by the name of the field."""
    if fields.sweep and fields.sweep.prompt:
        return {f"sweep.prompt.{i}": prompt for i, prompt in enumerate(fields.sweep.prompt)}
    return {"prompt": fields.prompt}


def check_strength(params: EditParams, tail: JobSpec, *, has_picture: bool) -> None:
    """Refuse a strength that leaves no step or has no picture to start from, and a picture without strength."""
    if params.strength is None:
        if has_picture:
            raise InvalidInputError("strength", "strength is required with a picture: how much of it may change")
        return
    steps = params.num_inference_steps
    if int(steps * params.strength) < 1:
        detail = f"strength is {params.strength}, which leaves none of {steps} steps; it must be at least 1 / {steps}"
        raise InvalidInputError("strength", detail)
    if not has_picture and tail.picture_key is None:
        detail = f"picture is required with strength: {tail.tail_id} came as a file, without its source picture"
        raise InvalidInputError("picture", detail)


def _owns(services: Services, owner: str, job_id: str) -> bool:
    try:
        return services.jobs.owner(job_id) == owner
    except NotFoundError:
        return False


def tail_model(services: Services, tail: JobSpec, wanted: str | None) -> ModelInfo:
    """Return the model that a tail was learned on, if it is still served and the request wants no other."""
    if wanted is not None and wanted != tail.model:
        raise WrongModelError("model", f"model: {tail.tail_id} was learned on {tail.model!r}, not on {wanted!r}")
    info = services.registry.get(tail.model)
    if info.hash != tail.model_hash:
        raise WrongModelError("tail_id", f"tail_id: {tail.tail_id} was learned on another version of {tail.model!r}")
    return info
