"""What mirrors showed, counted in this process and added to the rows of the day."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from registry.models import ModelVersion
from serving.actions.targets import Target
from serving.models import MirroredAnswer
from serving.monitoring.differences import Differences

Pair = tuple[UUID, UUID, date]


@dataclass(slots=True)
class Tally:
    """What has been counted of one pair on one day and is not yet written."""

    requests: int = 0
    rows: int = 0
    rows_differ: int = 0
    numbers: int = 0
    difference_sum: float = 0.0
    difference_max: float = 0.0
    failed: int = 0
    dropped: int = 0
    served_seconds: float = 0.0
    mirror_seconds: float = 0.0
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, found: Differences, served_s: float, mirror_s: float) -> None:
        """One request that both have answered."""
        self.requests += 1
        self.rows += found.rows
        self.rows_differ += len(found.differing)
        self.numbers += found.numbers
        self.difference_sum += found.total
        self.difference_max = max(self.difference_max, found.largest)
        self.served_seconds += served_s
        self.mirror_seconds += mirror_s


class Tallies:
    """The tallies of this process; several threads add to them, one writes them down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Pair, Tally] = {}

    def change(self, served: Target, mirror: Target, change: Callable[[Tally], Any]) -> None:
        """Change the tally of a pair."""
        pair = (served.version_id, mirror.version_id, datetime.now(UTC).date())
        with self._lock:
            change(self._kept.setdefault(pair, Tally()))

    def taken(self) -> dict[Pair, Tally]:
        """All of them; they begin anew."""
        with self._lock:
            taken, self._kept = self._kept, {}
        return taken


counted = Tallies()


def flush() -> None:
    """Write down what this process has counted. Raises DatabaseError, and then it is lost."""
    taken = counted.taken()
    ids = {served for served, _, _ in taken}
    models = dict(ModelVersion.objects.filter(pk__in=ids).values_list("pk", "model_id"))
    for (served, mirrored, day), tally in taken.items():
        if served in models:
            add_to_row(models[served], served, mirrored, day, tally)


def one_dropped(tally: Tally) -> None:
    """A copy that the mirror never got."""
    tally.dropped += 1


def one_failed(tally: Tally) -> None:
    """A copy that the mirror did not answer."""
    tally.failed += 1


@transaction.atomic
def add_to_row(model_id: UUID, served: UUID, mirrored: UUID, day: date, tally: Tally) -> None:
    """Add a tally to its row, which several processes may do at once."""
    key = {"model_id": model_id, "served_id": served, "mirror_id": mirrored, "day": day}
    MirroredAnswer.objects.bulk_create([MirroredAnswer(**key)], ignore_conflicts=True)
    row = MirroredAnswer.objects.select_for_update().get(**key)
    for name in (
        "requests",
        "rows",
        "rows_differ",
        "numbers",
        "difference_sum",
        "failed",
        "dropped",
        "served_seconds",
        "mirror_seconds",
    ):
        setattr(row, name, getattr(row, name) + getattr(tally, name))
    row.difference_max = max(row.difference_max, tally.difference_max)
    row.examples = (row.examples + tally.examples)[: MirroredAnswer.EXAMPLES_MAX]
    row.save()
