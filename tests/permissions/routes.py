"""Every route that the URL resolver knows, and the methods that its view answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

# HEAD and OPTIONS follow from these, and are tried apart.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Route:
    """``pattern`` is what the resolver holds; ``methods`` is None for a view that does not say.

    ``door`` is the class of the view, None for a function.
    """

    pattern: str
    methods: tuple[str, ...] | None
    door: Any = field(default=None, compare=False)

    def query_of(self, method: str) -> tuple[Any, ...]:
        """The query parameters that the door of a method declares."""
        return tuple(getattr(getattr(self.door, method.lower(), None), "query", ()))

    @property
    def is_page(self) -> bool:
        """Whether people read it: its refusals are pages, and a key opens none of them."""
        return not self.pattern.startswith(("api/", "v2", "endpoints/", "metrics"))

    @property
    def parameters(self) -> list[str]:
        """The names in its pattern, in order."""
        return _PARAMETER.findall(self.pattern)

    def path(self, values: dict[str, Any]) -> str:
        """The path with these values in the place of the parameters."""
        return "/" + _PARAMETER.sub(lambda found: str(values[found[1]]), self.pattern)


@lru_cache(maxsize=1)
def all_routes() -> dict[str, Route]:
    """By pattern."""
    return {route.pattern: route for route in _walk(get_resolver().url_patterns)}


def _walk(patterns: list[Any], before: str = "") -> Iterator[Route]:
    for pattern in patterns:
        whole = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, whole)
        elif isinstance(pattern, URLPattern):
            door = _door(pattern.callback)
            yield Route(whole, _methods(door), door)


def _door(view: Any) -> Any:
    return getattr(view, "cls", None) or getattr(view, "view_class", None)


def _methods(door: Any) -> tuple[str, ...] | None:
    if door is None:
        return None
    return tuple(method for method in METHODS if hasattr(door, method.lower()))
