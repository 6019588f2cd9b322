"""Aliases and their moves as JSON."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.actions.aliases import with_previous
from registry.api.kinds import Kind, add_kind, to_one
from registry.api.shapes import In, NameOrRow, NumberOrRow, Out, Text, Whole
from registry.models import Alias, AliasChange
from registry.models.visibility import visible_models
from registry.panels import links_of
from registry.principals import Principal


class AliasIn(In):
    """Where an alias is to point."""

    version = Whole()
    reason = Text(required=False)


class AliasOut(Out):
    """An alias and the number of its version.

    ``previous_version`` is the number that it pointed to before, null where there was none.
    """

    kind_key = "alias"

    id = serializers.UUIDField()
    name = serializers.CharField()
    model = NameOrRow(source="model.name")
    version = NumberOrRow(source="version.number")
    previous_version = serializers.IntegerField(source="previous_number", allow_null=True)
    updated_at = serializers.DateTimeField()

    def path_of(self, row: Alias) -> str:
        """The path of the alias."""
        return f"/models/{row.model.name}/aliases/{row.name}"

    def neighbours(self, row: Alias) -> dict[str, str | None]:
        """The model, the version and the moves."""
        model = f"/models/{row.model.name}"
        return {
            "model": model,
            "version": f"{model}/versions/{row.version.number}",
            "history": f"{self.path_of(row)}/history",
        }


class AliasChangeOut(serializers.Serializer[AliasChange]):
    """One move. ``from`` is null at first, ``to`` when the alias was taken away.

    From ``at`` on until ``until`` the alias pointed there; null where it still does. ``links`` lead
    to the version and to what it answered in that time, null where there is none.
    """

    id = serializers.UUIDField()
    alias = serializers.CharField()
    to = serializers.IntegerField(source="to_version.number", default=None, allow_null=True)
    by = serializers.CharField(source="by.username")
    approved_by = serializers.CharField(
        source="approved_by.username", default=None, allow_null=True
    )
    reason = serializers.CharField()
    at = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    links = serializers.SerializerMethodField()

    @extend_schema_field(
        {"type": "object", "additionalProperties": {"type": ["string", "null"], "format": "uri"}}
    )
    def get_links(self, row: AliasChange) -> dict[str, str | None]:
        """The version, and what serving adds: its requests and jobs of that time."""
        number = row.to_version.number if row.to_version else None
        paths = {"version": f"/models/{row.model.name}/versions/{number}" if number else None}
        paths |= {key: maker(row) for key, maker in links_of("alias-move").items()}
        return {key: path and self.context["sight"].url(path) for key, path in paths.items()}

    def get_fields(self) -> dict[str, serializers.Field]:  # type: ignore[type-arg]  # the stubs' own
        """``from`` is no name that Python takes for an attribute."""
        origin = serializers.IntegerField(
            source="from_version.number", default=None, allow_null=True
        )
        return {**super().get_fields(), "from": origin}


def visible_aliases(by: Principal) -> QuerySet[Alias]:
    """Aliases of visible models."""
    rows = Alias.objects.filter(visible_models(by, "model__"))
    return with_previous(rows).select_related("model", "version").order_by("name", "-id")


add_kind(
    Kind(
        "alias",
        AliasOut,
        visible_aliases,
        {"model": to_one("model", "model"), "version": to_one("version", "version")},
    )
)
