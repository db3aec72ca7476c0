"""What clients may ask of lists, and pages of what they get."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.views.jobs import JobView, job_view
from api.views.links import Links
from api.views.tails import TailView, tail_view
from core.config import Settings
from core.errors import InvalidInputError
from core.jobs.ids import is_tail_id
from core.jobs.lists.entries import is_stem
from core.jobs.lists.labels import check_label
from core.jobs.lists.pages import Page, Query
from core.jobs.records import JobKind, JobStatus

MOST_ITEMS = 100


class TailListQuery(BaseModel):
    """Which tails; what is not named is not asked for."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(20, ge=1, le=MOST_ITEMS, description="items of a page at most")
    cursor: str | None = Field(None, max_length=200, description="`next_cursor` of the page before")
    status: Annotated[list[JobStatus], Field(description="one of these")] = []
    label: list[str] = Field([], description="all of these, as `name:value`", examples=[["name:Rex"]])

    def query(self, owner: str, settings: Settings) -> Query:
        """Return what is asked of the lists; raises InvalidInputError."""
        return Query(kind="personalize", **self._common(owner, settings))

    def _common(self, owner: str, settings: Settings) -> dict[str, Any]:
        return {
            "owner": owner,
            "limit": self.limit,
            "after": _place(self.cursor) if self.cursor is not None else None,
            "statuses": frozenset(self.status),
            "labels": tuple(_label(settings, text) for text in self.label),
        }


class JobListQuery(TailListQuery):
    """Which jobs."""

    kind: JobKind | None = None
    tail_id: str | None = Field(None, description="edits with this tail")

    def query(self, owner: str, settings: Settings) -> Query:
        """Return what is asked of the lists; raises InvalidInputError."""
        if self.tail_id is not None and not is_tail_id(self.tail_id):
            raise InvalidInputError("tail_id", f"tail_id: {self.tail_id[:60]!r} is no id of a tail")
        return Query(kind=self.kind, tail_id=self.tail_id, **self._common(owner, settings))


class JobList(BaseModel):
    """A page of jobs."""

    items: list[JobView]
    next_cursor: str | None = Field(description="asks for the next page; null at the end")


class TailList(BaseModel):
    """A page of tails."""

    items: list[TailView]
    next_cursor: str | None = Field(description="asks for the next page; null at the end")


def job_list(page: Page, links: Links) -> JobList:
    """Return what a client sees of a page of jobs."""
    return JobList(items=[job_view(job.state, links) for job in page.items], next_cursor=_cursor(page.after))


def tail_list(page: Page, links: Links) -> TailList:
    """Return what a client sees of a page of tails."""
    views = [tail_view(job.state.spec, job.state.end, job.state.status, job.labels, links) for job in page.items]
    return TailList(items=views, next_cursor=_cursor(page.after))


def _cursor(place: str | None) -> str | None:
    return None if place is None else base64.urlsafe_b64encode(place.encode()).decode()


def _place(cursor: str) -> str:
    try:
        place = base64.b64decode(cursor, altchars="-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        place = ""
    if not is_stem(place):
        raise InvalidInputError("cursor", "cursor: it is none that a list has given")
    return place


def _label(settings: Settings, text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise InvalidInputError("label", f"label: {text[:60]!r} is not name:value")
    return check_label(settings, "label", name, value)
