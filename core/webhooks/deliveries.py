"""The deliveries of webhooks: made to be owed, looked up, put off, closed. Storage decides, Redis knows what is due."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from core.errors import NotFoundError
from core.jobs.records import JobEnd, JobSpec
from core.storage.base import ObjectMissingError
from core.webhooks import keys
from core.webhooks.records import Delivery, DeliveryRef, DeliveryState, WebhookEvent

if TYPE_CHECKING:
    from core.jobs.store import JobStore

MOST_ROUNDS = 20


class Deliveries:
    """All methods raise StorageUnavailableError, and RedisError where they say what is due."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    # What is owed

    def ended(self, spec: JobSpec, end: JobEnd) -> None:
        """Owe what a job's end is to be told; its open marker stays until this is done, and it may be repeated."""
        if spec.webhook is None or end.deleted:
            return
        if end.attempt:
            self.started(spec, end.ended_at)  # its worker may have died before it said so
        self._owe(spec, _event_of(end), end.ended_at)

    def started(self, spec: JobSpec, at: datetime) -> None:
        """Owe that a job has begun, if somebody wants to know; may be repeated."""
        self._owe(spec, "job.started", at)

    def _owe(self, spec: JobSpec, event: WebhookEvent, at: datetime) -> None:
        if spec.webhook is None or event not in spec.webhook.events:
            return
        first = Delivery(
            job_id=spec.id, owner=spec.owner, event=event, occurred_at=at, asked_at=spec.created_at, due_at=at
        )
        known = self.read(first.ref) or self._write(first)
        if known.due_at is not None:
            self._store.live.deliveries.add(str(known.ref), known.due_at)

    def _write(self, delivery: Delivery) -> Delivery:
        """Write a delivery down, its marker first; returns the one that is there if somebody else was faster."""
        storage, ref = self._store.storage, delivery.ref
        storage.put(keys.due(ref), b"")
        if storage.create(keys.delivery(ref), delivery.model_dump_json().encode(), "application/json"):
            return delivery if self._is_there(delivery) else delivery.model_copy(update={"due_at": None})
        return self.read(ref) or delivery

    def _is_there(self, delivery: Delivery) -> bool:
        """Tell whether a delivery's job is still there; if it was deleted, what was just written for it goes, too."""
        end = self._store.end(delivery.job_id)
        if end is None or not end.deleted:
            return True
        self._store.storage.delete(keys.delivery(delivery.ref))
        self.close(delivery.ref)
        return False

    def again(self, spec: JobSpec, event: str) -> Delivery:
        """Owe an event once more, with all attempts; what is still pending of it is superseded.

        Raises NotFoundError when it was never owed, or was asked for too often.
        """
        last = max((d for d in self.of(spec.id) if d.event == event), key=lambda d: d.round, default=None)
        if last is None:
            raise NotFoundError(f"{spec.id} has no delivery of {event}", id=spec.id)
        if last.round >= MOST_ROUNDS:
            detail = f"{event} of {spec.id} was asked for {MOST_ROUNDS} times, and is no more"
            raise NotFoundError(detail, id=spec.id, limit=MOST_ROUNDS)
        now = self._store.clock.now()
        fresh = last.model_copy(
            update={
                "round": last.round + 1,
                "asked_at": now,
                "due_at": now,
                "state": DeliveryState.PENDING,
                "attempts": (),
            }
        )
        known = self._write(fresh)
        with suppress(RedisError):  # its marker is there: it is noted when Redis is back
            self._store.live.deliveries.add(str(known.ref), known.due_at or now)
        return known

    # What is known

    def read(self, ref: DeliveryRef) -> Delivery | None:
        """Return a delivery, or None when there is none (any more)."""
        try:
            return Delivery.model_validate_json(self._store.storage.get(keys.delivery(ref)))
        except ObjectMissingError:
            return None

    def of(self, job_id: str) -> Iterator[Delivery]:
        """Yield a job's deliveries."""
        for info in self._store.storage.list(keys.deliveries(job_id)):
            try:
                yield Delivery.model_validate_json(self._store.storage.get(info.key))
            except ObjectMissingError:
                continue

    def is_superseded(self, delivery: Delivery) -> bool:
        """Tell whether it was asked for again meanwhile."""
        following = DeliveryRef(delivery.job_id, delivery.event, delivery.round + 1)
        return self._store.storage.head(keys.delivery(following)) is not None

    def is_disabled(self, delivery: Delivery, url: str) -> bool:
        """Tell whether the endpoint has answered 410 since it was named for this."""
        try:
            at = datetime.fromisoformat(self._store.storage.get(keys.gone(delivery.owner, url)).decode())
        except ObjectMissingError:
            return False
        return at >= delivery.asked_at

    # What became of it

    def disable(self, owner: str, url: str) -> None:
        """Note that an endpoint has answered 410: what was owed to it until now is not tried again."""
        self._store.storage.put(keys.gone(owner, url), self._store.clock.now().isoformat().encode())

    def save(self, delivery: Delivery) -> None:
        """Write down how a delivery stands, and when it is due again or that it is over.

        Whoever holds it past its lease may write over what another has noted since: then it is tried once too often,
        never too seldom.
        """
        storage, ref = self._store.storage, delivery.ref
        storage.put(keys.delivery(ref), delivery.model_dump_json().encode(), "application/json")
        if not self._is_there(delivery):  # whoever writes for a job looks whether it is
            return
        if delivery.due_at is None:
            self.close(ref)
        else:
            self._store.live.deliveries.put_off(str(ref), delivery.due_at)

    def close(self, ref: DeliveryRef) -> None:
        """Note that nothing is owed any more; the marker goes last, so that a cut-off close is done again."""
        self._store.live.deliveries.drop(str(ref))
        self._store.storage.delete(keys.due(ref))


def _event_of(end: JobEnd) -> WebhookEvent:
    events: dict[str, WebhookEvent] = {
        "succeeded": "job.succeeded",
        "failed": "job.failed",
        "canceled": "job.canceled",
    }
    return events[end.status]
