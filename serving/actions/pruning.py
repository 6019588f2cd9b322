"""What serving adds to pruning: prediction records past their age."""

from __future__ import annotations

from registry.actions import pruning
from registry.actions.pruning import Pruned, removed
from serving.actions.records import expired_records


def _records(dry_run: bool) -> Pruned:
    return Pruned("prediction records", removed(expired_records(), dry_run))


def connect() -> None:
    """Make it known; called once when the application starts."""
    if _records not in pruning.MORE_STEPS:
        pruning.MORE_STEPS.append(_records)
