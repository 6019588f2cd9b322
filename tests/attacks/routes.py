"""Every route of the API with its doors, out of Django's own resolver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Door:
    """One method of one route; ``call`` is what answers, and has the door's own notes."""

    route: str
    method: str
    view: type
    call: Any


def doors() -> list[Door]:
    """All doors below ``/api/v1/``, by route and method."""
    found = [
        door for route, view in _views(get_resolver().url_patterns) for door in _of(route, view)
    ]
    return sorted(found, key=lambda door: (door.route, door.method))


def _views(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, type]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and route.startswith("api/v1/"):
            view = getattr(pattern.callback, "cls", None)
            if view is not None:
                yield f"/{route}", view


def _of(route: str, view: type) -> Iterator[Door]:
    for method in METHODS:
        call = getattr(view, method, None)
        if call is not None:
            yield Door(route, method, view, call)
