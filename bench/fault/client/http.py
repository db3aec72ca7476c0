"""The client's side of HTTP: two APIs, either of which may be away, and requests that are repeated until answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import httpx

from bench.fault.client.ledger import Entry, note_accepted, note_ended
from core.config import REPOSITORY

PICTURE = (REPOSITORY / "samples" / "dog.png").read_bytes()
AGAIN_S = 0.3
ENDED = frozenset({"succeeded", "failed", "canceled"})


class OutOfTimeError(Exception):
    """The run is over, and the request was still not answered."""


class Apis:
    """Asks one API after the other until one answers; what is no answer (no connection, 429, 5xx) is asked again."""

    def __init__(self, urls: Sequence[str], transport: httpx.BaseTransport | None = None) -> None:
        self._urls = list(urls)
        limits = httpx.Limits(max_connections=100)
        self._http = httpx.Client(timeout=httpx.Timeout(20, connect=2), limits=limits, transport=transport)
        self.until = float("inf")  # time.monotonic() after which nothing is asked again
        self.retries = 0

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Return the answer, 2xx or 4xx. Raises OutOfTimeError."""
        turn = hash((path, time.monotonic_ns()))
        while time.monotonic() < self.until:
            turn += 1
            url = path if path.startswith("http") else self._urls[turn % len(self._urls)] + path
            try:
                answer = self._http.request(method, url, **content)
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
            except httpx.TransportError:
                pass
            self.retries += 1
            time.sleep(AGAIN_S)
        raise OutOfTimeError(f"{method} {path}")

    def submit(self, entry: Entry) -> bool:
        """Send a job until it is accepted; False when it is refused, which is noted."""
        body: dict[str, Any] = {"json": entry.fields}
        if entry.path == "/personalize":
            body = {"data": entry.fields, "files": {"picture": ("dog.png", PICTURE)}}
        answer = self.ask("POST", entry.path, headers={"Idempotency-Key": entry.key}, **body)
        if not answer.is_success:
            entry.troubles.append(f"refused: {answer.status_code} {answer.text[:200]}")
            return False
        note_accepted(entry, answer.json())
        return True

    def follow(self, entry: Entry) -> dict[str, Any]:
        """Wait for a job's end and return it; an answer that is neither it nor the wait for it is noted."""
        while True:
            answer = self.ask("GET", f"/jobs/{entry.id}", headers={"Prefer": "wait=5"})
            if not answer.is_success:
                if entry.asked_to_end and answer.status_code == 410:
                    job = {"status": "canceled", "deleted": True}
                    note_ended(entry, job)
                    return job
                entry.troubles.append(f"accepted, but GET says {answer.status_code}")
                time.sleep(1)
                continue
            job = dict(answer.json())
            if job["status"] in ENDED:
                note_ended(entry, job)
                return job
