"""Doors: the chunks of a batch job with their attempts, and its comparison of two versions."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.describe import describe
from registry.api.parameters import PAGING, Parameter
from serving.actions.batch_results import comparison_of
from serving.api.batch import OneJob
from serving.models import BatchChunk, BatchJob
from serving.models.batch_chunk import ChunkState
from serving.models.chunk_attempt import AttemptOutcome

_STATE = Parameter("state", "Only chunks in this state.", choices=tuple(ChunkState.values))
_LABEL = {"type": ["string", "number", "boolean", "null"]}
_LABELS = {"type": ["array", "null"], "items": _LABEL}
_COUNTS = {"type": ["array", "null"], "items": {"type": "array", "items": {"type": "integer"}}}


@extend_schema_field({"type": ["object", "null"], "additionalProperties": {"type": "number"}})
class Phases(serializers.ReadOnlyField):
    """Seconds by what was done."""


class AttemptOut(serializers.Serializer[Any]):
    """An attempt that has ended. Null is what is not known of it, such as after a death."""

    attempt = serializers.IntegerField()
    worker = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(choices=AttemptOutcome.choices)
    reason = serializers.CharField()
    signal = serializers.IntegerField(allow_null=True)
    cpu_s = serializers.FloatField(allow_null=True)
    max_memory_bytes = serializers.IntegerField(allow_null=True)
    rows = serializers.IntegerField(allow_null=True)
    phases = Phases()


class ChunkOut(serializers.Serializer[Any]):
    """Rows ``row_start`` up to, not including, ``row_stop``; ``worker`` holds it now."""

    index = serializers.IntegerField()
    row_start = serializers.IntegerField()
    row_stop = serializers.IntegerField()
    state = serializers.ChoiceField(choices=ChunkState.choices)
    rows_scored = serializers.IntegerField()
    rows_out = serializers.IntegerField()
    rejects = serializers.IntegerField()
    reason = serializers.CharField()
    worker = serializers.CharField(source="lease_owner")
    claimed_at = serializers.DateTimeField(allow_null=True)
    lease_until = serializers.DateTimeField(allow_null=True)
    not_before = serializers.DateTimeField(allow_null=True)
    attempt = serializers.IntegerField()
    attempts = AttemptOut(many=True)


@extend_schema_field(_LABELS)
class Labels(serializers.ReadOnlyField):
    """Labels; null where there are too many, or where they may not be shown."""


@extend_schema_field(_COUNTS)
class Counts(serializers.ReadOnlyField):
    """Rows by both labels."""


class LabelsCompared(serializers.Serializer[Any]):
    """``counts[i][j]`` rows have ``labels[i]`` by the job's version, ``labels[j]`` by the other."""

    column = serializers.CharField()
    count = serializers.IntegerField()
    differ = serializers.IntegerField()
    labels = Labels()
    counts = Counts()


class DistanceBar(serializers.Serializer[Any]):
    """Pairs whose distance lies from ``from`` up to, not including, ``to``; null: no bound."""

    to = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField()

    def get_fields(self) -> dict[str, Any]:
        """``from`` is a word of Python's."""
        return {"from": serializers.FloatField(), **super().get_fields()}


class NumbersCompared(serializers.Serializer[Any]):
    """Distances are absolute, ``mean_change`` is the job's version less the other.

    Quantiles are at most 4 % off; all figures are null where nothing was compared. Of
    ``one_sided`` pairs only one side is a number.
    """

    column = serializers.CharField()
    count = serializers.IntegerField()
    equal = serializers.IntegerField()
    one_sided = serializers.IntegerField()
    mean_change = serializers.FloatField(allow_null=True)
    mean = serializers.FloatField(allow_null=True)
    p50 = serializers.FloatField(allow_null=True)
    p90 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)
    largest = serializers.FloatField(allow_null=True)
    histogram = DistanceBar(many=True)


@extend_schema_field(_LABEL)
class Given(serializers.ReadOnlyField):
    """A label or a number; null for none."""


class Moved(serializers.Serializer[Any]):
    """What both versions gave for one column of a row."""

    column = serializers.CharField()
    kind = serializers.CharField()
    version = Given()
    compared = Given()


class Mover(serializers.Serializer[Any]):
    """A row of the dataset, from 0. ``distance`` null: only one side has a number.

    ``keys`` are cells that tell rows apart, for who may read the dataset's rows.
    """

    row = serializers.IntegerField()
    distance = serializers.FloatField(allow_null=True)
    values = Moved(many=True)
    keys = serializers.DictField()


class JobComparisonOut(serializers.Serializer[Any]):
    """How two versions differ on the rows of a job.

    ``rows`` were answered by both; ``differ`` of them got another label, or a number from one
    side only. ``refused`` rows do not fit the other version's signature, on ``failed`` ones it
    failed. ``movers`` are the hundred rows that lie farthest apart.
    """

    model = serializers.CharField()
    version = serializers.IntegerField()
    compared_with = serializers.IntegerField()
    dataset = serializers.CharField()
    job = serializers.UUIDField()
    rows = serializers.IntegerField()
    differ = serializers.IntegerField()
    agreement = serializers.FloatField(allow_null=True)
    refused = serializers.IntegerField()
    failed = serializers.IntegerField()
    labels = LabelsCompared(many=True)
    numbers = NumbersCompared(many=True)
    columns_left_out = serializers.IntegerField()
    movers = Mover(many=True)


class BatchJobChunks(OneJob):
    """``/batch-jobs/{id}/chunks``"""

    @describe(
        "batch_jobs_chunks",
        "The chunks of a batch job, with every attempt at them",
        answers={200: ChunkOut},
        is_list=True,
        query=(*PAGING, _STATE),
    )
    def get(self, request: Request, id: str) -> Response:
        """One page of chunks in the order of their rows."""
        return self.plain_page(chunks_of(self.job(id), self.query.get("state")), ChunkOut)


class BatchJobComparison(OneJob):
    """``/batch-jobs/{id}/comparison``"""

    @describe(
        "batch_jobs_comparison",
        "How two versions differ on the rows of a batch job",
        answers={200: JobComparisonOut},
    )
    def get(self, request: Request, id: str) -> Response:
        """Only of a job that was asked for with ``compare_with``, once it has ended well."""
        return Response(comparison_of(self.job(id), by=self.by))


def chunks_of(job: BatchJob, state: str | None = None) -> QuerySet[BatchChunk]:
    """A job's chunks in row order with their attempts, those of one state where it is named."""
    rows = job.chunks.in_row_order().defer("summary").prefetch_related("attempts")
    return rows.filter(state=state) if state else rows


urlpatterns = [
    path("batch-jobs/<str:id>/chunks", BatchJobChunks.as_view()),
    path("batch-jobs/<str:id>/comparison", BatchJobComparison.as_view()),
]
