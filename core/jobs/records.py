"""What is written down about jobs. Every record carries its schema version and owner."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from core.jobs.ids import job_of
from core.models.fit import Fit
from core.models.parameters import EditParams, PersonalizeParams, TailUse
from core.models.sweeps import Sweep
from core.record import SCHEMA_VERSION, Record
from core.webhooks.records import Webhook

JobKind = Literal["personalize", "edit"]
KINDS: tuple[JobKind, ...] = ("personalize", "edit")
DEFAULT_OWNER = "public"


class JobStatus(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED)


class ImportedTail(Record):
    """A tail that came as a file: where the file lies, the SHA-256 of the tail's values, and n."""

    key: str
    sha256: str
    positions: int


class SourcePicture(Record):
    """A picture of the subject, as the backbone will see it, and the prompt that says what it shows."""

    key: str
    prompt: str


class JobSpec(Record):
    """`jobs/{id}/job.json`: what was accepted. It never changes."""

    schema_version: int = SCHEMA_VERSION
    id: str
    owner: str = DEFAULT_OWNER
    kind: JobKind
    created_at: datetime
    deadline_at: datetime
    model: str
    model_hash: str
    prompt: str = Field(description="of a personalization with several pictures the first one's")
    seed: int = Field(ge=0, lt=2**63)
    tail_id: str = Field(description="the tail that a personalization makes or an edit uses")
    personalize: PersonalizeParams | None = None
    edit: EditParams | None = None
    tails: tuple[TailUse, ...] = Field((), description="an edit's, when it has several; the first is that of tail_id")
    tail_keys: tuple[str, ...] = Field((), description="of an edit whose tails were ready: where their files lie")
    sweep: Sweep | None = Field(None, description="of an edit: one picture for each combination of these values")
    tail_usage: EditParams | None = Field(
        None, description="how a personalization's tail is used unless an edit differs"
    )
    imported: ImportedTail | None = Field(None, description="of a tail that was not learned here but came as a file")
    picture_key: str | None = Field(None, description="the first source picture, as the backbone will see it")
    more_pictures: tuple[SourcePicture, ...] = Field((), description="the other pictures of the subject, if any")
    edits: tuple[JobSpec, ...] = Field((), description="accepted with it: they become jobs before it is made known")
    webhook: Webhook | None = Field(None, description="who is told of its end")
    ttl_s: float | None = Field(None, description="kept for so long after its end; None: for ever")
    labels: dict[str, str] = Field(default_factory=dict, description="set by the client")
    request_id: str = Field("", description="of the request that it came with, as logs have it")
    key_id: str = Field("", description="of the API key that it came with, if there was one")
    input_bytes: int = Field(0, description="of its pictures, or of the tail's file, as they are stored")
    request_hash: str = Field("", description="SHA-256 of the canonical fields and the pictures, for Idempotency-Key")

    @property
    def origin(self) -> dict[str, str]:
        """What the log of whoever works on it says of where it comes from."""
        return {name: value for name, value in (("request_id", self.request_id), ("key", self.key_id)) if value}

    @property
    def input_keys(self) -> tuple[str, ...]:
        """The keys of what was sent with the request: its pictures, or a tail's file."""
        return (self.imported.key,) if self.imported else tuple(picture.key for picture in self.pictures)

    @property
    def positions(self) -> int | None:
        """The vectors n of the tail that a personalization or an import makes."""
        if self.imported:
            return self.imported.positions
        return self.personalize.positions if self.personalize else None

    @property
    def prior_positions(self) -> int:
        """The positions of the tail prior that a personalization begins at; 0: it needs none."""
        params = self.personalize
        return params.positions if params and params.beginning == "prior" else 0

    @property
    def tail_ids(self) -> tuple[str, ...]:
        """The tail that a personalization makes, or all that an edit uses."""
        return tuple(use.id for use in self.tails) or (self.tail_id,)

    @property
    def tail_job(self) -> str:
        """The id of the personalization that makes this job's tail."""
        return job_of(self.tail_id)

    @property
    def pictures(self) -> tuple[SourcePicture, ...]:
        """The source pictures of a personalization with their prompts, or the one that an edit starts from."""
        if self.picture_key is None:
            return self.more_pictures
        return (SourcePicture(key=self.picture_key, prompt=self.prompt), *self.more_pictures)

    @property
    def source_prompts(self) -> tuple[str, ...]:
        """The prompts of a personalization, one a picture."""
        return self.prompt, *(picture.prompt for picture in self.more_pictures)


class Problem(Record):
    """Why a job failed: the `type`, `title` and `detail` of a problem document."""

    type: str
    title: str
    detail: str


class JobEnd(Record):
    """`jobs/{id}/end.json`: the only commit point. It names the winning keys."""

    schema_version: int = SCHEMA_VERSION
    job_id: str
    status: JobStatus
    ended_at: datetime
    attempt: int = 0
    error: Problem | None = None
    tail_key: str | None = None
    result_keys: tuple[str, ...] = ()
    grid_key: str | None = Field(None, description="all pictures of a sweep as one, with labels")
    fit: Fit | None = Field(None, description="of a personalization: how well its tail explains the pictures")
    output_bytes: int = Field(0, description="of what the keys name, without what came with the request")
    receipt: dict[str, Any] = Field(default_factory=dict)
    deleted: bool = Field(False, description="a tombstone: the job was deleted with all its bytes")
    owner: str = Field(DEFAULT_OWNER, description="a tombstone's: whose job it was")
    expired: bool = Field(False, description="of a tombstone: its time was over; nobody asked for it")
    gone_objects: int = Field(0, description="of a tombstone: how many objects the job had, all of which go")
    gone_bytes: int = 0

    @classmethod
    def of_import(cls, spec: JobSpec, now: datetime, *, attempt: int = 0) -> JobEnd:
        """Return how the taking in of a tail file ends: with the file itself; ValueError for a job that is none."""
        if spec.imported is None:
            raise ValueError(f"{spec.id} is no import")
        about = {"model_hash": spec.model_hash, "tail_id": spec.tail_id, "tail_sha256": spec.imported.sha256}
        return cls(
            job_id=spec.id,
            status=JobStatus.SUCCEEDED,
            ended_at=now,
            attempt=attempt,
            tail_key=spec.imported.key,
            receipt={"imported": True, **about},
        )


class PreviewRecord(Record):
    """What the model took a personalization's picture for after a step: a data URI of a few kilobytes."""

    step: int
    picture: str


class LiveRecord(Record):
    """The live record: how far a job is. Best effort; storage decides."""

    status: JobStatus
    attempt: int = 0
    step: int = 0
    steps: int = 0
    loss: float | None = None
    eta_s: float | None = None
    preview: PreviewRecord | None = None
    position: int | None = Field(None, description="jobs of this kind before it; None unless queued")


class JobState(Record):
    """A job as a reader sees it: what was accepted, how far it is and how it ended."""

    spec: JobSpec
    live: LiveRecord
    end: JobEnd | None = None
    waiting_for: str | None = Field(None, description="what is missing that this job can run, if anything is")

    @property
    def status(self) -> JobStatus:
        """The end's status once there is one."""
        return self.end.status if self.end else self.live.status
