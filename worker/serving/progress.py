"""How far one attempt is: told to Redis now and then, checkpointed to storage every few seconds and steps."""

from __future__ import annotations

import time

import structlog
from redis.exceptions import RedisError

from core.diffusion.files import save_tensors
from core.diffusion.learning.preview import Preview
from core.diffusion.requests import Report
from core.errors import StorageUnavailableError
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.records import PreviewRecord
from core.storage.base import ObjectMissingError
from worker.serving.previews import as_data_uri

WRITE_EVERY_S = 1.0
KEPT_SHARE = 1 / 16  # of the steps: so much is done again at most, and a write's time, however short a job is
SMOOTHING = 0.95  # one step's loss is mostly the luck of its timestep
log = structlog.get_logger()


class Progress:
    """Writes down how far one attempt is: now and then to Redis, and its checkpoints to storage.

    A checkpoint is kept every few seconds, and after each sixteenth of the steps. All of it is best effort: an outage
    fails no job.
    """

    def __init__(self, attempt: Attempt, claims: Claims, *, checkpoint_s: float) -> None:
        self.attempt = attempt
        self.claims = claims
        self.checkpoint_s = checkpoint_s
        self.latest: Report | None = None
        self._began: tuple[float, int] | None = None
        self._noted = 0.0
        self._loss: float | None = None
        self._written = float("-inf")
        self._kept = time.monotonic()
        self._kept_step = 0
        self._shown_step = 0

    def note(self, report: Report) -> None:
        """Take in one report."""
        now = self._noted = time.monotonic()
        self.latest = report
        if self._began is None:
            self._began, self._kept_step = (now, report.step), report.step - 1
        if report.loss is not None:
            self._loss = report.loss if self._loss is None else SMOOTHING * self._loss + (1 - SMOOTHING) * report.loss
        if now - self._written >= WRITE_EVERY_S or report.step == report.steps:
            self._written = now
            self._write(report, now)
        if report.preview is not None and report.preview.step != self._shown_step:
            self._show(report.preview)
        if now - self._kept >= self.checkpoint_s or self._has_come_far(report):
            self.keep_checkpoint()

    def steps(self) -> tuple[float, float] | None:
        """Return when the first step of this attempt began and when the newest ended; None unless it made several."""
        if self.latest is None or self._began is None or self.latest.step <= self._began[1]:
            return None
        began, first = self._began
        return began - (self._noted - began) / (self.latest.step - first), self._noted

    def _has_come_far(self, report: Report) -> bool:
        """Tell whether too much would be done again; after the last step the result itself is written."""
        return KEPT_SHARE * report.steps <= report.step - self._kept_step and report.step < report.steps

    def _show(self, preview: Preview) -> None:
        """Tell a preview to those who watch the job."""
        self._shown_step = preview.step
        if (picture := as_data_uri(preview)) is None:
            return
        try:
            told = PreviewRecord(step=preview.step, picture=picture)
            self.claims.store.live.records.preview(self.attempt.spec.id, self.attempt.number, told)
        except RedisError as error:
            log.warning("preview.failed", job=self.attempt.spec.id, error=str(error))

    def keep_checkpoint(self) -> None:
        """Write the latest checkpoint to storage, if there is a new one."""
        self._kept = time.monotonic()
        if self.latest is None or self.latest.checkpoint is None:
            return
        self._kept_step = self.latest.step
        try:
            self.claims.checkpoints.save(self.attempt, self.latest.step, save_tensors(self.latest.checkpoint))
            self.claims.store.sweep_if_ended(self.attempt.spec)
        except (StorageUnavailableError, ObjectMissingError) as error:
            log.warning("checkpoint.failed", job=self.attempt.spec.id, error=str(error))

    def _write(self, report: Report, now: float) -> None:
        fields: dict[str, float] = {"step": report.step, "steps": report.steps}
        if self._loss is not None:
            fields["loss"] = round(self._loss, 5)
        if self._began and report.step > self._began[1]:
            per_step = (now - self._began[0]) / (report.step - self._began[1])
            fields["eta_s"] = round(per_step * (report.steps - report.step), 1)
        try:
            self.claims.store.live.records.progress(self.attempt.spec.id, self.attempt.number, fields)
        except RedisError as error:
            log.warning("progress.failed", job=self.attempt.spec.id, error=str(error))
