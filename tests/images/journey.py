"""What a user does over HTTP: personalize, wait, edit, download."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable
from typing import Any

import httpx
from PIL import Image

from core.shipped import sample_picture
from tests.images.errors import ImagesError

ENDED = ("succeeded", "failed", "canceled")
JOB_S = 300.0


class Journey:
    """A client of one API."""

    def __init__(self, url: str, key: str) -> None:
        """Connect to nothing yet."""
        self.client = httpx.Client(base_url=url, timeout=60, headers={"Authorization": f"Bearer {key}"})

    def is_ready(self) -> bool:
        """Whether storage, Redis and a worker answer and a model can be used."""
        try:
            answer = self.client.get("/readyz").json()
        except (httpx.TransportError, ValueError):
            return False
        return bool(answer.get("redis") and answer.get("workers") and answer.get("models"))

    def personalize(self, picture: bytes, **fields: Any) -> dict[str, Any]:
        """Send a picture; returns the job."""
        form = {"prompt": "a standing dog on the grass", "seed": "1"} | {k: str(v) for k, v in fields.items()}
        return _accepted(self.client.post("/personalize", files={"picture": picture}, data=form))

    def edit(self, tail_id: str, **fields: Any) -> list[bytes]:
        """Make pictures and return them as they come from storage. Raises ImagesError when one is not a picture."""
        job = {"tail_id": tail_id, "prompt": "a sitting dog", "seed": 1} | fields
        ended = self.ended(_accepted(self.client.post("/edit", json=job)))
        pictures = [httpx.get(result["url"], timeout=60).raise_for_status().content for result in ended["results"]]
        for each in pictures:
            with Image.open(io.BytesIO(each)) as picture:
                expect(picture.format == "PNG" and picture.size == (64, 64), f"an edit is {picture}")
        return pictures

    def tail(self, tail_id: str) -> bytes:
        """Download a tail's file."""
        return (
            httpx.get(self.client.get(f"/tails/{tail_id}/file").headers["Location"], timeout=60)
            .raise_for_status()
            .content
        )

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job as it is now."""
        return dict(self.client.get(f"/jobs/{job_id}").raise_for_status().json())

    def until(self, job_id: str, seen: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Poll a job until it looks as wanted. Raises ImagesError when it ends before."""
        end = time.monotonic() + JOB_S
        while not seen(job := self.job(job_id)):
            expect(job["status"] not in ENDED and time.monotonic() < end, f"waited in vain for {what}: {job}")
            time.sleep(0.1)
        return job

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """Wait for a job's success and return it. Raises ImagesError when it fails."""
        end = time.monotonic() + JOB_S
        while job["status"] not in ENDED and time.monotonic() < end:
            job = self.client.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=30"}).raise_for_status().json()
        expect(job["status"] == "succeeded", f"a job did not succeed: {job}")
        return job


def sample() -> bytes:
    """Return the sample picture."""
    picture = sample_picture()
    if picture is None:
        raise ImagesError("the sample picture is missing")
    return picture.read_bytes()


def large_picture() -> bytes:
    """Return a PNG of several megabytes, more than an upload may take in memory: noise does not compress."""
    noise = Image.frombytes("RGB", (1024, 1024), random.Random(0).randbytes(3 * 1024 * 1024))
    file = io.BytesIO()
    noise.save(file, format="PNG")
    return file.getvalue()


def expect(holds: bool, otherwise: str) -> None:
    """Raise ImagesError with the reason unless something holds."""
    if not holds:
        raise ImagesError(otherwise)


def _accepted(answer: httpx.Response) -> dict[str, Any]:
    expect(answer.status_code == 202, f"{answer.request.url} answered {answer.status_code}: {answer.text}")
    return dict(answer.json())
