"""What one attempt at a chunk takes: seconds by phase, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class AttemptMeter:
    """Counts for one attempt; ``rows`` may be read by another thread meanwhile."""

    def __init__(self) -> None:
        self.rows = 0
        self._phases_s: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time inside the block to the phase."""
        began_s = time.perf_counter()
        try:
            yield
        finally:
            took_s = time.perf_counter() - began_s
            self._phases_s[name] = self._phases_s.get(name, 0.0) + took_s

    def rows_scored(self, rows: int) -> None:
        """So many rows of the chunk have come through."""
        self.rows = rows

    def facts(self) -> dict[str, Any]:
        """What is kept of the attempt: ``phases`` in seconds, ``rows``."""
        phases = {name: round(took_s, 4) for name, took_s in self._phases_s.items()}
        return {"phases": phases, "rows": self.rows}
