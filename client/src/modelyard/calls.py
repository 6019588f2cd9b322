"""What every group of calls stands on: a transport, a progress, and lists read page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from modelyard.bodies import json_body
from modelyard.clock import Clock
from modelyard.progress import Progress, Silent
from modelyard.transport import Call, Transport


class Calls:
    """Base of the groups of calls that ``Client`` is made of."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        progress: Progress | None = None,
        clock: Clock | None = None,
        read_timeout_s: float = 120.0,
    ) -> None:
        self._transport = Transport(url, api_key, clock=clock, read_timeout_s=read_timeout_s)
        self._progress: Progress = progress or Silent()

    def _set_archived(self, path: str) -> Mapping[str, Any]:
        """Out of use, or back: not done twice, for the second time would be a conflict."""
        call = Call("POST", path, body=json_body({}), repeatable=False)
        answer: Mapping[str, Any] = self._transport.json(call)
        return answer

    def _pages(self, path: str, query: Mapping[str, str | int]) -> Iterator[Mapping[str, Any]]:
        """The members of a list, page after page.

        Pages are counted instead of following ``next``: the key goes to no address but ours.
        """
        page = 1
        while True:
            document = self._transport.json(Call("GET", path, {**query, "page": page}))
            yield from document["results"]
            if not document.get("next"):
                return
            page += 1
