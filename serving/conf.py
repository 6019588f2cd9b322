"""Lazy settings of serving: read when used, so that tests and `override_settings` work."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from registry.conf import told


def _of(name: str) -> Any:
    return told()[name]


class ServingConf:
    """What serving is told by `config/settings.py`. Sizes in bytes, times in seconds."""

    @property
    def modelhost_socket(self) -> Path:
        """Where the model host listens."""
        return Path(_of("MODELHOST_SOCKET"))

    @property
    def model_memory_bytes(self) -> int:
        """How much memory one model may take beyond what its process starts with."""
        return cast(int, _of("MODEL_MEMORY_BYTES"))

    @property
    def modelhost_memory_bytes(self) -> int | None:
        """How much memory all loaded models may take together; None: half of the machine's."""
        return cast(int, _of("MODELHOST_MEMORY_BYTES")) or None

    @property
    def compile_rows(self) -> int:
        """On how many generated rows a compiled graph is compared; 0: nothing is compiled."""
        return cast(int, _of("COMPILE_ROWS"))

    @property
    def capture_days(self) -> int:
        """How many days prediction records are kept."""
        return cast(int, _of("CAPTURE_DAYS"))

    @property
    def capture_records(self) -> int:
        """How many prediction records of one model are kept."""
        return cast(int, _of("CAPTURE_RECORDS"))

    @property
    def engine_memory_bytes(self) -> int:
        """How much memory the compiled graphs of one process may take together."""
        return cast(int, _of("ENGINE_MEMORY_BYTES"))


conf = ServingConf()
