"""Prometheus metrics: counts and times of requests, over all web processes of this machine.

granian runs several processes, and a scrape reaches one of them. Where
``PROMETHEUS_MULTIPROC_DIR`` is set (`manage.py up` does it) each process keeps its numbers in
files there, and the page adds them up; without it the page speaks for one process, and says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client import REGISTRY as THIS_PROCESS
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

requests_total = Counter(
    "modelyard_requests_total", "Requests answered.", ("method", "route", "status")
)
request_seconds = Histogram(
    "modelyard_request_seconds",
    "Time from a request's headers to its answer's, in seconds.",
    ("method", "route"),
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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
        requests_total.labels(method, route, str(response.status_code)).inc()
        request_seconds.labels(method, route).observe(time.perf_counter() - began_s)
        return response


def exposition() -> bytes:
    """The metrics in Prometheus' text format 0.0.4."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        note = b"# These numbers are of one web process only.\n"
        return note + generate_latest(THIS_PROCESS)
    everywhere = CollectorRegistry()
    MultiProcessCollector(everywhere)
    return generate_latest(everywhere)
