"""A worker's side of a job's life: claiming attempts, keeping them, giving them back."""

from __future__ import annotations

import secrets

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from core.clock import utc_now
from core.errors import GoneError, NotFoundError, StorageUnavailableError
from core.jobs import keys
from core.jobs.attempts import Attempt, claim_attempt, read_attempts
from core.jobs.checkpoints import Checkpoints
from core.jobs.records import JobSpec
from core.jobs.store import JobStore
from core.live.names import SUSPECTS

log = structlog.get_logger()


class Claims:
    """Claims attempts for one worker, keeps their leases and gives them back."""

    def __init__(self, store: JobStore, worker_id: str, *, max_attempts: int = 3) -> None:
        self.store = store
        self.checkpoints = Checkpoints(store.storage)
        self.worker_id = worker_id
        self.max_attempts = max_attempts

    def take(self, line: str) -> Attempt | None:
        """Claim the next job of a line; None when there is none. Raises RedisError or StorageUnavailableError."""
        token = f"{self.worker_id}:{secrets.token_hex(8)}"
        while job_id := self.store.live.lines.claim(line, token):
            try:
                attempt = self._claim(job_id, line, token)
            except ValidationError as error:  # written by a newer version: a worker of that version will take it
                log.error("job.unreadable", job=job_id, error=str(error))
                self.store.live.leases.release(job_id, token)
                continue
            except StorageUnavailableError:
                self.store.live.lines.enqueue(job_id, line, token=token)
                raise
            if attempt is not None:
                return attempt
        return None

    def _claim(self, job_id: str, line: str, token: str) -> Attempt | None:
        live = self.store.live
        try:
            spec = self.store.spec(job_id)
        except (NotFoundError, GoneError):
            self.store.forget(job_id)
            return None
        if end := self.store.end(job_id):
            self.store.close(spec, end)
            return None
        history = read_attempts(self.store.storage, job_id)
        if self._give_up(spec, history.unfinished):
            return None
        if history.unfinished and line != SUSPECTS:
            live.lines.enqueue(job_id, SUSPECTS, token=token)
            return None
        attempt = Attempt(spec, history.newest + 1, token, crashes=history.unfinished, alone=line == SUSPECTS)
        return attempt if self._begin(attempt) else None

    def _begin(self, attempt: Attempt) -> bool:
        """Create the attempt and mark it as running; on the way nothing may cost an attempt that did not begin."""
        job_id = attempt.spec.id
        try:
            won = claim_attempt(self.store.storage, job_id, attempt.number, self.worker_id)
            if won and self.store.live.leases.start(job_id, attempt.number, attempt.token):
                return True
        except (RedisError, StorageUnavailableError):
            self._undo(attempt)
            raise
        if won:
            self._undo(attempt)  # storage was slow, and the lease ran out: somebody else may have the job
        else:
            self.store.live.leases.release(job_id, attempt.token)
        return False

    def _undo(self, attempt: Attempt) -> None:
        """Hand an attempt back that did not begin, as far as storage and Redis let us."""
        try:
            self.hand_back(attempt)
        except StorageUnavailableError as error:
            log.warning("attempt.undo.storage_away", job=attempt.spec.id, error=error.detail)

    def _give_up(self, spec: JobSpec, crashes: int) -> bool:
        if crashes >= self.max_attempts:
            detail = f"the worker was lost in each of {crashes} attempts; the last ones ran alone"
            self.store.fail(spec, "attempts-exhausted", "Too many crashes", detail, attempt=crashes)
            return True
        if utc_now() >= spec.deadline_at:
            self.store.fail(spec, "deadline-exceeded", "Deadline exceeded", f"not ended by {spec.deadline_at:%FT%TZ}")
            return True
        return False

    def renew(self, attempt: Attempt) -> bool:
        """Renew the lease; False when it is lost for good. Redis being away loses nothing."""
        try:
            return self.store.live.leases.renew(attempt.spec.id, attempt.number, attempt.token)
        except RedisError as error:
            log.warning("lease.renew.redis_away", job=attempt.spec.id, error=str(error))
            return True

    def hand_back(self, attempt: Attempt) -> None:
        """Give a job back so that another worker goes on with it; the attempt costs nothing.

        What storage cannot take now is left to the lease: it runs out, and the job is taken up again then.
        """
        self.store.storage.create(keys.handed_back(attempt.spec.id, attempt.number), b"")
        try:
            line = SUSPECTS if attempt.alone else attempt.spec.kind
            self.store.live.lines.enqueue(attempt.spec.id, line, token=attempt.token)
            self.store.nudges.send(attempt.spec.kind, attempt.spec.id)
        except RedisError as error:
            log.warning("job.hand_back.redis_away", job=attempt.spec.id, error=str(error))
