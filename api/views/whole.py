"""A job with all that belongs to it: the edits that came in the same call, and pictures in the answer itself."""

from __future__ import annotations

import base64

import structlog

from api.views.jobs import JobView, ResultView, job_view
from api.views.links import Links
from core.errors import GoneError, NotFoundError, StorageUnavailableError
from core.jobs.records import JobSpec, JobState, JobStatus, LiveRecord
from core.services import Services
from core.storage.base import ObjectMissingError

log = structlog.get_logger()


def whole_view(services: Services, job: JobState, links: Links, *, inline: bool = False) -> JobView:
    """Return a job with the edits that were accepted with it; blocks. With `inline`, small pictures are in it.

    Raises nothing: of a job that was just accepted something must be said, even if storage is away now.
    """
    edits = [edit for spec in job.spec.edits if (edit := _edit_state(services, spec)) is not None]
    whole, *views = [job_view(state, links) for state in (job, *edits)]
    if inline:
        room = services.settings.max_inline_bytes
        for state, view in zip((job, *edits), (whole, *views), strict=True):
            room = _put_in(services, state, view.results, room)
    return whole.model_copy(update={"edits": views})


def accepted_edit(spec: JobSpec) -> JobState:
    """Return what is known of an edit that was accepted with its tail, without looking."""
    return JobState(spec=spec, live=LiveRecord(status=JobStatus.WAITING))


def _edit_state(services: Services, spec: JobSpec) -> JobState | None:
    """Return an edit as a reader sees it; None when it was deleted."""
    try:
        return services.jobs.state(spec.id)
    except GoneError:
        return None
    except (NotFoundError, StorageUnavailableError):  # it stands in its tail's job, and comes from there
        return accepted_edit(spec)


def _put_in(services: Services, state: JobState, results: list[ResultView], room: int) -> int:
    """Put the pictures into their views while there is room for so many bytes; return what is left of it."""
    keys = state.end.result_keys if state.end else ()
    for key, result in zip(keys, results, strict=True):
        try:
            found = services.storage.head(key)
            if found is None or found.size > room:
                continue
            result.base64 = base64.b64encode(services.storage.get(key)).decode()
            room -= found.size
        except (ObjectMissingError, StorageUnavailableError) as error:
            log.warning("picture.not_inline", job=state.spec.id, error=str(error))
    return room
