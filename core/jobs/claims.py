"""A worker's side of a job's life: claiming attempts, keeping them, giving them back."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from core.errors import GoneError, NotFoundError, StorageUnavailableError
from core.jobs import keys
from core.jobs.attempts import Attempt, AttemptHistory, create_attempt, ran_alone, read_attempts
from core.jobs.checkpoints import Checkpoints
from core.jobs.records import JobSpec
from core.jobs.store import JobStore
from core.live.names import ALONE, again

CRASHES_ALONE = 2  # that show a job to be what kills its workers, as far as `max_attempts` allows so many
log = structlog.get_logger()


class NotHereError(Exception):
    """A job's model is served here, but not with all that this job wants of it."""


class Claims:
    """Claims attempts for one worker, keeps their leases and gives them back.

    A worker claims only jobs of models, by hash, that it `serves`, and of these only those that it `can` do.
    """

    def __init__(
        self,
        store: JobStore,
        worker_id: str,
        serves: Callable[[], Collection[str]],
        *,
        max_attempts: int = 3,
        can: Callable[[JobSpec], bool] = lambda _: True,
    ) -> None:
        self.store = store
        self.checkpoints = Checkpoints(store.storage)
        self.worker_id = worker_id
        self.serves = serves
        self.max_attempts = max_attempts
        self._can = can
        self._turn = 0

    def take(self, line: str) -> Attempt | None:
        """Claim the next job of a line; None when there is none. Raises RedisError or StorageUnavailableError.

        A worker of several models takes from each in turn.
        """
        models = sorted(self.serves())
        self._turn += 1
        for index in range(len(models)):
            if attempt := self._take(line, models[(self._turn + index) % len(models)]):
                return attempt
        return None

    def _take(self, line: str, model_hash: str) -> Attempt | None:
        token = f"{self.worker_id}:{secrets.token_hex(8)}"
        passed_over: list[str] = []
        try:
            while claimed := self.store.live.lines.claim(line, model_hash, token):
                job_id, last_attempt = claimed
                try:
                    attempt = self._claim(job_id, line, token, is_first=last_attempt == 0)
                except ValidationError as error:  # written by a newer version: a worker of that version will take it
                    log.error("job.unreadable", job=job_id, error=str(error))
                    passed_over.append(job_id)
                    continue
                except NotHereError:  # another worker will take it
                    passed_over.append(job_id)
                    continue
                except StorageUnavailableError:
                    passed_over.append(job_id)
                    raise
                if attempt is not None:
                    return attempt
        finally:
            for job_id in passed_over:
                self.store.live.lines.put_back(job_id, line, model_hash, token)
        return None

    def _claim(self, job_id: str, line: str, token: str, *, is_first: bool) -> Attempt | None:
        """Claim the next attempt at a job; a first one needs no look at what was before."""
        try:
            told = self.store.live.lines.told(job_id) if is_first else None
            spec = JobSpec.model_validate_json(told) if told else self.store.spec(job_id)
        except (NotFoundError, GoneError):
            self.store.forget(job_id)
            return None
        if not self._can(spec):
            raise NotHereError
        if is_first and not self._give_up(spec, AttemptHistory()):
            attempt = Attempt(spec, 1, token)
            if self._create(attempt):
                return attempt if self._start(attempt) else None
        return self._claim_again(spec, line, token)

    def _claim_again(self, spec: JobSpec, line: str, token: str) -> Attempt | None:
        if end := self.store.end(spec.id):
            self.store.close(spec, end)
            return None
        history = read_attempts(self.store.storage, spec.id)
        if self._give_up(spec, history):
            return None
        right_line = line_after(spec, history)
        if right_line not in (line, spec.kind):
            self.store.live.lines.enqueue(spec, right_line, token=token)
            return None
        attempt = Attempt(spec, history.newest + 1, token, crashes=history.crashes, alone=line == ALONE)
        if self._create(attempt):
            return attempt if self._start(attempt) else None
        self.store.live.leases.release(spec.id, token)
        return None

    def _create(self, attempt: Attempt) -> bool:
        """Create the attempt in storage; whatever fails on the way, an attempt that did not begin costs nothing."""
        try:
            return create_attempt(self.store.storage, attempt, self.worker_id, self.store.clock.now())
        except StorageUnavailableError:
            self._undo(attempt)
            raise

    def _tell(self, spec: JobSpec) -> None:
        """Owe the webhook that the job has begun; should that fail, its end makes up for it."""
        try:
            self.store.deliveries.started(spec, self.store.clock.now())
        except (RedisError, StorageUnavailableError) as error:
            log.warning("job.started.untold", job=spec.id, error=str(error))

    def _start(self, attempt: Attempt) -> bool:
        try:
            if self.store.live.leases.start(attempt.spec, attempt.number, attempt.token):
                self._tell(attempt.spec)
                return True
        except RedisError:
            self._undo(attempt)
            raise
        self._undo(attempt)  # storage was slow, and the lease ran out: somebody else may have the job
        return False

    def _undo(self, attempt: Attempt) -> None:
        """Hand an attempt back that did not begin, as far as storage and Redis let us."""
        try:
            self.hand_back(attempt)
        except StorageUnavailableError as error:
            log.warning("attempt.undo.storage_away", job=attempt.spec.id, error=error.detail)

    def _give_up(self, spec: JobSpec, history: AttemptHistory) -> bool:
        if history.crashes >= self.max_attempts and self._is_at_fault(spec, history):
            detail = f"the worker was lost in each of {history.unfinished} attempts"
            detail += "; the last ones ran alone" if self.max_attempts > 1 else ""
            self.store.fail(spec, "attempts-exhausted", "Too many crashes", detail, attempt=history.newest)
            return True
        return self.store.fail_if_overdue(spec)

    def _is_at_fault(self, spec: JobSpec, history: AttemptHistory) -> bool:
        """Whether it took enough workers with it that had nothing else to do.

        Crashes beside others say little: a killer takes them along until it is found, and they are told late when a
        worker is slow to come back. One crash alone may still be chance, two are not.
        """
        wanted = min(CRASHES_ALONE, self.max_attempts - 1)
        return ran_alone(self.store.storage, spec.id, history).crashes >= wanted

    def renew(self, attempt: Attempt) -> bool:
        """Renew the lease; False when it is lost for good. Redis being away loses nothing."""
        try:
            return self.store.live.leases.renew(attempt.spec, attempt.number, attempt.token)
        except RedisError as error:
            log.warning("lease.renew.redis_away", job=attempt.spec.id, error=str(error))
            return True

    def note_crash(self, attempt: Attempt) -> None:
        """Note that an attempt may have broken its process or device; its lease runs out by itself."""
        self._note(attempt, keys.crashed(attempt.spec.id, attempt.number))

    def note_company(self, attempt: Attempt) -> None:
        """Note, before others join it, that what befalls an attempt that ran alone may be their doing from now on."""
        self._note(attempt, keys.in_company(attempt.spec.id, attempt.number))

    def _note(self, attempt: Attempt, key: str) -> None:
        self.store.storage.create(key, b"")
        self.store.sweep_if_ended(attempt.spec)  # it may have been deleted meanwhile

    def hand_back(self, attempt: Attempt) -> None:
        """Give a job back so that another worker goes on with it; the attempt costs nothing.

        What storage cannot take now is left to the lease: it runs out, and the job is taken up again then.
        """
        spec = attempt.spec
        self.store.storage.create(keys.handed_back(spec.id, attempt.number), b"")
        line = ALONE if attempt.alone else again(spec.kind) if attempt.crashes else spec.kind
        try:
            self.store.live.lines.enqueue(spec, line, token=attempt.token, attempt=attempt.number)
            self.store.nudges.send(spec.kind, spec.id)
        except RedisError as error:
            log.warning("job.hand_back.redis_away", job=spec.id, error=str(error))
        self.store.sweep_if_ended(spec)


def line_after(spec: JobSpec, history: AttemptHistory) -> str:
    """Return the line for a job with such a history: those that met a crash are kept apart, to find the one at fault.

    After one crash it runs in half the company, after two alone: a killer is found by halves.
    """
    if history.crashes >= 2:
        return ALONE
    return again(spec.kind) if history.crashes else spec.kind
