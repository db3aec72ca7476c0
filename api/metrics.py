"""What Prometheus reads: this process' counts, and the queues and engines of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from core.jobs.records import KINDS
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
        self.registry.register(FleetCollector(live))


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
        except RedisError:
            yield GaugeMetricFamily("tailor_redis_up", "Whether Redis answers", value=0)
            return
        yield GaugeMetricFamily("tailor_redis_up", "Whether Redis answers", value=1)
        yield GaugeMetricFamily("tailor_workers", "Workers whose heart beats", value=len(workers))
        lengths = GaugeMetricFamily("tailor_jobs_queued", "Jobs that wait for a slot", labels=["kind"])
        for kind, length in queued.items():
            lengths.add_metric([kind], length)
        yield lengths
        oldest = "Seconds since the acceptance of the oldest job that has not ended; 0 without one"
        yield GaugeMetricFamily("tailor_oldest_job_seconds", oldest, value=oldest_s)
        yield GaugeMetricFamily("tailor_webhook_deliveries_owed", "Deliveries that are not over", value=owed)
        yield from engine_gauges([worker.get("engine") or {} for worker in workers])

    def _oldest_s(self) -> float:
        oldest = cast("list[tuple[str, float]]", self._live.client.zrange(names.OPEN_JOBS, 0, 0, withscores=True))
        if not oldest:
            return 0.0
        return max(0.0, self._live.time_s() - oldest[0][1])


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
