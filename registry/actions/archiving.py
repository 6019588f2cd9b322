"""Taking a model out of use, and back: nothing of it is lost, nothing of it can be called."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from registry import audit, roles
from registry.errors import StateConflict
from registry.models import RegisteredModel
from registry.principals import Principal, require


@transaction.atomic
def archive_model(*, by: Principal, model: RegisteredModel) -> RegisteredModel:
    """Let none of its versions be called any more, and lists leave it out.

    Its versions, aliases and route stay as they are, and do not change until it is taken back; its
    name stays taken. Jobs that have not ended fail. Raises NotAllowed, and StateConflict when it
    is archived already.
    """
    return _set(by, model, is_archived=True)


@transaction.atomic
def unarchive_model(*, by: Principal, model: RegisteredModel) -> RegisteredModel:
    """Take it back into use as it was. Raises NotAllowed, and StateConflict when it is in use."""
    return _set(by, model, is_archived=False)


def role_for(model: RegisteredModel) -> str:
    """Who takes a model out of use and back: publishers, of a guarded model its managers."""
    return roles.MANAGER if model.approval_required else roles.PUBLISHER


def _set(by: Principal, model: RegisteredModel, *, is_archived: bool) -> RegisteredModel:
    require(by, role_for(model), model)
    held = RegisteredModel.objects.select_for_update().get(pk=model.pk)
    if (held.archived_at is not None) == is_archived:
        raise StateConflict(f"The model “{held}” is {'' if is_archived else 'not '}archived.")
    held.archived_at = timezone.now() if is_archived else None
    held.save(update_fields=["archived_at", "updated_at"])
    action = "model.archive" if is_archived else "model.unarchive"
    audit.record(by, action, held, after={"archived": is_archived})
    return held
