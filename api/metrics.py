"""What Prometheus reads: this process' counts, and the queues and engines of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from api.connections import ConnectionMetrics
from core.jobs.records import KINDS, JobStatus
from core.live import names
from core.live.store import LiveStore
from core.webhooks.records import Delivery, DeliveryState

UNET = ["NoiseLoss", "PredictNoise"]  # the requests that are calls of the UNet


class Metrics:
    """What this process counts, and at each scrape what Redis knows of queues and workers."""

    def __init__(self, live: LiveStore) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tailor_http_requests", "Requests", ["method", "route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "tailor_http_request_seconds",
            "Time until the last byte of the answer",
            ["method", "route"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self.accepted = Counter("tailor_jobs_accepted", "Jobs accepted", ["kind"], registry=self.registry)
        self.webhooks = WebhookMetrics(self.registry)
        self.storage = StorageMetrics(self.registry)
        self.connections = ConnectionMetrics(self.registry)
        self.registry.register(FleetCollector(live))


class StorageMetrics:
    """What this process counts of its requests to storage."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "tailor_storage_seconds",
            "Time until storage has answered; of a listing until its first page",
            ["operation"],
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self._failed = Counter(
            "tailor_storage_failed", "Requests to storage without an answer", ["operation"], registry=registry
        )

    def note(self, operation: str, seconds: float, answered: bool) -> None:
        """Count one request."""
        self._seconds.labels(operation).observe(seconds)
        self._failed.labels(operation).inc(not answered)


class WebhookMetrics:
    """What this process counts of the webhooks that it sends."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "tailor_webhook_attempts", "Requests to endpoints, by the answer", ["status"], registry=registry
        )
        self._seconds = Histogram(
            "tailor_webhook_attempt_seconds",
            "Time until the endpoint has answered",
            registry=registry,
            buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
        )
        self._delay = Histogram(
            "tailor_webhook_delay_seconds",
            "Time from an event until its endpoint has heard of it",
            registry=registry,
            buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600, 3600, 36_000, 360_000),
        )
        self._over = Counter("tailor_webhook_deliveries", "Deliveries that are over", ["state"], registry=registry)

    def note(self, delivery: Delivery) -> None:
        """Count a delivery's last attempt."""
        attempt = delivery.attempts[-1]
        self._attempts.labels(f"{attempt.status // 100}xx" if attempt.status else "none").inc()
        self._seconds.observe(attempt.seconds)
        if delivery.state is not DeliveryState.PENDING:
            self._over.labels(delivery.state).inc()
        if delivery.state is DeliveryState.DELIVERED:
            since = delivery.occurred_at if delivery.round == 1 else delivery.asked_at
            self._delay.observe((attempt.at - since).total_seconds() + attempt.seconds)


class FleetCollector(Collector):
    """Queue lengths and the engines of all workers, read from Redis at each scrape.

    They are gauges, totals too: a worker that leaves takes its part of a total with it.
    """

    def __init__(self, live: LiveStore) -> None:
        self._live = live

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering asks nothing of Redis."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all of it; only `tailor_redis_up 0` while Redis is away."""
        try:
            queued = {kind: self._live.lines.length(kind) for kind in KINDS}
            workers = self._live.workers.alive()
            oldest_s = self._oldest_s()
            owed = self._live.deliveries.count()
            states, ages_s = self._states(), self._ages_s()
            counts = self._live.open_jobs.counts()
        except RedisError:
            yield GaugeMetricFamily("tailor_redis_up", "Whether Redis answers", value=0)
            return
        yield GaugeMetricFamily("tailor_redis_up", "Whether Redis answers", value=1)
        yield GaugeMetricFamily("tailor_workers", "Workers whose heart beats", value=len(workers))
        lengths = GaugeMetricFamily("tailor_jobs_queued", "Jobs that wait for a slot", labels=["kind"])
        for kind, length in queued.items():
            lengths.add_metric([kind], length)
        yield lengths
        yield _labelled("tailor_jobs_open", "Jobs that have not ended", "status", states)
        age = "Seconds since the acceptance of the job that is next in line"
        yield _labelled("tailor_queue_age_seconds", age, "line", ages_s)
        yield from life_counters(counts)
        oldest = "Seconds since the acceptance of the oldest job that has not ended; 0 without one"
        yield GaugeMetricFamily("tailor_oldest_job_seconds", oldest, value=oldest_s)
        yield GaugeMetricFamily("tailor_webhook_deliveries_owed", "Deliveries that are not over", value=owed)
        yield from engine_gauges([worker.get("engine") or {} for worker in workers])
        yield from worker_gauges(workers)

    def _states(self) -> dict[str, float]:
        """Return how many jobs there are in each state but the ends."""
        waiting, queued = self._live.open_jobs.waiting(), sum(self._live.lines.lengths().values())
        running = max(0, self._live.open_jobs.count() - waiting - queued)
        return {JobStatus.WAITING: waiting, JobStatus.QUEUED: queued, JobStatus.RUNNING: running}

    def _ages_s(self) -> dict[str, float]:
        """Return how long ago the next job of each line was accepted; 0 for an empty line."""
        now = self._live.time_s()
        heads = self._live.lines.next_since()
        return {line: max(0.0, now - heads.get(line, now)) for line in names.LINES}

    def _oldest_s(self) -> float:
        oldest = cast("list[tuple[str, float]]", self._live.client.zrange(names.OPEN_JOBS, 0, 0, withscores=True))
        if not oldest:
            return 0.0
        return max(0.0, self._live.time_s() - oldest[0][1])


def _labelled(name: str, documentation: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, documentation, labels=[label])
    for value, amount in values.items():
        gauge.add_metric([value], amount)
    return gauge


def life_counters(counts: dict[str, int]) -> Iterator[Metric]:
    """Yield how jobs ended, and how many leases were lost, since Redis was empty."""
    ended = CounterMetricFamily("tailor_jobs_ended", "Jobs that ended, by how", labels=["kind", "status"])
    for kind in KINDS:
        for status in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED):
            ended.add_metric([kind, status], counts.get(names.ended_count(kind, status), 0))
    yield ended
    lost = CounterMetricFamily("tailor_leases_lost", "Leases that ran out or whose worker was found dead")
    lost.add_metric([], counts.get(names.LEASES_LOST, 0))
    yield lost


def worker_gauges(workers: list[dict[str, Any]]) -> Iterator[Metric]:
    """Yield what all live workers found in their caches, and what storage took them, in sum."""
    lookups = GaugeMetricFamily("tailor_cache_lookups_total", "Lookups in workers' caches", labels=["cache", "result"])
    for cache in ("prompt", "model"):
        for result, count in (("hit", "hits"), ("miss", "misses")):
            total = sum(int((worker.get(f"{cache}_cache") or {}).get(count, 0)) for worker in workers)
            lookups.add_metric([cache, result], total)
    yield lookups
    requests = GaugeMetricFamily("tailor_worker_storage_requests_total", "Workers' requests", labels=["operation"])
    seconds = GaugeMetricFamily("tailor_worker_storage_seconds_total", "Seconds in them", labels=["operation"])
    stores = [worker.get("storage") or {} for worker in workers]
    for operation in sorted({name for store in stores for name in store}):
        requests.add_metric([operation], _total_of(stores, operation, "requests"))
        seconds.add_metric([operation], _total_of(stores, operation, "seconds"))
    yield from (requests, seconds)


def _total_of(stores: list[dict[str, Any]], operation: str, count: str) -> float:
    return sum(float(store.get(operation, {}).get(count, 0)) for store in stores)


def engine_gauges(engines: list[dict[str, Any]]) -> Iterator[Metric]:
    """Yield the engines' calls, rows and seconds by request, and the UNet's mean batch size, over all live workers.

    `engines` are `worker.engine.stats.EngineStats` as dictionaries.
    """
    calls = GaugeMetricFamily("tailor_engine_calls_total", "Batched calls", labels=["request"])
    rows = GaugeMetricFamily("tailor_engine_rows_total", "Rows in batched calls, without padding", labels=["request"])
    seconds = GaugeMetricFamily("tailor_engine_call_seconds_total", "Seconds in batched calls", labels=["request"])
    for request in sorted({name for engine in engines for name in engine.get("requests", {})}):
        calls.add_metric([request], _total(engines, [request], "calls"))
        rows.add_metric([request], _total(engines, [request], "rows"))
        seconds.add_metric([request], _total(engines, [request], "seconds"))
    yield from (calls, rows, seconds)
    unet_calls = _total(engines, UNET, "calls")
    mean = _total(engines, UNET, "rows") / unet_calls if unet_calls else 0.0
    yield GaugeMetricFamily("tailor_engine_mean_batch_size", "Rows a UNet call, without padding", value=mean)
    running = sum(engine.get("running", 0) for engine in engines)
    yield GaugeMetricFamily("tailor_engine_running_jobs", "Jobs that the engines drive now", value=running)


def _total(engines: list[dict[str, Any]], requests: list[str], count: str) -> float:
    return sum(float(engine.get("requests", {}).get(name, {}).get(count, 0)) for engine in engines for name in requests)
