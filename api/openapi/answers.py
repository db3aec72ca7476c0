"""Examples of what operations answer with, made of the views themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from api.openapi.bodies import STYLE, TAIL
from api.routes.health import Liveness, Readiness
from api.views.deletions import DeletionView
from api.views.deliveries import AttemptView, DeliveryList, DeliveryView, SecretsView
from api.views.jobs import ErrorView, JobView, ResultView
from api.views.limits import limits_view
from api.views.lists import JobList, TailList
from api.views.models import TokenCount
from api.views.tails import TailView
from core.config import Settings
from core.jobs.ids import job_of
from core.jobs.records import JobStatus
from core.models.info import ModelInfo
from core.models.recipes import FAST, PAPER
from core.webhooks.records import DeliveryState

_AT = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)
_LATER = _AT + timedelta(hours=1)
_PERSONALIZATION, _EDIT = job_of(TAIL), "job_00112233445566778899aabb"
_FILES = "https://tailor.example/v1/files/jobs"
_SIGNED = "expires=1767369845&signature=…"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_COMMON: dict[str, Any] = {"tail_id": TAIL, "model": "critters", "seed": 7, "created_at": _AT}
_QUEUED = JobView(
    **_COMMON, id=_PERSONALIZATION, kind="personalize", status=JobStatus.QUEUED, prompt="a standing dog", pictures=1,
    parameters=FAST.personalize.model_dump(), progress=0, queue_position=2,
    events_url=f"https://tailor.example/v1/jobs/{_PERSONALIZATION}/events?{_SIGNED}",
)  # fmt: skip
_RUNNING = _QUEUED.model_copy(
    update={"status": JobStatus.RUNNING, "attempt": 1, "step": 12, "steps": 30, "progress": 0.4, "loss": 0.06,
            "eta_s": 3.5, "queue_position": None}
)  # fmt: skip
_FAILED = _QUEUED.model_copy(
    update={"status": JobStatus.FAILED, "attempt": 1, "step": 12, "steps": 30, "progress": 0.4, "queue_position": None,
            "ended_at": _AT, "events_url": None, "error": ErrorView(
                type="urn:tailor:problem:not-finite", title="Not finite",
                detail="the loss is no number at 8 steps in a row; try a lower learning_rate")}
)  # fmt: skip
_SUCCEEDED = JobView(
    **_COMMON, id=_EDIT, kind="edit", status=JobStatus.SUCCEEDED, prompt="a sitting dog", ended_at=_AT,
    parameters=FAST.edit.model_dump(), attempt=1, step=12, steps=12, progress=1,
    results=[ResultView(index=0, url=f"{_FILES}/{_EDIT}/out/1/0.png?{_SIGNED}", expires_at=_LATER)],
    receipt={"request": {"tail_id": TAIL, "prompt": "a sitting dog", "seed": 7}, "tail_sha256": _SHA256},
)  # fmt: skip
_TAIL = TailView(
    id=TAIL, job_id=_PERSONALIZATION, status=JobStatus.SUCCEEDED, model="critters", model_hash=_SHA256,
    prompt="a standing dog", pictures=1, labels={"name": "Rex"}, positions=5, created_at=_AT, sha256=_SHA256,
    url=f"{_FILES}/{_PERSONALIZATION}/out/1/tail.safetensors?{_SIGNED}", url_expires_at=_LATER,
    source_url=f"{_FILES}/{_PERSONALIZATION}/input-{_SHA256}.png?{_SIGNED}",
)  # fmt: skip
_DELIVERY = DeliveryView(
    id="msg_0123456789abcdef01234567_succeeded", event="job.succeeded", round=1, state=DeliveryState.PENDING,
    due_at=_AT + timedelta(minutes=1),
    attempts=[AttemptView(at=_AT, seconds=0.2, status=503, error=None)],
)  # fmt: skip
_MODEL = ModelInfo(
    name="critters", hash=_SHA256, description="cartoon animals, 64x64", image_size=64, sequence_length=32, width=192,
    recipes={"fast": FAST, "paper": PAPER},
)  # fmt: skip

# By the name of the answer's schema; lists of a schema have its name in brackets.
_EXAMPLES: dict[str, dict[str, BaseModel | list[BaseModel]]] = {
    "JobView": {"queued": _QUEUED, "running": _RUNNING, "succeeded": _SUCCEEDED, "failed": _FAILED},
    "TailView": {"ready": _TAIL},
    "DeletionView": {"deleted": DeletionView(jobs=[_PERSONALIZATION], objects=4, bytes=45_000)},
    "JobList": {"page": JobList(items=[_SUCCEEDED, _RUNNING], next_cursor=None)},
    "TailList": {"page": TailList(items=[_TAIL, _TAIL.model_copy(update={"id": STYLE})], next_cursor=None)},
    "DeliveryList": {"deliveries": DeliveryList(items=[_DELIVERY])},
    "DeliveryView": {"tried once": _DELIVERY},
    "SecretsView": {"secrets": SecretsView(secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])},
    "LimitsView": {"limits": limits_view(Settings.model_construct(), [_MODEL], open_jobs=2, stored=1_048_576)},
    "Readiness": {"ready": Readiness(redis=True, workers=2, models=["critters"])},
    "Liveness": {"alive": Liveness()},
    "[ModelInfo]": {"models": [_MODEL]},
    "TokenCount": {"short": TokenCount(model="critters", tokens=5)},
}


def examples_of(schema: str, *, under_way: bool | None = None) -> dict[str, Any]:
    """Return OpenAPI's examples of what has this schema; jobs that have not ended, or only those, if it matters."""
    examples = _EXAMPLES.get(schema, {})
    return {name: {"value": _dumped(one)} for name, one in examples.items() if _fits(one, under_way)}


def _fits(example: BaseModel | list[BaseModel], under_way: bool | None) -> bool:
    return under_way is None or not isinstance(example, JobView) or example.status.ended is not under_way


def _dumped(value: BaseModel | list[BaseModel]) -> Any:
    if isinstance(value, list):
        return [_dumped(each) for each in value]
    return value.model_dump(mode="json")
