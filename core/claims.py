from __future__ import annotations

import secrets
from dataclasses import dataclass

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from core import keys
from core.attempts import claim_attempt, read_attempts
from core.errors import GoneError, NotFoundError, StorageUnavailableError
from core.jobs import JobStore
from core.live import SUSPECT
from core.schemas import JobSpec, utc_now
from core.storage.base import ObjectMissingError

CHECKPOINT_TRIES = 5
log = structlog.get_logger()


@dataclass(frozen=True)
class Claim:
    """The right to try a job now: its spec, the number of this attempt and the token of its lease.

    `crashes` is how many attempts before it were lost with their worker; after the first one it begins `alone`.
    """

    spec: JobSpec
    attempt: int
    token: str
    crashes: int = 0
    alone: bool = False

    def key(self, name: str) -> str:
        """Return the storage key for something that this attempt makes."""
        return keys.output(self.spec.id, self.attempt, name)


class Claims:
    """A worker's side of a job's life: taking attempts, keeping them, giving them back."""

    def __init__(self, store: JobStore, worker_id: str, *, max_attempts: int = 3) -> None:
        self.store = store
        self.worker_id = worker_id
        self.max_attempts = max_attempts

    def take(self, line: str) -> Claim | None:
        """Claim the next job of a line; None when there is none. Raises RedisError or StorageUnavailableError."""
        token = f"{self.worker_id}:{secrets.token_hex(8)}"
        while job_id := self.store.live.claim_next(line, token):
            try:
                claim = self._claim(job_id, line, token)
            except ValidationError as error:  # written by a newer version: a worker of that version will take it
                log.error("job.unreadable", job=job_id, error=str(error))
                self.store.live.release(job_id, token)
                continue
            except StorageUnavailableError:
                self.store.live.enqueue(job_id, line, token=token)
                raise
            if claim is not None:
                return claim
        return None

    def _claim(self, job_id: str, line: str, token: str) -> Claim | None:
        live = self.store.live
        try:
            spec = self.store.spec(job_id)
        except (NotFoundError, GoneError):
            self.store.forget(job_id)
            return None
        if end := self.store.end(job_id):
            self.store.close(spec, end)
            return None
        attempts = read_attempts(self.store.storage, job_id)
        if self._give_up(spec, attempts.unfinished):
            return None
        if attempts.unfinished and line != SUSPECT:
            live.enqueue(job_id, SUSPECT, token=token)
            return None
        claim = Claim(spec, attempts.newest + 1, token, crashes=attempts.unfinished, alone=line == SUSPECT)
        return claim if self._begin(claim) else None

    def _begin(self, claim: Claim) -> bool:
        """Create the attempt and mark it as running; on the way nothing may cost an attempt that did not begin."""
        job_id = claim.spec.id
        try:
            won = claim_attempt(self.store.storage, job_id, claim.attempt, self.worker_id)
            if won and self.store.live.started(job_id, claim.attempt, claim.token):
                return True
        except (RedisError, StorageUnavailableError):
            self._undo(claim)
            raise
        if won:
            self._undo(claim)  # storage was slow, and the lease ran out: somebody else may have the job
        else:
            self.store.live.release(job_id, claim.token)
        return False

    def _undo(self, claim: Claim) -> None:
        """Hand an attempt back that did not begin, as far as storage and Redis let us."""
        try:
            self.hand_back(claim)
        except StorageUnavailableError as error:
            log.warning("claim.undo.storage_away", job=claim.spec.id, error=error.detail)

    def _give_up(self, spec: JobSpec, crashes: int) -> bool:
        if crashes >= self.max_attempts:
            detail = f"the worker was lost in each of {crashes} attempts; the last ones ran alone"
            self.store.fail(spec, "attempts-exhausted", "Too many crashes", detail, attempt=crashes)
            return True
        if utc_now() >= spec.deadline_at:
            self.store.fail(spec, "deadline-exceeded", "Deadline exceeded", f"not ended by {spec.deadline_at:%FT%TZ}")
            return True
        return False

    def renew(self, claim: Claim) -> bool:
        """Renew the lease; False when it is lost for good. Redis being away loses nothing."""
        try:
            return self.store.live.renew(claim.spec.id, claim.attempt, claim.token)
        except RedisError as error:
            log.warning("lease.renew.redis_away", job=claim.spec.id, error=str(error))
            return True

    def hand_back(self, claim: Claim) -> None:
        """Give a job back so that another worker goes on with it; the attempt costs nothing.

        What storage cannot take now is left to the lease: it runs out, and the job is taken up again then.
        """
        self.store.storage.create(keys.handed_back(claim.spec.id, claim.attempt), b"")
        try:
            line = SUSPECT if claim.alone else claim.spec.kind
            self.store.live.enqueue(claim.spec.id, line, token=claim.token)
            self.store.nudges.send(claim.spec.kind, claim.spec.id)
        except RedisError as error:
            log.warning("job.hand_back.redis_away", job=claim.spec.id, error=str(error))

    # Checkpoints

    def save_checkpoint(self, claim: Claim, step: int, data: bytes) -> None:
        """Keep the state of an attempt, for the next one to go on from; an older one of this attempt is deleted."""
        prefix = claim.key("checkpoint-")
        self.store.storage.put(f"{prefix}{step:08d}.safetensors", data)
        for info in list(self.store.storage.list(prefix)):
            if not info.key.endswith(f"-{step:08d}.safetensors"):
                self.store.storage.delete(info.key)

    def load_checkpoint(self, claim: Claim) -> bytes | None:
        """Return the furthest state that an earlier attempt kept, or None."""
        for _ in range(CHECKPOINT_TRIES):
            found = [i.key for i in self.store.storage.list(keys.outputs(claim.spec.id)) if "/checkpoint-" in i.key]
            furthest = max(found, key=lambda key: key.rsplit("-", 1)[1], default=None)
            if furthest is None:
                return None
            try:
                return self.store.storage.get(furthest)
            except ObjectMissingError:  # an attempt that should be over has just replaced it by a newer one
                continue
        return None
