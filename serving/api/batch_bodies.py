"""Batch jobs as JSON: the bodies of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.api.bodies import datasets, models, versions  # noqa: F401  (their kinds come first)
from registry.api.kinds import KINDS, Edge, Kind, Loaded, add_kind, to_many, to_one
from registry.api.shapes import (
    NAME_OR_ROW,
    NameOrRow,
    NumberOrRow,
    Out,
)
from registry.principals import Principal
from serving.actions.batch_results import shown_error
from serving.api.batch_requests import SINK
from serving.batch.columns import KEEP_ALL
from serving.batch.progress import fraction_done, seconds_left
from serving.models import BatchChunk, BatchJob
from serving.models.batch_chunk import ChunkState
from serving.models.job_states import JobState

_WELL_ENDED = (JobState.COMPLETED, JobState.COMPLETED_WITH_REJECTS)


class ChunkCounts(serializers.Serializer[Any]):
    """How many chunks stand where."""

    pending = serializers.IntegerField()
    leased = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()


# ``errors`` names rows where rows are the reason. A class could not have a field of that name.
JOB_ERROR = {
    "type": ["object", "null"],
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


class BatchJobOut(Out):
    """A batch job. ``rows_done`` counts rejected rows too, so that it ends at ``rows_total``.

    ``rows_total`` is null until the dataset was read, ``eta_s`` unless the job runs and has done
    something; ``paused_reason`` says why it waits (``paused`` in words), and it goes on by itself.
    ``rows_done`` are those of chunks that are done; ``rows_scored`` adds how far others are.
    """

    kind_key = "batch-job"

    id = serializers.UUIDField()
    model = NameOrRow(source="model.name")
    version = NumberOrRow(source="version.number")
    ref = serializers.CharField(source="model_ref")
    dataset = serializers.SerializerMethodField()
    outputs = serializers.ListField(child=serializers.CharField(), allow_null=True)
    keep_columns = serializers.SerializerMethodField()
    on_row_error = serializers.CharField()
    chunk_rows = serializers.IntegerField()
    priority = serializers.IntegerField()
    compare_with = serializers.IntegerField(
        source="compared_version.number", default=None, allow_null=True
    )
    sink = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=JobState.choices)
    rows_total = serializers.IntegerField(allow_null=True)
    rows_done = serializers.IntegerField()
    rows_scored = serializers.SerializerMethodField()
    rows_rejected = serializers.IntegerField()
    progress = serializers.SerializerMethodField()
    eta_s = serializers.SerializerMethodField()
    chunks = serializers.SerializerMethodField()
    paused_reason = serializers.SerializerMethodField()
    paused = serializers.SerializerMethodField()
    output_dataset = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    def path_of(self, row: BatchJob) -> str:
        """The path of the job."""
        return f"/batch-jobs/{row.pk}"

    def neighbours(self, row: BatchJob) -> dict[str, str | None]:
        """What it scores with, what it reads, and what came of it."""
        path, model, read = self.path_of(row), f"/models/{row.model.name}", row.dataset_version
        has_results = row.state in _WELL_ENDED
        output = row.output
        sees_output = output is not None and self._sight.sees_dataset(output.dataset_id)
        return {
            "model": model,
            "version": f"{model}/versions/{row.version.number}",
            "dataset": f"/datasets/{row.dataset.name}",
            "dataset_version": f"/datasets/{row.dataset.name}/versions/{read.number}",
            "results": f"{path}/results" if has_results else None,
            "rejects": None if row.is_active else f"{path}/rejects",
            "chunks": f"{path}/chunks",
            "comparison": f"{path}/comparison" if has_results and row.compared_version else None,
            "output_dataset": f"/datasets/{row.output_name}" if sees_output else None,
            "cancel": f"{path}/cancel",
            "retry": f"{path}/retry",
            "lineage": f"/lineage/batch-job/{row.pk}",
        }

    @extend_schema_field(NAME_OR_ROW)
    def get_dataset(self, row: BatchJob) -> str:
        """``name@number`` of what is read."""
        return f"{row.dataset.name}@{row.dataset_version.number}"

    @extend_schema_field(
        {"oneOf": [{"const": KEEP_ALL}, {"type": "array", "items": {"type": "string"}}]}
    )
    def get_keep_columns(self, row: BatchJob) -> str | list[str]:
        """``"all"`` or names."""
        return KEEP_ALL if row.keep_columns is None else list(row.keep_columns)

    @extend_schema_field(SINK | {"type": ["object", "null"]})
    def get_sink(self, row: BatchJob) -> dict[str, str] | None:
        """The table that results are written into as well; null without one."""
        if row.sink_connection is None:
            return None
        return {"connection": row.sink_connection.name, "table": row.sink_table}

    def get_rows_scored(self, row: Any) -> int:
        """Rows done, and those that running chunks have come through."""
        scored: int = row.rows_done + row.rows_under_way
        return scored if row.rows_total is None else min(scored, row.rows_total)

    def get_progress(self, row: BatchJob) -> float:
        """Between 0 and 1, by rows."""
        has_ended_well = row.state in _WELL_ENDED
        return fraction_done(row.rows_total, row.rows_done, has_ended_well=has_ended_well)

    def get_eta_s(self, row: Any) -> int | None:
        """Seconds left at the pace so far."""
        begun = row.retried_at or row.started_at
        if row.state != JobState.RUNNING or begun is None:
            return None
        elapsed_s = (row.now - begun).total_seconds()
        before = row.rows_at_retry
        return seconds_left(row.rows_total, row.rows_done, elapsed_s, rows_before=before)

    @extend_schema_field(ChunkCounts)
    def get_chunks(self, row: Any) -> dict[str, int]:
        """How many chunks stand where."""
        known = {"leased": row.leased, "done": row.chunks_done, "failed": row.chunks_failed}
        return {"pending": row.chunks_total - sum(known.values()), **known}

    def get_paused_reason(self, row: BatchJob) -> str | None:
        """Why a running job waits; null while it goes on."""
        return row.paused_reason or None

    def get_paused(self, row: BatchJob) -> str | None:
        """The same in words."""
        return row.paused_words or None

    @extend_schema_field(NAME_OR_ROW)
    def get_output_dataset(self, row: BatchJob) -> str | None:
        """The dataset of the results; null before the end."""
        return row.output_name if row.output_id else None

    @extend_schema_field(JOB_ERROR)
    def get_error(self, row: BatchJob) -> Any:
        """Why it failed, with refused cells unless they are hidden; null otherwise."""
        return shown_error(row)


def visible_jobs(by: Principal) -> QuerySet[BatchJob]:
    """Visible jobs with all that writing them out needs."""
    return (
        BatchJob.objects.visible_to(by)
        .named()
        .annotate(
            now=Now(), leased=_of_leased(Count("pk")), rows_under_way=_of_leased(Sum("rows_scored"))
        )
    )


def _of_leased(figure: Count | Sum) -> Coalesce:
    """Of few chunks, however many there are; the other figures stand on the job."""
    chunks = BatchChunk.objects.filter(job=OuterRef("pk"), state=ChunkState.LEASED).order_by()
    found = chunks.values("job").annotate(figure=figure).values("figure")
    return Coalesce(Subquery(found), 0)


def _outputs(rows: Sequence[BatchJob], by: Principal) -> Loaded:
    ids = {row.pk: row.output.dataset_id for row in rows if row.output}
    found = {d.pk: d for d in KINDS["dataset"].rows(by).filter(pk__in=set(ids.values()))}
    return {pk: [found[dataset]] for pk, dataset in ids.items() if dataset in found}


add_kind(
    Kind(
        "batch-job",
        BatchJobOut,
        visible_jobs,
        {
            "model": to_one("model", "model"),
            "version": to_one("version", "version"),
            "dataset": to_one("dataset-version", "dataset_version"),
            "compared_version": to_one("version", "compared_version"),
            "output_version": to_one("dataset-version", "output"),
            "output_dataset": Edge("dataset", _outputs),
        },
    )
)
for _kind in ("model", "version", "dataset", "dataset-version"):
    KINDS[_kind].edges["batch_jobs"] = to_many("batch-job", _kind.replace("-", "_"))
KINDS["dataset-version"].edges["made_by"] = to_many("batch-job", "output")
