"""Nudges: the Celery messages that tell workers that a job waits, and the Celery app that carries them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import structlog
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from core.jobs.records import KINDS, JobKind
from core.live import names

NUDGE = "tailor.nudge"
ENOUGH = 64  # nudges of a kind that wait to be taken: each wakes one worker, which wakes others
log = structlog.get_logger()


def broker_url(redis_url: str) -> str:
    """Return Celery's spelling of a redis-py URL: it writes unix sockets as redis+socket://."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={database}"


def make_celery(redis_url: str, *, socket_timeout_s: float = 1) -> Celery:
    """Return the Celery app: its messages are nudges, so that a lost, late or doubled one does no harm.

    A sender waits for Redis at most `socket_timeout_s`; a worker's consumer, which waits for messages, wants more.
    """
    app = Celery("tailor", broker=broker_url(redis_url), set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # True loses jobs
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues=[Queue(kind, Exchange(kind), routing_key=kind) for kind in KINDS],
        task_default_queue=KINDS[0],
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,  # the engine owns cancellation; this saves a thread of broadcasts
        broker_transport_options={
            "global_keyprefix": names.NUDGES,
            "socket_connect_timeout": 1,
            "socket_timeout": socket_timeout_s,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "max_retries": 0,
            "connect_retries_timeout": 1,
        },
    )
    return app


class Nudges:
    """Tells workers that a job of some kind waits.

    Each nudge has a worker look at its lines, and pass it on as long as it finds more jobs than it can take at once. So
    while some lie there that nobody has taken yet, as all workers are full, more of them say nothing.
    """

    def __init__(self, app: Celery, client: Redis) -> None:
        self.app = app
        self._client = client

    def send(self, kind: JobKind, job_id: str = "") -> bool:
        """Send a nudge unless enough are there; False when Redis is away, no harm: the reconciler sends another."""
        try:
            if self.pending(kind) < ENOUGH:
                self.app.send_task(NUDGE, args=[kind, job_id], queue=kind, retry=False, ignore_result=True)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("nudge.failed", kind=kind, job=job_id, error=str(error))
            return False
        return True

    def pending(self, kind: JobKind) -> int:
        """Return how many nudges of a kind nobody has taken yet."""
        return int(self._client.llen(names.nudges_key(kind)))
