"""The keys of everything about jobs in object storage."""

from __future__ import annotations

from datetime import UTC, datetime

OPEN_MARKERS = "open/"
DOUBTS = "doubts/"


def job(job_id: str) -> str:
    """Return the prefix of all that belongs to a job."""
    return f"jobs/{job_id}/"


def spec(job_id: str) -> str:
    """Return the key of what was accepted."""
    return f"jobs/{job_id}/job.json"


def end(job_id: str) -> str:
    """Return the key of a job's end, the only commit point."""
    return f"jobs/{job_id}/end.json"


def picture(job_id: str, sha256: str) -> str:
    """Return the key of a source picture; its content is part of the name, so that two requests can't mix."""
    return f"jobs/{job_id}/input-{sha256[:16]}.png"


def tail_file(job_id: str, sha256: str) -> str:
    """Return the key of a tail's file that was sent; its content is part of the name, as a picture's."""
    return f"jobs/{job_id}/input-{sha256[:16]}.safetensors"


def attempts(job_id: str) -> str:
    """Return the prefix of a job's attempt claims."""
    return f"jobs/{job_id}/attempts/"


def attempt(job_id: str, number: int) -> str:
    """Return the key whose creation claims an attempt."""
    return f"jobs/{job_id}/attempts/{number:04d}.json"


def handed_back(job_id: str, number: int) -> str:
    """Return the key that says that an attempt was given back and did not crash."""
    return f"jobs/{job_id}/attempts/{number:04d}.handed-back"


def crashed(job_id: str, number: int) -> str:
    """Return the key that says that an attempt's process died while its machine lived on."""
    return f"jobs/{job_id}/attempts/{number:04d}.crashed"


def in_company(job_id: str, number: int) -> str:
    """Return the key that says that an attempt which began alone got company before it ended."""
    return f"jobs/{job_id}/attempts/{number:04d}.in-company"


def output(job_id: str, number: int, name: str) -> str:
    """Return the key of what an attempt made: a tail, a result, a checkpoint."""
    return f"{outputs(job_id)}{number:04d}/{name}"


def outputs(job_id: str) -> str:
    """Return the prefix of what a job's attempts made."""
    return f"jobs/{job_id}/out/"


def open_markers(minute: datetime) -> str:
    """Return the prefix of the markers of the jobs that were accepted in a minute of the fleet's time."""
    return f"{OPEN_MARKERS}{minute:%Y%m%dT%H%M}-"


def open_marker(job_id: str, created_at: datetime) -> str:
    """Return the marker that lies there from before a job's acceptance until after its end."""
    return f"{open_markers(created_at)}{job_id}"


def marked_job(marker: str) -> str:
    """Return the job that a marker is for."""
    return marker.rpartition("-")[2]


def marked_minute(marker: str) -> datetime:
    """Return the minute in which a marker's job was accepted."""
    return datetime.strptime(marker.removeprefix(OPEN_MARKERS).partition("-")[0], "%Y%m%dT%H%M").replace(tzinfo=UTC)


def labels(job_id: str) -> str:
    """Return the key of the labels that a tail got after its job was accepted."""
    return f"jobs/{job_id}/labels.json"


def doubt(job_id: str) -> str:
    """Return the key that says that a lost attempt may write under a job after its end."""
    return f"{DOUBTS}{job_id}"
