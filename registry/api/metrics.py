"""Prometheus metrics: counts and times of requests, and what the registry holds.

granian runs several processes, and a scrape reaches one of them. Where
``PROMETHEUS_MULTIPROC_DIR`` is set (`manage.py up` does it) each process keeps its numbers in
files there, and the page adds them up; without it the page speaks for one process, and says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client import REGISTRY as THIS_PROCESS
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from registry import roles
from registry.api.resource import Resource
from registry.metering import meter
from registry.models import Dataset, ModelVersion, RegisteredModel
from registry.principals import require_everywhere

requests_total = Counter("modelyard_requests", "Requests answered.", ("method", "route", "status"))
request_seconds = Histogram(
    "modelyard_request_seconds",
    "Time from a request's headers to its answer's, in seconds.",
    ("method", "route"),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


# In a WSGI environ: a request that nobody has sent is not counted.
UNMEASURED = "modelyard.unmeasured"


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answer. ``route`` is a pattern with its first slash, never a path."""
    meter.count(_counter(method, route, status))
    meter.observe(_timer(method, route), seconds)


# Finding a child takes as long as counting with it.
@lru_cache(maxsize=4096)
def _counter(method: str, route: str, status: int) -> Counter:
    return requests_total.labels(method, route, str(status))


@lru_cache(maxsize=1024)
def _timer(method: str, route: str) -> Histogram:
    return request_seconds.labels(method, route)


class MetricsMiddleware:
    """Counts and times every request under its route's pattern, never under its path."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Measure, and go on."""
        began_s = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        # A path would make a series of every id that anybody asks for.
        route = f"/{match.route}" if match else "unknown"
        method = request.method if request.method in _METHODS else "other"
        if UNMEASURED not in request.META:
            count_request(method, route, response.status_code, time.perf_counter() - began_s)
        return response


class Holdings(Collector):
    """What the registry holds, counted in the database at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Models, datasets, and versions by status."""
        models = GaugeMetricFamily("modelyard_models", "Registered models.")
        models.add_metric([], RegisteredModel.objects.count())
        yield models
        datasets = GaugeMetricFamily("modelyard_datasets", "Datasets.")
        datasets.add_metric([], Dataset.objects.count())
        yield datasets
        versions = GaugeMetricFamily(
            "modelyard_model_versions", "Model versions by status.", labels=["status"]
        )
        counted = ModelVersion.objects.order_by().values_list("status").annotate(Count("pk"))
        for status, count in counted:
            versions.add_metric([status], count)
        yield versions


def exposition() -> bytes:
    """The metrics in Prometheus' text format 0.0.4."""
    meter.flush()
    held = CollectorRegistry()
    held.register(Holdings())
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        note = b"# The numbers of requests are those of one web process.\n"
        return generate_latest(held) + note + generate_latest(THIS_PROCESS)
    MultiProcessCollector(held)  # type: ignore[no-untyped-call]  # the library's
    return generate_latest(held)


class TextRenderer(BaseRenderer):
    """Passes bytes on as Prometheus' text format."""

    media_type = "text/plain"
    format = "text"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The body as it is."""
        return bytes(data)


class Metrics(Resource):
    """`/metrics`: for keys with the scope admin."""

    renderer_classes = [TextRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """All metrics."""
        require_everywhere(self.by, roles.MANAGER)
        content_type = "text/plain; version=0.0.4; charset=utf-8"
        return Response(exposition(), content_type=content_type)
