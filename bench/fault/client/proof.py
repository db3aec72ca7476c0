"""Proves what came of a job: every picture decodes and has the right size, the receipt says what was asked."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load

from bench.fault.client.http import Apis
from bench.fault.client.ledger import Entry

IMAGE_SIZE = 64  # the embedded model's


def prove(apis: Apis, entry: Entry, job: dict[str, Any]) -> tuple[str, ...]:
    """Return the digests of a successful job's results; what is wrong with them goes into the entry's troubles."""
    receipt = job.get("receipt") or {}
    request = receipt.get("request", {})
    wrong = [name for name, value in entry.fields.items() if name in request and request[name] != value]
    if not receipt.get("tail_sha256") or not request or wrong:
        entry.troubles.append(f"the receipt is wrong in {wrong or 'all'}")
    if entry.path == "/personalize":
        return _tail(apis, entry, job, str(receipt.get("tail_sha256")))
    return _pictures(apis, entry, job)


def _tail(apis: Apis, entry: Entry, job: dict[str, Any], digest: str) -> tuple[str, ...]:
    data = _download(apis, entry, f"/tails/{job['tail_id']}/file")
    try:
        found = hashlib.sha256(np.ascontiguousarray(load(data)["tail"]).tobytes()).hexdigest()
    except Exception as error:
        found = f"unreadable: {error}"
    if found != digest:
        entry.troubles.append(f"the tail is {found}, its receipt says {digest}")
    return (found,)


def _pictures(apis: Apis, entry: Entry, job: dict[str, Any]) -> tuple[str, ...]:
    wanted = int(entry.fields.get("num_images", 1))
    if len(job["results"]) != wanted:
        entry.troubles.append(f"{len(job['results'])} pictures in place of {wanted}")
    digests = []
    for result in job["results"]:
        data = _download(apis, entry, result["url"])
        digests.append(hashlib.sha256(data).hexdigest())
        try:
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                picture.load()
                if picture.size != (IMAGE_SIZE, IMAGE_SIZE):
                    entry.troubles.append(f"picture {result['index']} is {picture.size}")
        except (OSError, ValueError) as error:
            entry.troubles.append(f"picture {result['index']} does not decode: {error}")
    return tuple(digests)


def _download(apis: Apis, entry: Entry, path: str) -> bytes:
    answer = apis.ask("GET", path, follow_redirects=True)
    if not answer.is_success:
        entry.troubles.append(f"GET {path.partition('?')[0]} says {answer.status_code}")
    return answer.content
