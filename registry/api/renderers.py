"""Writes answers as JSON: never NaN or Infinity, which become null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

from registry import strict_json

_INTEGER_LIMIT = 2**63


class StrictJSONRenderer(BaseRenderer):
    """``application/json`` by the same module that reads it."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The body; empty where there is nothing to say, as with 204."""
        return b"" if data is None else to_json(data)


def to_json(body: Any) -> bytes:
    """An answer's body as JSON.

    PostgreSQL's jsonb keeps 1e40 as a whole number of 41 digits, which comes back as an ``int``
    that the writer refuses; such ones are written as the floats that they were.
    """
    try:
        return strict_json.dumps(body)
    except TypeError:
        return strict_json.dumps(_narrowed(body))


def _narrowed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _narrowed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_narrowed(inner) for inner in value]
    if isinstance(value, int) and abs(value) >= _INTEGER_LIMIT:
        return float(value)
    return value
