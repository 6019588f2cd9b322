"""Versions of datasets as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.actions.row_access import may_have_rows
from registry.api.kinds import KINDS, Edge, Kind, Loaded, add_kind, to_many, to_one
from registry.api.shapes import NAME_OR_ROW, In, NameOrRow, Out, Text
from registry.models import DatasetVersion
from registry.models.dataset_version import ProfileState
from registry.principals import Principal

# Of a version's parents and children so many are named; its lineage has them all.
RELATIVES_MAX = 20
# What a list leaves out.
LARGE = ("profile", "columns", "errors", "parts")


@extend_schema_field({})
class AnyJson(serializers.ReadOnlyField):
    """Any JSON value."""


class PromotionIn(In):
    """What a promotion is asked with."""

    tier = Text(help_text="The next one: `curated` after `raw`, `product` after `curated`.")
    reason = Text()


class DemotionIn(In):
    """What a version is taken down a tier with."""

    tier = Text(help_text="A lower one: `raw`, or `curated` of a product.")
    reason = Text()


class OutcomeOut(serializers.Serializer[Any]):
    """One rule against a version; ``found`` is null where it is not known, or not to be shown."""

    rule = serializers.CharField()
    expected = AnyJson()
    found = AnyJson()
    passed = serializers.BooleanField()
    note = serializers.CharField()


class RulesOut(serializers.Serializer[Any]):
    """All rules against a version."""

    passed = serializers.BooleanField()
    outcomes = OutcomeOut(many=True)


class DatasetVersionOut(Out):
    """A version of a dataset. ``parents`` and ``children`` are the newest 20 of each.

    ``sha256`` is null for the output of a batch job: its parts have digests of their own.
    """

    kind_key = "dataset-version"

    id = serializers.UUIDField()
    dataset = NameOrRow(source="dataset.name")
    number = serializers.IntegerField()
    status = serializers.CharField()
    tier = serializers.CharField()
    format = serializers.CharField()
    file_name = serializers.CharField(source="file_label")
    source = serializers.DictField(  # type: ignore[assignment]  # a field, not the argument
        allow_null=True, help_text="Where it was read from; null for an upload and an output."
    )
    sha256 = serializers.SerializerMethodField()
    size_bytes = serializers.IntegerField()
    rows = serializers.IntegerField(allow_null=True)
    error_count = serializers.IntegerField()
    parents = serializers.SerializerMethodField()
    children = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    erased_at = serializers.DateTimeField(allow_null=True)

    def path_of(self, row: DatasetVersion) -> str:
        """The path of the version."""
        return f"/datasets/{row.dataset.name}/versions/{row.number}"

    def neighbours(self, row: DatasetVersion) -> dict[str, str | None]:
        """The dataset, the rows and where they come from."""
        return {
            "dataset": f"/datasets/{row.dataset.name}",
            "download": f"{self.path_of(row)}/download",
            "rules": f"{self.path_of(row)}/rules",
            "lineage": f"/lineage/dataset-version/{row.pk}",
        }

    def get_sha256(self, row: DatasetVersion) -> str | None:
        """The digest of the bytes as they came."""
        return row.sha256 or None

    @extend_schema_field({"type": "array", "items": {"oneOf": NAME_OR_ROW["oneOf"]}})
    def get_parents(self, row: Any) -> list[str]:
        """What it was made from, as ``name@number``."""
        return [f"{other.dataset.name}@{other.number}" for other in row.shown_parents]

    @extend_schema_field({"type": "array", "items": {"oneOf": NAME_OR_ROW["oneOf"]}})
    def get_children(self, row: Any) -> list[str]:
        """What was made from it, as ``name@number``."""
        return [f"{other.dataset.name}@{other.number}" for other in row.shown_children]


class DatasetVersionWholeOut(DatasetVersionOut):
    """One version with its columns and their profiles, and the errors of a rejected one.

    A profile tells of single cells: it is null for who may not have the rows. That of a job's
    output is found once the job has ended: it is null until then.
    """

    columns = serializers.SerializerMethodField()
    profile_state = serializers.ChoiceField(
        choices=ProfileState.choices,
        help_text="`found`, `waiting` for a worker, or `none`: there will be none.",
    )
    errors = serializers.SerializerMethodField()  # type: ignore[assignment]  # a field

    def get_columns(self, row: DatasetVersion) -> list[dict[str, Any]]:
        """Each column as in a signature, with its profile."""
        shows_cells = may_have_rows(self._sight.by, row.dataset)
        profiles = {figures["name"]: figures for figures in row.profile if shows_cells}
        return [{**column, "profile": profiles.get(column["name"])} for column in row.columns]

    def get_errors(self, row: DatasetVersion) -> list[dict[str, Any]]:
        """The first problems; without cells where the dataset is confidential or restricted."""
        if not row.dataset.hides_cells:
            return list(row.errors)
        return [{k: v for k, v in error.items() if k != "received"} for error in row.errors]


def visible_dataset_versions(by: Principal) -> QuerySet[DatasetVersion]:
    """Visible versions of datasets, without what only the whole one shows."""
    relatives = (
        DatasetVersion.objects.visible_to(by)
        .select_related("dataset")
        .only("number", "dataset__name")
        .order_by("-id")[:RELATIVES_MAX]
    )
    return (
        DatasetVersion.objects.visible_to(by)
        .select_related("dataset", "created_by")
        .defer(*LARGE)
        .prefetch_related(
            Prefetch("parents", relatives, to_attr="shown_parents"),
            Prefetch("children", relatives, to_attr="shown_children"),
        )
    )


def _relatives(name: str) -> Edge:
    """The edge to the parents or the children, which the rows know already."""

    def load(rows: Sequence[DatasetVersion], by: Principal) -> Loaded:
        ids = {row.pk: [other.pk for other in getattr(row, f"shown_{name}")] for row in rows}
        wanted = {pk for others in ids.values() for pk in others}
        found = {n.pk: n for n in KINDS["dataset-version"].rows(by).filter(pk__in=wanted)}
        return {pk: [found[o] for o in others if o in found] for pk, others in ids.items()}

    return Edge("dataset-version", load, is_many=True)


add_kind(
    Kind(
        "dataset-version",
        DatasetVersionOut,
        visible_dataset_versions,
        {
            "dataset": to_one("dataset", "dataset"),
            "parents": _relatives("parents"),
            "children": _relatives("children"),
            "trained_versions": to_many("version", "training_dataset"),
        },
        whole=DatasetVersionWholeOut,
    )
)
