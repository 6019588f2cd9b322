"""Writes answers as JSON: never NaN or Infinity, which become null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

from registry import strict_json


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
        return b"" if data is None else strict_json.dumps(data)
