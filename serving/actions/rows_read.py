"""What a job reads, known once in a process: the columns and files of a dataset version.

A version that is ready never changes. Of one that has thousands of parts, the output of another
job, each chunk would else load and parse all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from registry.models import DatasetVersion
from serving.batch.parts import Part

MOST_HELD = 16


@dataclass(frozen=True, slots=True)
class RowsRead:
    """The format it came in, its columns as JSON by name, in its order, and its files in order."""

    format: str
    columns: Mapping[str, Mapping[str, Any]]
    parts: tuple[Part, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the dataset's order."""
        return tuple(self.columns)


@lru_cache(maxsize=MOST_HELD)
def rows_read(version_id: UUID) -> RowsRead:
    """Of a version that is ready."""
    version = DatasetVersion.objects.only("format", "columns", "parts").get(pk=version_id)
    return RowsRead(
        format=version.format,
        columns={column["name"]: column for column in version.columns},
        parts=Part.from_json(version.parts),
    )
