"""Taking a model or a dataset out of use, and back: nothing is lost, nothing can be called."""

from __future__ import annotations

from typing import TypeVar

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from registry import audit, roles
from registry.errors import StateConflict
from registry.models import Dataset, RegisteredModel
from registry.principals import Principal, require

Named = TypeVar("Named", RegisteredModel, Dataset)
_KINDS: dict[type[Model], str] = {RegisteredModel: "model", Dataset: "dataset"}
_ACTIONS = {
    ("model", True): "model.archive",
    ("model", False): "model.unarchive",
    ("dataset", True): "dataset.archive",
    ("dataset", False): "dataset.unarchive",
}


@transaction.atomic
def archive_model(*, by: Principal, model: RegisteredModel) -> RegisteredModel:
    """Let none of its versions be called any more, and lists leave it out.

    Its versions, aliases and route stay as they are, and do not change until it is taken back; its
    name stays taken. Jobs that have not ended fail. Raises NotAllowed, and StateConflict when it
    is archived already.
    """
    return _set(by, model, role_for(model), is_archived=True)


@transaction.atomic
def unarchive_model(*, by: Principal, model: RegisteredModel) -> RegisteredModel:
    """Take it back into use as it was. Raises NotAllowed, and StateConflict when it is in use."""
    return _set(by, model, role_for(model), is_archived=False)


def role_for(model: RegisteredModel) -> str:
    """Who takes a model out of use and back: publishers, of a guarded model its managers."""
    return roles.MANAGER if model.approval_required else roles.PUBLISHER


@transaction.atomic
def archive_dataset(*, by: Principal, dataset: Dataset) -> Dataset:
    """Take a dataset out of use: it takes no version and no job, and lists leave it out.

    Nothing is erased, jobs that read it go on. Raises NotAllowed, StateConflict when it is already.
    """
    return _set(by, dataset, roles.PUBLISHER, is_archived=True)


@transaction.atomic
def unarchive_dataset(*, by: Principal, dataset: Dataset) -> Dataset:
    """Take it back into use. Raises NotAllowed, and StateConflict when it is in use."""
    return _set(by, dataset, roles.PUBLISHER, is_archived=False)


def _set(by: Principal, row: Named, role: str, *, is_archived: bool) -> Named:
    require(by, role, row)
    held = type(row).objects.select_for_update().get(pk=row.pk)
    kind = _KINDS[type(held)]
    if (held.archived_at is not None) == is_archived:
        raise StateConflict(f"The {kind} “{held}” is {'' if is_archived else 'not '}archived.")
    held.archived_at = timezone.now() if is_archived else None
    held.save(update_fields=["archived_at", "updated_at"])
    audit.record(by, _ACTIONS[kind, is_archived], held, after={"archived": is_archived})
    return held
