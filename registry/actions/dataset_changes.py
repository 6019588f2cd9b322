"""What may change on a dataset: its description, who may have its rows, how long they are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.db import transaction

from registry import audit, roles
from registry.actions import fields
from registry.actions.strictness import require_kept_for, require_openable, tighten_results
from registry.errors import InvalidField
from registry.models import Dataset
from registry.models.registered_model import Classification
from registry.principals import Principal, require, require_everywhere
from registry.tabular.rules import checked_rules

# A hundred years.
RETENTION_DAYS_MAX = 36_500
# What a manager of the dataset decides.
_GUARDED: Final = frozenset({"classification", "rules", "retention_days"})


@transaction.atomic
def update_dataset(*, by: Principal, dataset: Dataset, **values: Any) -> Dataset:
    """Change what is given: description, tags, classification, rules, retention_days, legal_hold.

    Description and tags need the role publisher, the rest manager; a legal hold is set and lifted
    by managers of everything alone, for it binds the dataset's own. ``retention_days`` None keeps
    the rows for good. What was made from it becomes as strict with it. Raises InvalidField,
    NotAllowed, also for results that would be opened further, or kept longer, than what they were
    made from by who does not manage that.
    """
    require(by, roles.MANAGER if _GUARDED & set(values) else roles.PUBLISHER, dataset)
    checked = {field: _CHECKS[field](value) for field, value in values.items()}
    held = Dataset.objects.select_for_update().get(pk=dataset.pk)
    before, after = fields.changed(held, checked)
    if "legal_hold" in after:
        require_everywhere(by, roles.MANAGER)
    if "classification" in after:
        require_openable(by, held, after["classification"])
    if "retention_days" in after:
        require_kept_for(by, held, after["retention_days"])
    if after:
        for field, value in after.items():
            setattr(held, field, value)
        held.save(update_fields=[*after, "updated_at"])
        audit.record(by, "dataset.update", held, before=before, after=after)
    if "classification" in after:
        tighten_results(by, held, before=before["classification"])
    return held


def check_classification(value: object) -> str:
    """One of the classifications. Raises InvalidField."""
    return fields.check_choice(value, list(Classification.values), pointer="/classification")


def _check_days(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= RETENTION_DAYS_MAX:
        raise InvalidField(
            f"A whole number of days from 1 to {RETENTION_DAYS_MAX:,} was expected, or null.",
            pointer="/retention_days",
        )
    return value


def _check_hold(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidField("true or false was expected.", pointer="/legal_hold")
    return value


_CHECKS: Final[dict[str, Callable[[Any], Any]]] = {
    "description": lambda value: fields.check_text(value, pointer="/description"),
    "tags": fields.check_tags,
    "classification": check_classification,
    "rules": checked_rules,
    "retention_days": _check_days,
    "legal_hold": _check_hold,
}
