"""The model card as a page that is fit to be printed, and its answers for other pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from registry import cards, roles
from registry.admin.access import principal_of
from registry.models import ModelVersion, RegisteredModel
from registry.models.alias import CHAMPION


def answers_of(card: Mapping[str, str]) -> list[tuple[cards.CardField, str]]:
    """The fields that have an answer, in the card's order."""
    return [(field, card[field.name]) for field in cards.FIELDS if card.get(field.name)]


def labels_missing(card: Mapping[str, str]) -> list[str]:
    """What the card does not say yet, in words."""
    names = cards.missing(card)
    return [field.label.lower() for field in cards.FIELDS if field.name in names]


def card_context(
    crumbs: list[tuple[str, str]], request: HttpRequest, model: RegisteredModel
) -> dict[str, Any]:
    """The context of ``registry/card.html``: what people have written and what is known."""
    champion = _champion(model)
    return {
        "title": f"Model card of {model}",
        "crumbs": crumbs,
        "now": timezone.now(),
        "model": model,
        "champion": champion,
        "inputs": (champion.signature or {}).get("inputs", []) if champion else [],
        "answers": answers_of(model.card),
        "card_missing": labels_missing(model.card),
        "may_publish": principal_of(request).may(roles.PUBLISHER, model),
    }


def _champion(model: RegisteredModel) -> ModelVersion | None:
    rows = ModelVersion.objects.filter(aliases__name=CHAMPION, aliases__model=model)
    return rows.select_related("artifact", "created_by").first()
