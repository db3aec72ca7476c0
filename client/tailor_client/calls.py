"""One call of the interface: what is sent, and what the answer means. It neither sends nor waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import httpx

from tailor_client.connection import Connection
from tailor_client.errors import NotTailorError, ProblemError, UnreachableError, error_of
from tailor_client.retries import PASSING, REFUSED, Retries

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True)
class Call(Generic[T]):
    """What is sent, and how its answer is read."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)
    """The body, as httpx' `json`, or `data` and `files`."""
    signed: bool = False
    """Whether it goes to a signed URL."""
    follow: bool = False
    any_status: bool = False
    """Whether an answer is read whatever its status is."""
    once: bool = False
    """Whether a repetition is done twice: it is tried again only when the server has surely not done it."""

    def arguments(self, connection: Connection) -> dict[str, Any]:
        """Return the arguments of httpx' `request`, or `stream`, in its clients."""
        own = {} if self.signed else connection.headers
        return {
            "method": self.method,
            "url": self.path,
            "params": self.params or None,
            "headers": own | dict(self.headers),
            **self.content,
        }

    def result(self, response: httpx.Response) -> T:
        """Return what an answer means. Raises ProblemError, and UnreachableError for what is no answer of Tailor's."""
        if not (response.is_success or self.any_status):
            raise error_of(response)
        try:
            return self.read(response)
        except (ValueError, KeyError, TypeError) as error:  # pydantic's are ValueErrors
            raise NotTailorError(f"{response.url} does not answer as Tailor does ({response.status_code})") from error


@dataclass
class Tries:
    """How often one request was tried, and how long was waited in between."""

    retries: Retries
    once: bool = False
    tried: int = 0
    waited_s: float = 0.0

    def after(self, error: ProblemError | UnreachableError) -> float:
        """Return how long to wait before the next try; raises the error when there is none."""
        self.tried += 1
        if isinstance(error, ProblemError):
            passing = error.status in (REFUSED if self.once else PASSING)
        else:
            passing = not isinstance(error, NotTailorError) and (not self.once or error.never_sent)
        asked_s = error.retry_after_s if isinstance(error, ProblemError) else None
        pause_s = self.retries.pause_s(self.tried, self.waited_s, asked_s) if passing else None
        if pause_s is None:
            raise error
        self.waited_s += pause_s
        return pause_s


def lost(connection: Connection, error: httpx.RequestError | httpx.InvalidURL) -> UnreachableError:
    """Return the error of a request that got no whole answer."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        found = UnreachableError(f"no Tailor server answers at {connection.url}")
        found.never_sent = True
        return found
    if isinstance(error, httpx.DecodingError | httpx.TooManyRedirects):
        return NotTailorError(f"{connection.url} does not answer as Tailor does: {error}")
    return UnreachableError(f"{connection.url} broke off: {error or type(error).__name__}")
