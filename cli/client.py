"""A small typed client of Tailor's HTTP interface."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field

from core.jobs.records import JobKind, JobStatus

DEFAULT_URL = "http://127.0.0.1:8000"
POLL_S = 1.0  # how long one request waits for news; a progress bar should move
RETRY_S = 0.5
PATIENCE_S = 60.0  # how long a server that is being restarted may be away while one waits for a job


class ClientError(Exception):
    """A request did not succeed; the message is one line for a person."""


class UnreachableError(ClientError):
    """No server answers, or it fails itself (5xx)."""


class RefusedError(ClientError):
    """The server does not take the request; `problem` is its problem document (RFC 9457)."""

    def __init__(self, message: str, status: int, problem: dict[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem


class View(BaseModel):
    """Base of what the server says; members that this client does not know are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Result(View):
    """One picture of an edit: where it can be fetched, and until when."""

    index: int = 0
    url: str
    expires_at: str | None = None


class Job(View):
    """A job as GET /jobs/{id} tells it."""

    id: str
    kind: JobKind
    status: JobStatus
    tail_id: str
    prompt: str = ""
    step: int = 0
    steps: int = 0
    progress: float | None = None
    loss: float | None = None
    queue_position: int | None = None
    eta_s: float | None = None
    results: list[Result] = Field(default_factory=list)
    grid: Result | None = None
    error: dict[str, Any] | None = None
    warnings: list[str] = Field(default_factory=list)
    receipt: dict[str, Any] | None = None

    @property
    def failure(self) -> str:
        """Why it did not succeed, in one line."""
        if not self.error:
            return f"{self.id} was {self.status}"
        return f"{self.id} {self.status}: {self.error.get('detail') or self.error.get('title')}"


class TailorClient:
    """Talks to one server. Submissions carry an Idempotency-Key, so repeating one makes no second job."""

    def __init__(
        self, url: str = DEFAULT_URL, *, key: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Connect to nothing yet. `key` is an API key, that in TAILOR_API_KEY otherwise."""
        self._key = (key or os.environ.get("TAILOR_API_KEY", "")).strip()
        if not self._key.isascii() or not self._key.isprintable():
            raise ClientError("the API key holds what no key holds: line breaks or letters with accents")
        self.url = url.rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise ClientError(f"{url!r} is not the URL of a server: it begins with neither http:// nor https://")
        try:
            host, base = urlsplit(self.url).hostname, httpx.URL(self.url)
        except (ValueError, httpx.InvalidURL) as error:
            raise ClientError(f"{url!r} is not the URL of a server: {error}") from None
        if not host:
            raise ClientError(f"{url!r} is not the URL of a server: it names no host")
        self._http = httpx.Client(base_url=base, transport=transport, timeout=httpx.Timeout(60, connect=5))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None) -> None:
        self._http.close()

    def personalize(self, pictures: Sequence[Path], prompts: Sequence[str], **options: object) -> Job:
        """Send pictures of a subject to be learned, with one prompt for all or one for each.

        Options that are None are left to the server.
        """
        fields: dict[str, object] = {"prompt": list(prompts)}
        fields |= {name: str(value) for name, value in _given(options).items()}
        files = [("picture", (picture.name, picture.read_bytes())) for picture in pictures]
        return self._submit("/personalize", data=fields, files=files)

    def edit(self, tail_id: str, prompt: str, **options: object) -> Job:
        """Ask for pictures of a tail's subject; options that are None are left to the server."""
        return self._submit("/edit", json={"tail_id": tail_id, "prompt": prompt} | _given(options))

    def import_tail(self, file: Path) -> str:
        """Send a tail's file; return the id that the tail has at this server."""
        return str(self._post("/tails", files={"file": (file.name, file.read_bytes())}).json()["id"])

    def job(self, job_id: str, *, wait_s: float = 0) -> Job:
        """Return a job; with `wait_s`, the server answers as soon as it has ended, at the latest after that time."""
        headers = {"Prefer": f"wait={wait_s:g}"} if wait_s else {}
        return Job.model_validate(self._send("GET", f"/jobs/{job_id}", headers=headers).json())

    def watch(self, job_id: str) -> Iterator[Job]:
        """Yield the job again and again, the ended one last; a server that is away for a while is waited for."""
        away_since: float | None = None
        while True:
            started = time.monotonic()
            try:
                job = self.job(job_id, wait_s=POLL_S)
            except UnreachableError:
                away_since = away_since or started
                if started - away_since > PATIENCE_S:
                    raise
            else:
                away_since = None
                yield job
                if job.status.ended:
                    return
            # A server without long polls answers at once: it is not asked more often for that.
            time.sleep(max(0.0, POLL_S / 2 - (time.monotonic() - started)))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that has ended comes back unchanged."""
        return Job.model_validate(self._send("DELETE", f"/jobs/{job_id}").json())

    def models(self) -> list[dict[str, Any]]:
        """Return the models that workers have published."""
        return list(self._send("GET", "/models").json())

    def readiness(self) -> dict[str, Any]:
        """Return what /readyz reports, whether it is ready or not."""
        response = self._request("GET", "/readyz")
        try:
            return {**response.json(), "ready": response.is_success}
        except ValueError:
            return {"ready": response.is_success}

    def is_ready(self) -> bool:
        """Tell whether jobs can be sent and will be worked on."""
        try:
            report = self.readiness()
            return bool(report["ready"]) and report.get("workers", 1) != 0 and bool(report.get("models"))
        except ClientError:
            return False

    def metrics(self) -> str:
        """Return the server's metrics in Prometheus' text format."""
        return self._send("GET", "/metrics").text

    def download(self, url: str) -> bytes:
        """Return the bytes behind a result's URL, which may be relative."""
        return self._send("GET", url, signed=True).content

    def tail_file(self, tail_id: str) -> bytes:
        """Return a tail as its safetensors file."""
        return self._send("GET", f"/tails/{tail_id}/file", follow_redirects=True).content

    def _submit(self, path: str, **content: Any) -> Job:
        return Job.model_validate(self._post(path, **content).json())

    def _post(self, path: str, **content: Any) -> httpx.Response:
        content["headers"] = {"Idempotency-Key": uuid.uuid4().hex}
        try:
            return self._send("POST", path, **content)
        except UnreachableError:
            time.sleep(RETRY_S)
            return self._send("POST", path, **content)

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        response = self._request(method, path, **content)
        if response.is_success:
            return response
        raise _error_of(response)

    def _request(self, method: str, path: str, *, signed: bool = False, **content: Any) -> httpx.Response:
        if self._key and not signed:  # a signed URL may be another server's, who must not see the key
            content["headers"] = {"Authorization": f"Bearer {self._key}"} | (content.get("headers") or {})
        try:
            return self._http.request(method, path, **content)
        except httpx.ConnectError:
            raise UnreachableError(f"no Tailor server answers at {self.url}; start one with `tailor up`") from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise UnreachableError(f"{self.url} broke off: {error or type(error).__name__}") from error


def _given(options: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _error_of(response: httpx.Response) -> ClientError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    problem = problem if isinstance(problem, dict) else {}
    said = problem.get("detail") or problem.get("title") or response.reason_phrase
    field, again = problem.get("field"), response.headers.get("Retry-After")
    message = f"{field}: {said}" if field and not str(said).startswith(str(field)) else str(said)
    message += f"; try again in {again} s" if again else ""
    message += "; it belongs into TAILOR_API_KEY or --key-file" if response.status_code == 401 else ""
    if response.is_server_error:
        return UnreachableError(f"{message} ({response.status_code})")
    return RefusedError(f"{message} ({response.status_code})", response.status_code, problem)
