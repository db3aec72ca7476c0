"""Jobs: reading, following, listing, canceling, deleting them."""

from __future__ import annotations

from tailor_client.answers import Deletion, Job
from tailor_client.calls import Call
from tailor_client.operations.common import Page, Query, one, page, prefer, query_params


def job(job_id: str | Job, *, wait_s: float = 0, inline: bool = False) -> Call[Job]:
    """GET /jobs/{id}; with `wait_s` it is answered when the status changes, at the latest after so many seconds."""
    params = {"inline": "true"} if inline else {}
    return Call("GET", f"/jobs/{id_of_job(job_id)}", one(Job), params, prefer(wait_s))


def events(job_id: str, last_id: str | None) -> Call[None]:
    """GET /jobs/{id}/events."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    return Call("GET", f"/jobs/{job_id}/events", lambda _: None, headers=headers)


def cancel(job_id: str | Job) -> Call[Job]:
    """DELETE /jobs/{id}."""
    return Call("DELETE", f"/jobs/{id_of_job(job_id)}", one(Job))


def delete_job(job_id: str | Job) -> Call[Deletion]:
    """DELETE /jobs/{id}?purge=true."""
    return Call("DELETE", f"/jobs/{id_of_job(job_id)}", one(Deletion), {"purge": "true"})


def jobs(query: Query, cursor: str | None) -> Call[Page[Job]]:
    """GET /jobs, a page."""
    return Call("GET", "/jobs", page(Job), query_params(query, cursor))


def id_of_job(job_id: str | Job) -> str:
    """Return a job's id."""
    return job_id.id if isinstance(job_id, Job) else job_id
