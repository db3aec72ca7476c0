"""The keys of everything about webhooks in object storage."""

from __future__ import annotations

import hashlib

from core.webhooks.records import DeliveryRef

DUE = "due/"
GONE = "gone-endpoints/"


def deliveries(job_id: str) -> str:
    """Return the prefix of a job's deliveries."""
    return f"jobs/{job_id}/deliveries/"


def delivery(ref: DeliveryRef) -> str:
    """Return the key of one delivery."""
    return f"{deliveries(ref.job_id)}{ref.event}.{ref.round}.json"


def due(ref: DeliveryRef) -> str:
    """Return the marker that lies there from before a delivery is written down until after its last attempt."""
    return f"{DUE}{ref}"


def due_of(job_id: str) -> str:
    """Return the prefix of the markers of a job's deliveries."""
    return f"{DUE}{job_id}."


def gone(owner: str, url: str) -> str:
    """Return the key that says that a URL of an owner has answered 410."""
    return GONE + hashlib.sha256(f"{owner}\0{url}".encode()).hexdigest()[:32]
