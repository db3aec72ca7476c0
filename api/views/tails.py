"""What clients get to see of tails."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from api.views.links import Links
from core.jobs.keeping.terms import expires_at
from core.jobs.records import JobEnd, JobSpec, JobStatus


class TailView(BaseModel):
    """A tail and the personalization that makes it."""

    id: str
    job_id: str
    status: JobStatus
    model: str
    model_hash: str
    prompt: str = Field(description="what the picture shows; of several pictures the first")
    pictures: int = Field(description="how many it is learned from; 0 of one that came as a file")
    imported: bool = Field(False, description="whether it was not learned here but came as a file")
    labels: dict[str, str] = Field({}, examples=[{"name": "Rex"}])
    source_url: str | None = Field(
        None, description="signed; the (first) picture as the model sees it, a PNG; null of a tail that came as a file"
    )
    positions: int | None = Field(None, description="n, the vectors of the tail")
    created_at: datetime
    sha256: str | None = None
    url: str | None = Field(None, description="signed; the tail as safetensors; null until it is ready")
    url_expires_at: datetime | None = None
    expires_at: datetime | None = Field(None, description="when it is deleted by itself; null: never, or not ended yet")


def tail_view(spec: JobSpec, end: JobEnd | None, status: JobStatus, labels: dict[str, str], links: Links) -> TailView:
    """Return what a client sees of a tail."""
    view = TailView(
        **spec.model_dump(include={"model", "model_hash", "prompt", "created_at"}),
        id=spec.tail_id,
        job_id=spec.id,
        status=status,
        pictures=len(spec.pictures),
        imported=spec.imported is not None,
        labels=labels,
        expires_at=expires_at(spec, end),
        source_url=links.to(spec.picture_key, f"{spec.tail_id}-source.png", "image/png") if spec.picture_key else None,
        positions=spec.positions,
    )
    if end is None or end.tail_key is None:
        return view
    url = tail_url(spec, end.tail_key, links)
    return view.model_copy(
        update={"sha256": end.receipt.get("tail_sha256"), "url": url, "url_expires_at": links.expires_at}
    )


def tail_url(spec: JobSpec, key: str, links: Links) -> str:
    """Return the signed URL of a tail's file."""
    return links.to(key, f"{spec.tail_id}.safetensors", "application/octet-stream")
