"""Every error that a user may see, in one tree: each carries its HTTP status and a stable type."""

from __future__ import annotations

from typing import Any, ClassVar


class TailorError(Exception):
    """Base of all errors that a caller caused or can do something about.

    `detail` is one sentence for a person and names the field and the limit; `extra` holds members of
    the problem document (RFC 9457) that a program may read.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, retry_after_s: int | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.extra = extra

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


class InvalidInputError(TailorError):
    """A field has a value that can't be taken; `field` names it."""

    status, type, title = 422, "invalid-input", "Invalid input"

    def __init__(self, field: str, detail: str, **extra: Any) -> None:
        super().__init__(detail, field=field, **extra)
        self.field = field

    def within(self, name: str) -> InvalidInputError:
        """Return itself as the error of a field within another one."""
        begins_with_it = self.detail.startswith(self.field)
        self.field = self.extra["field"] = f"{name}.{self.field}"
        self.detail = f"{name}.{self.detail}" if begins_with_it else f"{self.field}: {self.detail}"
        return self


class InvalidPictureError(InvalidInputError):
    """A picture can't be used; `reason` is a stable word. The detail begins with the field's name.

    empty, too-large (bytes), pixels, too-small, format, animated, truncated or corrupt; for a picture that is fetched
    also inner-address, unreachable, tls, timeout, broken, status, redirects or content-type.
    """

    type, title = "invalid-picture", "Invalid picture"

    def __init__(self, reason: str, detail: str, *, field: str = "picture", **extra: Any) -> None:
        super().__init__(field, detail, reason=reason, **extra)
        self.reason = reason

    def named(self, field: str) -> InvalidPictureError:
        """Return the same error with the field's name in place of `picture`: which one of several it is."""
        more = {name: value for name, value in self.extra.items() if name not in ("reason", "field")}
        return InvalidPictureError(self.reason, field + self.detail.removeprefix("picture"), field=field, **more)


class PromptTooLongError(InvalidInputError):
    """The prompt's tokens don't fit into the head; says both counts."""

    type, title = "prompt-too-long", "Prompt too long"

    def __init__(self, field: str, tokens: int, limit: int) -> None:
        detail = f"{field} has {tokens} tokens with its two markers; {limit} fit before the tail"
        super().__init__(field, detail, tokens=tokens, limit=limit)


class WrongModelError(InvalidInputError):
    """A tail is used with another model than the one it was learned on."""

    type, title = "wrong-model", "Tail of another model"


class IdempotencyConflictError(TailorError):
    """An Idempotency-Key was used again with another request."""

    status, type, title = 422, "idempotency-conflict", "Idempotency-Key used for another request"


class PayloadTooLargeError(TailorError):
    """The request body is over the limit."""

    status, type, title = 413, "payload-too-large", "Payload too large"


class NotFoundError(TailorError):
    """No such job, tail, result or model."""

    status, type, title = 404, "not-found", "Not found"


class GoneError(TailorError):
    """It was here and was deleted."""

    status, type, title = 410, "gone", "Deleted"


class ForbiddenError(TailorError):
    """A signature is wrong or has expired."""

    status, type, title = 403, "forbidden", "Forbidden"


class UnauthorizedError(TailorError):
    """The request needs an API key, or its key opens nothing; `error` is the word of RFC 6750 for the latter."""

    status, type, title = 401, "unauthorized", "API key needed"

    def __init__(self, detail: str, *, error: str | None = None) -> None:
        super().__init__(detail)
        self.error = error

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers, which say how to authenticate (RFC 6750)."""
        return {"WWW-Authenticate": 'Bearer realm="tailor"' + (f', error="{self.error}"' if self.error else "")}


class MissingScopeError(TailorError):
    """The caller's key is not for this; `scope` says what it lacks."""

    status, type, title = 403, "missing-scope", "Not allowed with this key"


class QueueFullError(TailorError):
    """Too many jobs wait."""

    status, type, title = 429, "queue-full", "Queue full"


class QuotaExceededError(TailorError):
    """One owner has as many jobs under way as it may."""

    status, type, title = 429, "quota-exceeded", "Quota exceeded"


class StorageQuotaExceededError(TailorError):
    """One owner has as many bytes stored as it may; only deleting something helps, so this is no 429."""

    status, type, title = 403, "storage-quota-exceeded", "Storage quota exceeded"


class RateLimitedError(TailorError):
    """Somebody asks more often than may be; `telling` adds the headers that say how often that is."""

    status, type, title = 429, "rate-limited", "Too many requests"
    _more: dict[str, str] | None = None

    def telling(self, headers: dict[str, str]) -> RateLimitedError:
        """Return itself, with more headers in its answer."""
        self._more = headers
        return self

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers."""
        return super().headers | (self._more or {})


class RequestTimeoutError(TailorError):
    """A request did not come in time."""

    status, type, title = 408, "request-timeout", "Request not sent in time"

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers: what may still come belongs to no request."""
        return {"Connection": "close"}


class OverloadedError(TailorError):
    """The process has as much in hand as it may; `limit` says how much."""

    status, type, title = 503, "overloaded", "Overloaded"


class StorageUnavailableError(TailorError):
    """Object storage does not answer; nothing was accepted."""

    status, type, title = 503, "storage-unavailable", "Storage unavailable"


class ModelNotReadyError(TailorError):
    """No worker has published this model yet."""

    status, type, title = 503, "model-not-ready", "Model not ready"
