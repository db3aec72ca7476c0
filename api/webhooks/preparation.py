"""From a delivery that is due to the request that is sent, and from its outcome to what is written down. Blocks."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

import httpx

from api.outbound.addresses import AddressGuard
from api.outbound.urls import check_url
from api.webhooks.message import message
from core.errors import GoneError, InvalidInputError, NotFoundError
from core.jobs.records import JobSpec
from core.services import Services
from core.webhooks.records import Delivery, DeliveryAttempt, DeliveryRef, DeliveryState
from core.webhooks.schedule import after
from core.webhooks.signing import Signing

_CHANCE_STEPS = 2**20


@dataclass(frozen=True)
class Prepared:
    """A request that is due now."""

    delivery: Delivery
    endpoint: str
    url: httpx.URL
    headers: dict[str, str]
    body: bytes


class Preparation:
    """Reads what is to be sent and notes how it went; all methods raise StorageUnavailableError and RedisError."""

    def __init__(self, services: Services, signing: Signing, guard: AddressGuard) -> None:
        self._services = services
        self._signing = signing
        self._guard = guard

    def prepare(self, name: str) -> Prepared | None:
        """Return the request of a delivery; None when there is nothing to send now, which then is seen to."""
        deliveries, ref = self._services.jobs.deliveries, DeliveryRef.parse(name)
        delivery = deliveries.read(ref)
        if delivery is None or delivery.due_at is None:
            deliveries.close(ref)
            return None
        if delivery.due_at > self._services.clock.now():  # its last attempt's sender died before it could put it off
            self._services.live.deliveries.put_off(name, delivery.due_at)
            return None
        try:
            spec = self._services.jobs.spec(ref.job_id)
            return self._prepare(spec, delivery)
        except (GoneError, NotFoundError):
            deliveries.close(ref)
            return None

    def _prepare(self, spec: JobSpec, delivery: Delivery) -> Prepared | None:
        webhook, deliveries = spec.webhook, self._services.jobs.deliveries
        if webhook is None:
            raise NotFoundError(f"{spec.id} has no webhook", id=spec.id)
        if state := self._not_wanted(delivery, webhook.url):
            deliveries.save(delivery.model_copy(update={"state": state, "due_at": None}))
            return None
        body = message(self._services, spec, delivery)
        signed = self._signing.headers(
            delivery.ref.message_id, self._services.clock.now(), body, spec.owner, servers=webhook.servers
        )
        try:
            url = check_url(self._guard, "webhook", webhook.url)
        except InvalidInputError as error:  # the settings have changed since it was accepted
            self.note(delivery, DeliveryAttempt(at=self._services.clock.now(), seconds=0, error=error.detail))
            return None
        return Prepared(delivery, webhook.url, url, signed | {"Content-Type": "application/json"}, body.encode())

    def _not_wanted(self, delivery: Delivery, url: str) -> DeliveryState | None:
        if self._services.jobs.deliveries.is_superseded(delivery):
            return DeliveryState.SUPERSEDED
        if self._services.jobs.deliveries.is_disabled(delivery, url):
            return DeliveryState.DISABLED
        return None

    def note(
        self, delivery: Delivery, attempt: DeliveryAttempt, retry_after_s: float = 0, endpoint: str = ""
    ) -> Delivery:
        """Write down how an attempt went; returns how the delivery stands now."""
        deliveries = self._services.jobs.deliveries
        chance = secrets.randbelow(_CHANCE_STEPS) / _CHANCE_STEPS
        tried = after(delivery, attempt, self._services.settings.webhook_delays_s, chance, retry_after_s)
        if tried.state is DeliveryState.DISABLED:
            deliveries.disable(delivery.owner, endpoint)
        deliveries.save(tried)
        return tried

    def crashed(self, name: str) -> None:
        """Note an attempt that failed in this process, before anything was sent or after."""
        delivery = self._services.jobs.deliveries.read(DeliveryRef.parse(name))
        if delivery is not None and delivery.due_at is not None:
            self.note(delivery, DeliveryAttempt(at=self._services.clock.now(), seconds=0, error="internal error"))

    def put_off(self, delivery: Delivery, seconds: float) -> None:
        """Let a delivery wait a little, as its endpoint is busy with others; this is no attempt."""
        until = self._services.clock.now() + timedelta(seconds=seconds)
        self._services.live.deliveries.put_off(str(delivery.ref), until)
