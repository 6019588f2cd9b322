"""What was made from something is as strict as that, and kept no longer, now and later.

A result may be opened, or kept for longer, by who manages it and all that it was made from which
says otherwise: the datasets that a job read, those which these were made from in turn, and models
that answered. What becomes stricter takes its results along. Which models answered is serving's to
say, by signals.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from registry import audit, roles
from registry.errors import NotAllowed
from registry.models import Dataset, RegisteredModel
from registry.models.registered_model import Classification
from registry.principals import Principal
from registry.signals import answers_of_model, models_of_dataset

Origin = Dataset | RegisteredModel


def require_openable(by: Principal, dataset: Dataset, classification: str) -> None:
    """Raise NotAllowed where ``by`` may not open a dataset so far, for what it was made from."""
    rank = Classification.rank(classification)
    _require_managed(
        by,
        dataset,
        lambda origin: Classification.rank(origin.classification) > rank,
        "It was made from stricter data",
    )


def require_kept_for(by: Principal, dataset: Dataset, days: int | None) -> None:
    """Raise NotAllowed where ``by`` may not keep a dataset so long; ``days`` None is for good."""

    def is_shorter(origin: Origin) -> bool:
        if isinstance(origin, RegisteredModel) or origin.retention_days is None:
            return False
        return days is None or days > origin.retention_days

    _require_managed(by, dataset, is_shorter, "It was made from rows that are kept no longer")


def tighten_results(by: Principal, of: Origin, *, before: str) -> None:
    """What was made from ``of`` is at least as strict as that is now, and what of that in turn.

    To be called in the transaction that changed it; nothing happens where it was opened.
    """
    rank, waiting = Classification.rank(of.classification), [of]
    while waiting and rank > Classification.rank(before):
        found = Dataset.objects.select_for_update().filter(pk__in=_results_of(waiting.pop()))
        for result in found.order_by("pk"):
            # One that is as strict has taken its own results along; so cycles end here too.
            if result.pk != of.pk and Classification.rank(result.classification) < rank:
                _tighten(by, result, of)
                waiting.append(result)


def _tighten(by: Principal, result: Dataset, of: Origin) -> None:
    before, result.classification = result.classification, of.classification
    result.save(update_fields=["classification", "updated_at"])
    audit.record(
        by,
        "dataset.update",
        result,
        before={"classification": before},
        after={"classification": result.classification},
        reason=f"Made from {of}, which is {of.classification} now.",
    )


def _require_managed(
    by: Principal, dataset: Dataset, is_at_odds: Callable[[Origin], bool], words: str
) -> None:
    """All that the dataset was made from and is at odds with the change is managed by ``by``.

    What agrees with it is where a path ends: it was opened so far by somebody who could.
    """
    seen, waiting = {dataset.pk}, [dataset]
    while waiting:
        for origin in _made_from(waiting.pop()):
            if origin.pk in seen or not is_at_odds(origin):
                continue
            if not by.may(roles.MANAGER, origin):
                raise NotAllowed(f"{words}: this needs the role manager on that too.")
            seen.add(origin.pk)
            if isinstance(origin, Dataset):
                waiting.append(origin)


def _made_from(dataset: Dataset) -> list[Origin]:
    parents = Dataset.objects.filter(versions__children__dataset=dataset).distinct()
    return [*parents, *_told(models_of_dataset.send(Dataset, dataset=dataset))]


def _results_of(origin: Origin) -> list[uuid.UUID]:
    if isinstance(origin, Dataset):
        children = Dataset.objects.filter(versions__parents__dataset=origin)
        return list(children.values_list("pk", flat=True))
    return [row.pk for row in _told(answers_of_model.send(RegisteredModel, model=origin))]


def _told(answers: Iterable[tuple[Any, Any]]) -> list[Origin]:
    """What receivers of a signal have answered, as one list."""
    return [row for _, rows in answers for row in rows]
