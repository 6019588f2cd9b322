"""The first page's word about the model host: whether it answers, and what it confines."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from django.http import HttpRequest

from registry.panels import PanelContent
from serving.actions.host import host
from serving.runtimes.isolation.errors import HostUnavailable

KEPT_S = 15

MEANING = {
    "full": "Every model runs in a locked process of its own.",
    "no-netns": "Every model runs in a locked process of its own, which cannot make sockets.",
    "rlimits-only": "Models run under resource limits alone, so joblib, pickle and MLflow files"
    " are refused.",
    "away": "The model host does not answer: nothing is scored or checked.",
}


def panel(request: HttpRequest, _: None) -> PanelContent | None:
    """For those who run the server; each web process asks the host every few seconds at most."""
    if not getattr(request.user, "is_superuser", False):
        return None
    shown = _asked(int(time.monotonic() / KEPT_S))
    return PanelContent("serving/host_panel.html", shown, aside=True)


@lru_cache(maxsize=1)
def _asked(span: int) -> dict[str, Any]:
    """Kept for a span of time. In this process, since a page must open while the cache is away."""
    del span
    try:
        status = host().status()
        told = status["confinement"]
    except (HostUnavailable, KeyError):
        return {"level": "away", "meaning": MEANING["away"], "missing": [], "models": None}
    return {
        "level": told["level"],
        "meaning": MEANING[told["level"]],
        "missing": [(name, why) for name, why in told["layers"].items() if why is not True],
        "models": len(status["children"]),
        "memory_bytes": sum(child["memory_bytes"] for child in status["children"]),
        "budget_bytes": status["budget_bytes"],
    }
