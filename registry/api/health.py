"""Probes: `/healthz` (the process lives) and `/readyz` (each part that it needs, by name).

The same in other dialects: `/v2/health/live` and `/v2/health/ready` of the Open Inference Protocol,
and `/ping` of SageMaker and MLflow, which has nothing to say but that somebody answers.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse

from registry import storage

log = logging.getLogger(__name__)

TIMEOUT_S = 3.0
METHODS = ("GET", "HEAD")


def database() -> None:
    """A query comes back."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    finally:
        # This runs in a thread of its own, whose connection nobody else would close.
        connection.close()


def broker() -> None:
    """Valkey or Redis answers; queue, cache and limits live there."""
    cache.get("readyz")


def blobs() -> None:
    """A small file can be written where bytes are kept."""
    storage.is_writable()


def model_host() -> None:
    """Somebody listens on the model host's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(TIMEOUT_S)
        probe.connect(settings.MODELYARD["MODELHOST_SOCKET"])


PARTS: dict[str, Callable[[], None]] = {
    "database": database,
    "broker": broker,
    "storage": blobs,
    "model-host": model_host,
}


# Told besides, and nobody is less ready for it: a name, and who says it. Serving adds to it.
FACTS: dict[str, Callable[[], str]] = {}


def report() -> tuple[dict[str, str], dict[str, str | None]]:
    """What each part says: ``ok``, ``slow`` after 3 s, or ``failed``; and the facts.

    Why one failed is logged only. A fact that is not told within the 3 s is null.
    """
    pool = ThreadPoolExecutor(len(PARTS) + len(FACTS), thread_name_prefix="readyz")
    probes = {name: pool.submit(probe) for name, probe in PARTS.items()}
    told = {name: pool.submit(tell) for name, tell in FACTS.items()}
    deadline_s = time.monotonic() + TIMEOUT_S
    verdicts = {name: _verdict(name, future, deadline_s) for name, future in probes.items()}
    facts = {name: _fact(future, deadline_s) for name, future in told.items()}
    # Not waited for: a part that hangs must not hang the answer that says so.
    pool.shutdown(wait=False)
    return verdicts, facts


def _verdict(name: str, asked: Future[None], deadline_s: float) -> str:
    try:
        asked.result(max(0.0, deadline_s - time.monotonic()))
    except TimeoutError:
        return "slow"
    except Exception as error:
        log.warning("%s is not ready: %s", name, error)
        return "failed"
    return "ok"


def _fact(asked: Future[str], deadline_s: float) -> str | None:
    try:
        return asked.result(max(0.0, deadline_s - time.monotonic()))
    except Exception:
        # The part that knows it has its own verdict.
        return None


class ProbeMiddleware:
    """Answers the probes before hosts, sessions and redirects are looked at.

    Orchestrators call by address and by http, which neither ``ALLOWED_HOSTS`` nor the redirect to
    https would let through; and the answers name no host and no secret.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a probe, or go on."""
        probe = PROBES.get(request.path_info) if request.method in METHODS else None
        return self.get_response(request) if probe is None else probe()


def _live() -> HttpResponse:
    return _json({"status": "ok"}, 200)


def _ready() -> HttpResponse:
    parts, facts = report()
    is_ready = _is_ready(parts)
    status = "ready" if is_ready else "not-ready"
    return _json({"status": status, "parts": parts, **facts}, 200 if is_ready else 503)


def _server_live() -> HttpResponse:
    return _json({"live": True}, 200)


def _server_ready() -> HttpResponse:
    is_ready = _is_ready(report()[0])
    return _json({"ready": is_ready}, 200 if is_ready else 503)


def _ping() -> HttpResponse:
    response = HttpResponse(b"\n", content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


def _is_ready(parts: dict[str, str]) -> bool:
    return all(verdict == "ok" for verdict in parts.values())


def _json(body: dict[str, Any], status: int) -> HttpResponse:
    response = HttpResponse(json.dumps(body), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


PROBES: dict[str, Callable[[], HttpResponse]] = {
    "/healthz": _live,
    "/readyz": _ready,
    "/v2/health/live": _server_live,
    "/v2/health/ready": _server_ready,
    "/ping": _ping,
}
