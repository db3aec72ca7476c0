"""What can go wrong, in one tree. The message of each is one line for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tailor_client.answers import Job
from tailor_client.retries import retry_after_s


class TailorError(Exception):
    """Base of all errors of this client."""


class UnreachableError(TailorError):
    """No server answers, or it fails itself (5xx)."""

    never_sent = False
    """Whether the request surely reached nobody."""


class NotTailorError(UnreachableError):
    """Something answers there that is no Tailor server."""


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(frozen=True, extra="allow")

    field: str
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457); members that only some types have are None without them, or extra."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    instance: str = ""
    field: str | None = None
    errors: list[FieldProblem] = Field(default_factory=list)
    limit: float | None = None
    reason: str | None = None

    @property
    def name(self) -> str:
        """The type without its prefix, as `invalid-input`."""
        return self.type.rpartition(":")[2]


class ProblemError(TailorError):
    """The server refuses; `problem` says what and why."""

    def __init__(self, problem: Problem, *, status: int, headers: Mapping[str, str]) -> None:
        self.problem = problem
        self.status = status
        self.retry_after_s = retry_after_s(headers)
        self.request_id = headers.get("X-Request-Id")
        super().__init__(self._line())

    @property
    def field(self) -> str | None:
        """The field that is wrong, if it is one."""
        return self.problem.field

    @property
    def limit(self) -> float | None:
        """What is allowed, if it is a limit that was met."""
        return self.problem.limit

    def _line(self) -> str:
        said = self.problem.detail or self.problem.title or "refused"
        if self.field and not said.startswith(self.field):
            said = f"{self.field}: {said}"
        again = f"; try again in {self.retry_after_s:g} s" if self.retry_after_s is not None else ""
        return f"{said}{again} ({self.status})"


class UnauthorizedError(ProblemError):
    """It needs an API key, or this one opens nothing."""


class NotFoundError(ProblemError):
    """There is no such job or tail of yours, or it was deleted."""


class ServerError(ProblemError, UnreachableError):
    """The server can't do it now, or has a bug."""


class JobFailedError(TailorError):
    """A job ended without success; `job` says why."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(job.failure)


class WaitTimeoutError(TailorError):
    """A job has not ended in the time that was given; it goes on."""

    def __init__(self, job: Job, timeout_s: float) -> None:
        self.job = job
        super().__init__(f"{job.id} is {job.status} after {timeout_s:g} s")


class WebhookError(TailorError):
    """A message did not come from the server, or is too old."""


def error_of(response: httpx.Response) -> ProblemError:
    """Return the error that a read answer is."""
    problem = _problem(response)
    kinds = {401: UnauthorizedError, 404: NotFoundError, 410: NotFoundError}
    kind = ServerError if response.is_server_error else kinds.get(response.status_code, ProblemError)
    return kind(problem, status=response.status_code, headers=response.headers)


def _problem(response: httpx.Response) -> Problem:
    said: Any
    try:
        said = response.json()
        return Problem.model_validate(said)
    except (ValueError, ValidationError):  # not the server's own word: a proxy's, perhaps
        return Problem(title=response.reason_phrase, status=response.status_code)
