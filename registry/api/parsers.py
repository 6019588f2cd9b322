"""Reads JSON bodies with the one strict parser, up to the cap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from registry import strict_json
from registry.conf import conf
from registry.errors import TooLarge


class StrictJSONParser(BaseParser):
    """``application/json``: no duplicate keys, no NaN, no deep nesting, at most the cap."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The parsed body. Raises MalformedBody, and TooLarge before too much is read."""
        return strict_json.loads(
            read_capped(stream, conf.max_body_bytes), max_bytes=conf.max_body_bytes
        )


def read_capped(stream: IO[Any], max_bytes: int) -> bytes:
    """The whole of a stream. Raises TooLarge after reading one byte more than the cap."""
    body = bytearray()
    while piece := stream.read(max_bytes + 1 - len(body)):
        body += piece
        if len(body) > max_bytes:
            raise TooLarge(f"The body is larger than {max_bytes} bytes.", limit_bytes=max_bytes)
    return bytes(body)
