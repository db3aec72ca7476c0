"""The problems that an operation may answer with, each with an example."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.intake.fields import without_defaults
from api.problems import (
    MEDIA_TYPE,
    TYPE_PREFIX,
    CrossSiteError,
    InternalError,
    MalformedRequestError,
    UnknownHostError,
    UnsupportedMediaTypeError,
)
from core import errors
from core.access.keys import Scope
from core.errors import TailorError


class FieldProblem(BaseModel):
    """What is wrong with one field, and the limit if it is over or under one."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    field: str
    detail: str
    limit: float = Field(0, description="what is allowed")


class ProblemDocument(BaseModel):
    """An error as RFC 9457 writes it, with the members that some types add."""

    model_config = ConfigDict(extra="allow", title="Problem", json_schema_extra=without_defaults)

    type: str = Field(description="what it is, for programs: it stays", pattern=f"^{TYPE_PREFIX}[a-z0-9-]+$")
    title: str = Field(description="what it is, for people")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="what is wrong here, in a sentence that names the field and the limit")
    instance: str = Field(description="the path that was asked for")
    field: str = Field("", description="the field that is wrong")
    errors: list[FieldProblem] = Field([], description="every wrong field, where several can be")
    limit: float = Field(0, description="what is allowed: bytes, pixels, jobs, or of the field whatever it counts")
    setting: str = Field("", description="the server's setting behind that limit")
    reason: str = Field("", description="of `invalid-picture`: a stable word for what is wrong with it")
    tokens: int = Field(0, description="of `prompt-too-long`: how many it has")
    scope: Scope = Field("read", description="of `missing-scope`: what the key is not for")


_NO_SEED = "seed: Input should be less than 4294967296"
_EXAMPLES: dict[type[TailorError], TailorError] = {
    type(example): example
    for example in (
        MalformedRequestError("the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        errors.UnauthorizedError("this needs an API key, as the header Authorization: Bearer tailor_…"),
        errors.ForbiddenError("expires lies in the past: ask for a fresh URL"),
        CrossSiteError("a page of another origin sent this; TAILOR_CORS_ORIGINS can name those that may"),
        errors.MissingScopeError("this needs a key with the scope 'submit'", scope="submit"),
        errors.NotFoundError("there is no job job_0123456789abcdef01234567", id="job_0123456789abcdef01234567"),
        errors.GoneError("job_0123456789abcdef01234567 was deleted", id="job_0123456789abcdef01234567"),
        errors.RequestTimeoutError(
            "the body may take 20 seconds, and longer if 16384 bytes a second come",
            limit=20,
            setting="TAILOR_BODY_TIMEOUT_S",
        ),
        errors.PayloadTooLargeError("the body is over the limit of 28028928 bytes", limit=28028928),
        UnsupportedMediaTypeError(
            "the body's type is text/plain; it may be application/json or multipart/form-data or "
            "application/x-www-form-urlencoded"
        ),
        UnknownHostError("this server does not know itself by that host; TAILOR_TRUSTED_HOSTS can name it"),
        errors.InvalidInputError("seed", _NO_SEED, errors=[{"field": "seed", "detail": _NO_SEED[6:]}]),
        errors.InvalidPictureError("too-small", "picture is 8x8 pixels; the shorter side needs 16 at least"),
        errors.PromptTooLongError("prompt", 31, 27),
        errors.WrongModelError(
            "model", "model: tail_0123456789abcdef01234567 was learned on 'critters', not on 'sd15'"
        ),
        errors.IdempotencyConflictError("this Idempotency-Key was used for another request"),
        errors.QueueFullError("1000 jobs of kind edit wait already", retry_after_s=30, limit=1000),
        errors.QuotaExceededError(
            "8 of your jobs have not ended, and you may have 8: 1 more are too many",
            retry_after_s=30,
            limit=8,
            under_way=8,
        ),
        errors.StorageQuotaExceededError(
            "you have 1048570 bytes stored, and may have 1048576; delete tails or jobs that you don't need",
            used=1_048_570,
            limit=1_048_576,
            setting="TAILOR_MAX_BYTES_PER_OWNER",
        ),
        errors.RateLimitedError(
            "more submissions than 120 in 60 seconds; the next one is taken in 1",
            retry_after_s=1,
            policy="submissions",
            limit=120,
            window_s=60,
            setting="TAILOR_RATE_SUBMISSIONS",
        ),
        InternalError("an unexpected error; the log has it under the request id"),
        errors.OverloadedError("this server decodes as much as it may: try again", retry_after_s=5, limit=100_000_000),
        errors.StorageUnavailableError("storage does not answer; nothing was accepted", retry_after_s=5),
        errors.ModelNotReadyError("no worker has published a model yet", retry_after_s=5),
    )
}
# What follows from the kind of an operation, so that routes need not say it
ANYTHING = (UnknownHostError, InternalError)
WITH_KEY = (
    errors.UnauthorizedError,
    errors.MissingScopeError,
    errors.RateLimitedError,
    errors.StorageUnavailableError,
)
CHANGING = (CrossSiteError,)
WITH_BODY = (
    MalformedRequestError,
    errors.RequestTimeoutError,
    errors.PayloadTooLargeError,
    UnsupportedMediaTypeError,
    errors.InvalidInputError,
    errors.OverloadedError,
)
OF_ONE = (errors.NotFoundError, errors.GoneError)
# What routes say of themselves
WITH_PICTURE = (errors.InvalidPictureError,)
SIGNED = (errors.ForbiddenError,)
NEW_JOB = (
    errors.PromptTooLongError,
    errors.WrongModelError,
    errors.QueueFullError,
    errors.QuotaExceededError,
    errors.StorageQuotaExceededError,
    errors.ModelNotReadyError,
)


def may_answer(*given: type[TailorError]) -> dict[int | str, dict[str, Any]]:
    """Return what FastAPI takes as `responses`: errors that an operation may answer with, by status."""
    responses: dict[int | str, dict[str, Any]] = {}
    for example in (_EXAMPLES[error] for error in given):
        response = responses.setdefault(example.status, {"description": "", "headers": {}, "content": {}})
        titles = [*filter(None, [response["description"]]), example.title]
        response["description"] = ", or: ".join(dict.fromkeys(titles))
        response["headers"] |= {name: {"$ref": f"#/components/headers/{name}"} for name in example.headers}
        content = response["content"].setdefault(MEDIA_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}})
        content.setdefault("examples", {})[example.type] = {"$ref": f"#/components/examples/{example.type}"}
    return {status: {name: value for name, value in one.items() if value} for status, one in responses.items()}


def problem_examples(used: Iterable[str]) -> dict[str, Any]:
    """Return OpenAPI's examples of the problems of these types."""
    wanted = set(used)
    return {error.type: _example(error) for error in _EXAMPLES.values() if error.type in wanted}


def _example(error: TailorError) -> dict[str, Any]:
    members = {"type": TYPE_PREFIX + error.type, "title": error.title, "status": error.status, "detail": error.detail}
    return {"summary": error.title, "value": members | {"instance": "/v1/edit"} | error.extra}
