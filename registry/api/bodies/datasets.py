"""Datasets and their versions as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.api.bodies.dataset_versions import LARGE
from registry.api.form_parts import FilePart, FormText
from registry.api.kinds import KINDS, Edge, Kind, Loaded, add_kind, to_many
from registry.api.shapes import (
    NUMBER_OR_ROW,
    Flag,
    In,
    Json,
    Out,
    Tags,
    Text,
)
from registry.conf import conf
from registry.models import Dataset, DatasetVersion
from registry.models.dataset_version import Tier
from registry.models.registered_model import Classification
from registry.principals import Principal

# Where rows are read from: a query through a connection, or the files under a prefix.
SOURCE = {
    "oneOf": [
        {
            "type": "object",
            "required": ["connection", "query"],
            "properties": {
                "connection": {"type": "string"},
                "query": {"type": "string"},
                "types": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
        {
            "type": "object",
            "required": ["prefix"],
            "properties": {"prefix": {"type": "string"}, "format": {"type": "string"}},
        },
    ]
}


class DatasetIn(In):
    """The form that makes a dataset, or its next version."""

    name = FormText()
    file = FilePart(max_bytes=lambda: conf.max_dataset_bytes)
    tier = FormText(required=False, help_text=f"One of {', '.join(Tier.values)}.")
    classification = FormText(
        required=False, help_text=f"One of {', '.join(Classification.values)}."
    )
    description = FormText(required=False)


@extend_schema_field(SOURCE)
class SourceJson(Json):
    """A query through a connection, or the files under a prefix."""


class DatasetOfSourceIn(In):
    """What makes a dataset, or its next version, of rows from elsewhere."""

    name = Text()
    source = SourceJson()  # type: ignore[assignment]  # a field, not the argument
    tier = Text(required=False, help_text=f"One of {', '.join(Tier.values)}.")
    classification = Text(required=False, help_text=f"One of {', '.join(Classification.values)}.")
    description = Text(required=False)


_BOUND = {"oneOf": [{"type": "number"}, {"type": "string"}]}


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "rows": {
                "type": "object",
                "properties": {"min": {"type": "integer"}, "max": {"type": "integer"}},
            },
            "columns": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "type": {"type": "string"},
                        "max_null_share": {"type": "number", "minimum": 0, "maximum": 1},
                        "min": _BOUND,
                        "max": _BOUND,
                    },
                },
            },
            "other_columns": {"type": "boolean"},
        },
    }
)
class RulesJson(Json):
    """What a version has to fit before it moves up a tier."""


@extend_schema_field({"type": "integer", "minimum": 1})  # null joins it by the field itself
class RetentionDays(Json):
    """Days after which the rows of a version are erased; null keeps them."""


class DatasetPatch(In):
    """What may change on a dataset."""

    description = Text(required=False)
    tags = Tags(required=False)
    classification = Text(required=False, help_text=f"One of {', '.join(Classification.values)}.")
    rules = RulesJson(required=False)
    retention_days = RetentionDays(required=False, allow_null=True)
    legal_hold = Flag(required=False, help_text="Nothing is erased while it is true.")


class _OfNewest(serializers.ReadOnlyField):
    """A field of the newest version, under its own name; null before the first version."""

    def get_attribute(self, instance: Any) -> Any:
        return getattr(newest_of(instance), str(self.field_name), None)


@extend_schema_field({"type": ["string", "null"]})
class _TextOfNewest(_OfNewest):
    """Null too where there is none, such as the one digest of an output made of several parts."""

    def get_attribute(self, instance: Any) -> Any:
        return super().get_attribute(instance) or None


@extend_schema_field({"type": ["integer", "null"]})
class _NumberOfNewest(_OfNewest):
    pass


class DatasetOut(Out):
    """A dataset, with what is known of its newest version."""

    kind_key = "dataset"

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    tags = serializers.DictField(child=serializers.CharField())
    classification = serializers.CharField()
    owner = serializers.CharField(source="owner.username")
    latest_version = serializers.SerializerMethodField()
    status = _TextOfNewest()
    tier = _TextOfNewest()
    format = _TextOfNewest()
    sha256 = _TextOfNewest()
    size_bytes = _NumberOfNewest()
    rows = _NumberOfNewest()
    rules = RulesJson()
    retention_days = serializers.IntegerField(allow_null=True)
    legal_hold = serializers.BooleanField()
    archived_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def path_of(self, row: Dataset) -> str:
        """The path of the dataset."""
        return f"/datasets/{row.name}"

    def neighbours(self, row: Dataset) -> dict[str, str | None]:
        """Its versions and who may use it."""
        path, newest = self.path_of(row), newest_of(row)
        return {
            "versions": f"{path}/versions",
            "latest_version": f"{path}/versions/{newest.number}" if newest else None,
            "download": f"{path}/versions/{newest.number}/download" if newest else None,
            "grants": f"{path}/grants",
            "lineage": f"/lineage/dataset/{row.pk}",
        }

    @extend_schema_field(NUMBER_OR_ROW)
    def get_latest_version(self, row: Dataset) -> int | None:
        """The highest number; null before the first version."""
        newest = newest_of(row)
        return newest.number if newest else None


class DatasetWholeOut(DatasetOut):
    """One dataset with the columns, parents and children of its newest version."""

    columns = serializers.ListField(child=serializers.DictField())
    parents = serializers.ListField(child=serializers.CharField())
    children = serializers.ListField(child=serializers.CharField())


def newest_of(row: Any) -> DatasetVersion | None:
    """The newest version, as ``visible_datasets`` has read it."""
    return next(iter(row.newest), None)


def visible_datasets(by: Principal) -> QuerySet[Dataset]:
    """Visible datasets with their owners and newest versions."""
    newest = DatasetVersion.objects.defer(*LARGE).order_by("-number")[:1]
    return (
        Dataset.objects.visible_to(by)
        .select_related("owner")
        .prefetch_related(Prefetch("versions", newest, to_attr="newest"))
    )


def _newest_of_each(rows: Sequence[Dataset], by: Principal) -> Loaded:
    newest = KINDS["dataset-version"].rows(by).filter(number=F("dataset__next_number") - 1)
    found = newest.filter(dataset__in=[row.pk for row in rows])
    return {version.dataset_id: [version] for version in found}


add_kind(
    Kind(
        "dataset",
        DatasetOut,
        visible_datasets,
        {
            "versions": to_many("dataset-version", "dataset"),
            "latest_version": Edge("dataset-version", _newest_of_each),
        },
    )
)
