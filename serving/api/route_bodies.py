"""Routes and the comparisons of their mirrors as JSON."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.api.kinds import Kind, add_kind, to_one
from registry.api.shapes import In, Json, NameOrRow, NumberOrRow, Out, Text
from registry.models import RegisteredModel
from registry.models.visibility import visible_models
from registry.panels import add_link
from registry.principals import Principal
from serving.actions.mirrors import shown_examples
from serving.actions.routes import EntryState, RouteState
from serving.models import MirroredAnswer
from serving.models.prediction_record import manages_model

_NAMED = {
    "version": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "alias": {"type": "string"},
}
_WEIGHT = {"weight": {"type": "integer", "minimum": 0, "maximum": 100}}


TARGETS_SCHEMA = {
    "type": "array",
    "items": {"type": "object", "required": ["weight"], "properties": {**_NAMED, **_WEIGHT}},
}
MIRROR_SCHEMA = {"type": "array", "items": {"type": "object", "properties": _NAMED}}


@extend_schema_field(TARGETS_SCHEMA)
class TargetsJson(Json):
    """A list of ``{version or alias, weight}``."""


@extend_schema_field(MIRROR_SCHEMA)
class MirrorJson(Json):
    """A list of ``{version or alias}``."""


class RouteIn(In):
    """A route: the weights add to 100. Two empty lists take the route away."""

    targets = TargetsJson()
    mirror = MirrorJson(required=False)
    reason = Text(required=False)


class NowOut(serializers.Serializer[EntryState]):
    """Where an entry of a route leads now; ``version`` is null where its alias is gone."""

    version = serializers.IntegerField(source="version.number", default=None, allow_null=True)
    status = serializers.CharField(source="version.status", default=None, allow_null=True)
    percent = serializers.FloatField(help_text="The part of the requests that it answers.")


class RouteNowOut(serializers.Serializer[RouteState]):
    """Where the entries lead now, in the order of ``targets`` and ``mirror``."""

    targets = NowOut(many=True)
    mirror = NowOut(many=True, source="mirrors")


class RouteOut(Out):
    """A model's route; ``targets`` and ``mirror`` as they are sent, empty without a route."""

    kind_key = "route"

    model = serializers.CharField(source="model.name")
    targets = serializers.SerializerMethodField()
    mirror = serializers.SerializerMethodField()
    now = RouteNowOut(source="*")
    updated_at = serializers.DateTimeField(allow_null=True)
    updated_by = serializers.CharField(allow_null=True)

    def path_of(self, row: RouteState) -> str:
        """The path of the route."""
        return f"/models/{row.model.name}/route"

    def neighbours(self, row: RouteState) -> dict[str, str | None]:
        """The model, its aliases, and what the mirrors showed."""
        model = f"/models/{row.model.name}"
        return {
            "model": model,
            "aliases": f"{model}/aliases",
            "versions": f"{model}/versions",
            "comparisons": f"{model}/route/comparisons",
        }

    @extend_schema_field(TARGETS_SCHEMA)
    def get_targets(self, row: RouteState) -> list[dict[str, Any]]:
        """Each with a version or an alias, and its weight."""
        return [{**entry.named, "weight": entry.weight} for entry in row.targets]

    @extend_schema_field(MIRROR_SCHEMA)
    def get_mirror(self, row: RouteState) -> list[dict[str, Any]]:
        """Each with a version or an alias."""
        return [entry.named for entry in row.mirrors]


class ComparisonOut(Out):
    """One day (UTC) of one served version against one mirror.

    ``difference_max`` and ``difference_mean`` are of the absolute differences of numbers, null
    where none were compared. The milliseconds are means of scoring alone. ``examples`` are some
    requests whose answers differ, for managers of the model only.
    """

    kind_key = "comparison"

    model = NameOrRow(source="model.name")
    served = NumberOrRow(source="served.number")
    mirror = NumberOrRow(source="mirror.number")
    day = serializers.DateField()
    requests = serializers.IntegerField()
    rows = serializers.IntegerField()
    rows_differ = serializers.IntegerField()
    difference_max = serializers.SerializerMethodField()
    difference_mean = serializers.FloatField(allow_null=True)
    failed = serializers.IntegerField()
    dropped = serializers.IntegerField()
    served_ms = serializers.FloatField(allow_null=True)
    mirror_ms = serializers.FloatField(allow_null=True)
    examples = serializers.SerializerMethodField()

    def path_of(self, row: MirroredAnswer) -> str:
        """The path of the list that it stands in."""
        return f"/models/{row.model.name}/route/comparisons"

    def neighbours(self, row: MirroredAnswer) -> dict[str, str | None]:
        """The model, the route and both versions."""
        model = f"/models/{row.model.name}"
        return {
            "model": model,
            "route": f"{model}/route",
            "served": f"{model}/versions/{row.served.number}",
            "mirror": f"{model}/versions/{row.mirror.number}",
        }

    def get_difference_max(self, row: MirroredAnswer) -> float | None:
        """The largest one; null where no numbers were compared."""
        return row.difference_max if row.numbers else None

    @extend_schema_field({"type": ["array", "null"], "items": {"type": "object"}})
    def get_examples(self, row: Any) -> list[dict[str, Any]] | None:
        """Null for who does not manage the model: they hold what others have sent."""
        return shown_examples(row) if row.is_managed else None


def visible_comparisons(by: Principal) -> QuerySet[MirroredAnswer]:
    """Comparisons of visible models."""
    rows = MirroredAnswer.objects.filter(visible_models(by, "model__"))
    rows = rows.annotate(is_managed=manages_model(by))
    return rows.select_related("model", "served", "mirror").order_by("-day", "-id")


def route_link(row: RegisteredModel) -> str:
    """The route of a model."""
    return f"/models/{row.name}/route"


add_kind(
    Kind(
        "comparison",
        ComparisonOut,
        visible_comparisons,
        {
            "model": to_one("model", "model"),
            "served": to_one("version", "served"),
            "mirror": to_one("version", "mirror"),
        },
    )
)
add_link("model", "route", f"{__name__}.route_link")
