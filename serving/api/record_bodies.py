"""Prediction records as JSON."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.api.kinds import Kind, add_kind, to_one
from registry.api.shapes import NameOrRow, NumberOrRow, Out
from registry.models import RegisteredModel
from registry.panels import add_link
from registry.principals import Principal
from serving.actions.records import shown_answers
from serving.models import PredictionRecord
from serving.models.prediction_record import PredictionRecordQuerySet


class PredictionRecordOut(Out):
    """A captured request. ``rows`` counts all, of which the first 100 are kept.

    ``by`` is ``key:...`` or ``user:...``. For confidential and restricted models ``inputs`` is null
    and ``answers`` has no members that may repeat them.
    """

    kind_key = "prediction-record"

    id = serializers.UUIDField()
    model = NameOrRow(source="model.name")
    version = NumberOrRow(source="version.number")
    request_id = serializers.CharField()
    by = serializers.CharField()
    rows = serializers.IntegerField()
    inputs = serializers.SerializerMethodField()
    answers = serializers.SerializerMethodField()
    latency_ms = serializers.FloatField()
    created_at = serializers.DateTimeField()

    def path_of(self, row: PredictionRecord) -> str:
        """The path of the record."""
        return f"/models/{row.model.name}/records/{row.pk}"

    def neighbours(self, row: PredictionRecord) -> dict[str, str | None]:
        """Its model and its version."""
        model = f"/models/{row.model.name}"
        return {"model": model, "version": f"{model}/versions/{row.version.number}"}

    @extend_schema_field({"type": ["array", "null"], "items": {"type": "array"}})
    def get_inputs(self, row: PredictionRecord) -> list[list[object]] | None:
        """Rows as lists in signature order; null where they are not kept, or not to be shown."""
        return row.shown_inputs

    @extend_schema_field({"type": ["object", "null"]})
    def get_answers(self, row: PredictionRecord) -> dict[str, object] | None:
        """The members of the native answer; null where they are too long, or all are hidden."""
        return shown_answers(row)


def readable_records(by: Principal) -> PredictionRecordQuerySet:
    """Records of the models that somebody manages, newest first."""
    rows = PredictionRecord.objects.readable_by(by).select_related("model", "version")
    unused = (f"version__{name}" for name in ("signature", "facts", "declared_signature"))
    return rows.defer(*unused)


def records_link(row: RegisteredModel) -> str:
    """The records of a model."""
    return f"/models/{row.name}/records"


add_kind(
    Kind(
        "prediction-record",
        PredictionRecordOut,
        readable_records,
        {"model": to_one("model", "model"), "version": to_one("version", "version")},
    )
)
add_link("model", "records", f"{__name__}.records_link")
