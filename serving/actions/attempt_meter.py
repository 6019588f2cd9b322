"""What one attempt at a chunk takes: processor time, memory, seconds by phase, rows so far."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from serving.batch.peak_memory import forget_peak, peak_bytes


class AttemptMeter:
    """Counts for one attempt, from its making on; ``rows`` may be read by another thread meanwhile.

    Processor time and memory are those of the whole process: a worker's process does one attempt
    at a time.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._phases_s: dict[str, float] = {}
        self._cpu_began_s = time.process_time()
        self._knows_peak = forget_peak()

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
        """What is kept of the attempt, as fields of a ChunkAttempt.

        ``max_memory_bytes`` is None where the system does not let us tell this attempt's peak from
        an earlier one's.
        """
        return {
            "cpu_s": round(time.process_time() - self._cpu_began_s, 3),
            "max_memory_bytes": peak_bytes() if self._knows_peak else None,
            "rows": self.rows,
            "phases": {name: round(took_s, 4) for name, took_s in self._phases_s.items()},
        }
