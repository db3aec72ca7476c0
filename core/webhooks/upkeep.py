"""Keeps Redis' list of due deliveries and the markers in storage together; the leader's reconciler does it."""

from __future__ import annotations

from core.jobs.store import JobStore
from core.pace import Pace
from core.storage.base import ObjectInfo
from core.webhooks import keys
from core.webhooks.records import DeliveryRef

EVERY_S = 60
ABANDONED_S = 3600  # a marker without a delivery so long after was never followed by one
AT_ONCE = 500


class DeliveryUpkeep:
    """Costs one listing of what is pending now and then, and a read for each delivery that Redis does not know."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._pace = Pace(EVERY_S)

    def go_on(self, *, memory_lost: bool) -> None:
        """Note again what Redis has forgotten, drop the markers of what is over. Raises RedisError."""
        if memory_lost:
            self._pace.hurry()
        if not self._pace.due():
            return
        try:
            markers = list(self._store.storage.list(keys.DUE))
            for first in range(0, len(markers), AT_ONCE):
                self._look_at(markers[first : first + AT_ONCE])
        except BaseException:
            self._pace.hurry()
            raise

    def _look_at(self, markers: list[ObjectInfo]) -> None:
        markers = [marker for marker in markers if DeliveryRef.is_one(marker.key.removeprefix(keys.DUE))]
        names = [marker.key.removeprefix(keys.DUE) for marker in markers]
        known = self._store.live.deliveries.known(names)
        for marker, name, is_known in zip(markers, names, known, strict=True):
            if not is_known:
                self._note(marker, DeliveryRef.parse(name))

    def _note(self, marker: ObjectInfo, ref: DeliveryRef) -> None:
        deliveries = self._store.deliveries
        delivery = deliveries.read(ref)
        if delivery is not None and delivery.due_at is not None:
            self._store.live.deliveries.add(str(ref), delivery.due_at)
        elif delivery is not None or (self._store.clock.now() - marker.modified).total_seconds() > ABANDONED_S:
            deliveries.close(ref)
