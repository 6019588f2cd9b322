"""Registered models as JSON."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db.models import F, Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry import cards
from registry.api.kinds import KINDS, Edge, Kind, Loaded, add_kind, to_many
from registry.api.shapes import NUMBER_OR_ROW, Flag, In, Json, Out, Tags, Text
from registry.models import Alias, ModelVersion, RegisteredModel
from registry.models.alias import CHAMPION
from registry.models.registered_model import Classification
from registry.models.registered_model import Kind as Operation
from registry.principals import Principal


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": 100})
class Percent(Json):
    """A whole number from 0 to 100."""


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            field.name: {
                "type": "string",
                "description": field.asks,
                **({"enum": ["", *field.choices]} if field.choices else {}),
                **({} if field.choices else {"maxLength": cards.TEXT_MAX_CHARS}),
            }
            for field in cards.FIELDS
        },
    }
)
class Card(Json):
    """An object with fields of a model card."""


class ModelPatch(In):
    """What may change on a model."""

    description = Text(required=False)
    card = Card(
        required=False,
        help_text="Fields of the model card; those not sent stay, an empty text takes one away.",
    )
    tags = Tags(required=False)
    classification = Text(required=False, help_text=f"One of {', '.join(Classification.values)}.")
    approval_required = Flag(required=False)
    capture_percent = Percent(
        required=False, help_text="How many of a hundred requests are kept as records."
    )


class ModelIn(ModelPatch):
    """A model to be made."""

    name = Text()
    kind = Text(required=False, help_text=f"One of {', '.join(Operation.values)}.")


class ModelOut(Out):
    """A registered model. ``aliases`` maps each alias to the number of its version.

    ``card_missing`` names the fields of the model card that have no answer yet.
    """

    kind_key = "model"

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    card = serializers.DictField(child=serializers.CharField())
    card_missing = serializers.SerializerMethodField()
    tags = serializers.DictField(child=serializers.CharField())
    kind = serializers.CharField()
    classification = serializers.CharField()
    approval_required = serializers.BooleanField()
    capture_percent = serializers.IntegerField()
    owner = serializers.CharField(source="owner.username")
    latest_version = serializers.SerializerMethodField()
    aliases = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)

    def path_of(self, row: RegisteredModel) -> str:
        """The path of the model."""
        return f"/models/{row.name}"

    def neighbours(self, row: RegisteredModel) -> dict[str, str | None]:
        """Versions, aliases and what is decided about them."""
        path, latest = self.path_of(row), self.get_latest_version(row)
        champion = self.get_aliases(row).get(CHAMPION)
        return {
            "versions": f"{path}/versions",
            "latest_version": f"{path}/versions/{latest}" if latest else None,
            "champion": f"{path}/versions/{champion}" if champion else None,
            "aliases": f"{path}/aliases",
            "approvals": f"/approvals?model={row.name}",
            "grants": f"{path}/grants",
            "lineage": f"/lineage/model/{row.pk}",
        }

    def get_card_missing(self, row: RegisteredModel) -> list[str]:
        """The fields of the card without an answer."""
        return cards.missing(row.card)

    @extend_schema_field(NUMBER_OR_ROW)
    def get_latest_version(self, row: RegisteredModel) -> int | None:
        """The highest number; None before the first version. Versions are never removed."""
        return row.next_number - 1 or None

    def get_aliases(self, row: RegisteredModel) -> dict[str, int]:
        """The number of the version that each alias points to."""
        return {alias.name: alias.version.number for alias in row.aliases.all()}


def visible_models(by: Principal) -> QuerySet[RegisteredModel]:
    """Visible models with their owners and aliases."""
    aliases = Alias.objects.select_related("version").only("model", "name", "version__number")
    return (
        RegisteredModel.objects.visible_to(by)
        .select_related("owner")
        .prefetch_related(Prefetch("aliases", aliases))
    )


def _latest(rows: Sequence[RegisteredModel], by: Principal) -> Loaded:
    newest = KINDS["version"].rows(by).filter(number=F("model__next_number") - 1)
    return _by_model(newest.filter(model__in=[row.pk for row in rows]))


def _champions(rows: Sequence[RegisteredModel], by: Principal) -> Loaded:
    held = KINDS["version"].rows(by).filter(aliases__name=CHAMPION)
    return _by_model(held.filter(model__in=[row.pk for row in rows]))


def _by_model(versions: QuerySet[ModelVersion]) -> dict[uuid.UUID, list[ModelVersion]]:
    return {version.model_id: [version] for version in versions}


add_kind(
    Kind(
        "model",
        ModelOut,
        visible_models,
        {
            "versions": to_many("version", "model"),
            "latest_version": Edge("version", _latest),
            "champion": Edge("version", _champions),
            "aliases": to_many("alias", "model"),
            "approvals": to_many("approval", "model"),
        },
    )
)
