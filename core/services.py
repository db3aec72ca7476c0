"""What every process of Tailor works with, opened together."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from core.clock import FleetClock
from core.config import Settings
from core.jobs.nudges import Nudges, make_celery
from core.jobs.reconciler import Reconciler
from core.jobs.store import JobStore
from core.live.connection import connect
from core.live.store import LiveStore
from core.models.registry import ModelRegistry
from core.storage import open_storage
from core.storage.base import Storage
from core.storage.measured import MeasuredStorage, StorageMeter
from core.storage.race import storage_time_s

SECRET_KEY = "secret"  # noqa: S105 - the key's name in storage, not a secret


@dataclass(frozen=True)
class Services:
    """What every process of Tailor works with."""

    settings: Settings
    storage: Storage
    live: LiveStore
    clock: FleetClock
    jobs: JobStore
    registry: ModelRegistry
    reconciler: Reconciler
    secret: bytes
    storage_meter: StorageMeter


def open_services(settings: Settings) -> Services:
    """Open storage and prove it, prepare Redis without connecting; raises StorageUnavailableError."""
    storage = configured_storage(settings)
    storage.probe()
    secret = settings.secret.encode() if settings.secret else _shared_secret(storage)
    meter = StorageMeter()
    storage = MeasuredStorage(configured_storage(settings, secret=secret), meter)
    live = LiveStore(connect(settings.redis_url), lease_s=settings.lease_s)
    clock = FleetClock(live.time_s)
    clock.begin(storage_time_s(storage))
    jobs = JobStore(storage, live, Nudges(make_celery(settings.redis_url), live.client), clock)
    registry = ModelRegistry(storage, settings.model_locations)
    reconciler = Reconciler(jobs, every_s=settings.reconcile_s, lease_s=settings.lease_s, renew_s=settings.renew_s)
    return Services(settings, storage, live, clock, jobs, registry, reconciler, secret, meter)


def configured_storage(settings: Settings, *, secret: bytes = b"") -> Storage:
    """Open the storage that the settings name; without the secret it signs nothing that anybody believes."""
    return open_storage(
        settings.storage,
        secret=secret,
        s3_endpoint_url=settings.s3_endpoint_url,
        s3_public_endpoint_url=settings.s3_public_endpoint_url,
        s3_region=settings.s3_region,
        s3_access_key=settings.s3_access_key,
        s3_secret_key=settings.s3_secret_key,
    )


def _shared_secret(storage: Storage) -> bytes:
    """Return the secret that all processes on this storage sign URLs with; the first one makes it."""
    storage.create(SECRET_KEY, secrets.token_bytes(32))
    return storage.get(SECRET_KEY)
