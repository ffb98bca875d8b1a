"""What a server counts, in the text that Prometheus reads."""

from __future__ import annotations

import time
from collections import Counter as Counts
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..words.model import STATES

if TYPE_CHECKING:
    from .site import ServedSite

TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


class ServerMetrics:
    """Of one server: requests as they come, tasks as they are when somebody asks."""

    def __init__(self, site: ServedSite):
        self._registry = CollectorRegistry()
        self._registry.register(_Tasks(site))
        self._requests = Counter(
            "hpcbatch_requests", "Requests that were answered", ("method", "route", "status"),
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "hpcbatch_request_seconds", "Time until an answer began", ("route",),
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class Counting:
    """An ASGI application before another one, which counts the answers that begin."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics):
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                # paths that are none of ours are one route: strangers may ask for many
                route = getattr(scope.get("route"), "path", "other")
                took = time.monotonic() - began
                self._metrics.count(scope["method"], route, message["status"], took)
            await send(message)

        await self._app(scope, receive, send_counted)


class _Tasks:
    def __init__(self, site: ServedSite):
        self._site = site

    def collect(self) -> Iterable[Metric]:
        statuses = self._site.tracking.all_known()
        jobs = Counts(dict.fromkeys(STATES, 0))
        for status in statuses:
            jobs.update(status.counts)
        by_state = GaugeMetricFamily("hpcbatch_jobs", "Jobs of known tasks", labels=["state"])
        for state, count in jobs.items():
            by_state.add_metric([state], count)
        yield by_state
        for name, told, count in (
            ("tasks", "Tasks that are known", len(statuses)),
            ("tasks_running", "Tasks released that go on", len(self._site.tracking.running())),
            ("queue", "Submissions that wait for release", len(self._site.queue.waiting())),
        ):
            yield GaugeMetricFamily(f"hpcbatch_{name}", told, value=count)
