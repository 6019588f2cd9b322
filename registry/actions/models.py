"""Making and describing registered models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from registry import audit, cards, roles
from registry.actions import fields
from registry.actions.strictness import tighten_results
from registry.errors import InvalidField, NameTaken, NotAllowed
from registry.models import Grant, RegisteredModel
from registry.models.registered_model import Classification, Kind
from registry.principals import Principal, require, require_everywhere

_CHECKS: dict[str, Any] = {
    "description": lambda v: fields.check_text(v, pointer="/description"),
    "tags": fields.check_tags,
    "kind": lambda v: fields.check_choice(v, list(Kind.values), pointer="/kind"),
    "classification": lambda v: fields.check_choice(
        v, list(Classification.values), pointer="/classification"
    ),
    "capture_percent": lambda v: _checked_percent(v),
    "card": cards.read_card,
}
# What a manager of the model decides: who sees what, and what is kept of what callers send.
_GUARDED = {"approval_required", "classification", "capture_percent"}


@transaction.atomic
def create_model(*, by: Principal, name: str, **values: Any) -> RegisteredModel:
    """Make a model; its creator becomes its manager.

    ``values``: description, card, tags, kind, classification, approval_required, capture_percent.
    Raises InvalidField, NameTaken, and NotAllowed for who holds no group with the role publisher.
    """
    require_everywhere(by, roles.PUBLISHER)
    if by.model_ids is not None:
        raise NotAllowed("The key is limited to certain models and cannot make another one.")
    fields.check_name(name)
    checked = _checked(values)
    if "card" in checked:
        checked["card"] = cards.merged({}, checked["card"])
    if RegisteredModel.objects.named(name).exists():
        raise NameTaken(f"There is a model “{name}” already; names ignore case.")
    try:
        with transaction.atomic():
            model = RegisteredModel.objects.create(name=name, owner=by.user, **checked)
    except IntegrityError:
        raise NameTaken(f"There is a model “{name}” already; names ignore case.") from None
    Grant.objects.create(user=by.user, role=roles.MANAGER, model=model)
    audit.record(by, "model.create", model, after={"name": name, **checked})
    return model


@transaction.atomic
def update_model(*, by: Principal, model: RegisteredModel, **values: Any) -> RegisteredModel:
    """Change the description, card, tags, classification, approval rule or captured share.

    Description, card and tags need the role publisher, the rest manager. Fields of the card that
    are not sent stay as they are; an empty text takes one away. Results of its jobs become as
    strict as the model with it.
    """
    require(by, roles.MANAGER if _GUARDED & set(values) else roles.PUBLISHER, model)
    checked = _checked(values)
    if "card" in checked:
        # As it stands now: two people may fill in different fields at the same time.
        held = RegisteredModel.objects.select_for_update().get(pk=model.pk)
        model.card = held.card
        checked["card"] = cards.merged(held.card, checked["card"])
    before, after = fields.changed(model, checked)
    if not after:
        return model
    for field, value in after.items():
        setattr(model, field, value)
    model.save(update_fields=[*after, "updated_at"])
    audit.record(by, "model.update", model, before=before, after=after)
    if "classification" in after:
        tighten_results(by, model, before=before["classification"])
    return model


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    checked = {}
    for field, value in values.items():
        if field == "approval_required":
            checked[field] = _checked_flag(value)
        else:
            checked[field] = _CHECKS[field](value)
    return checked


def _checked_percent(value: object) -> int:
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
    if not isinstance(value, int | float) or not is_whole or not 0 <= value <= 100:
        raise InvalidField("A whole number from 0 to 100 was expected.", pointer="/capture_percent")
    return int(value)


def _checked_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidField("true or false was expected.", pointer="/approval_required")
    return value
