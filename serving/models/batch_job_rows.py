"""The queries of batch jobs, and the one move between their states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection, models
from django.db.models import Prefetch, Q
from django.db.models.functions import Now

from registry.models.dataset_version import DatasetVersion
from registry.models.model_version import ModelVersion
from registry.models.visibility import visible_datasets, visible_models
from serving.models.job_states import ACTIVE_STATES, JOB_MOVES, JobState

if TYPE_CHECKING:
    from registry.principals import Principal
    from serving.models.batch_job import BatchJob

# From principal to principal along the index, instead of along their jobs.
_PRINCIPALS = """
WITH RECURSIVE found(principal) AS (
    SELECT (SELECT created_by_id FROM serving_batchjob
            WHERE state = %s AND NOT waits_for_rows ORDER BY created_by_id LIMIT 1)
    UNION ALL
    SELECT (SELECT created_by_id FROM serving_batchjob
            WHERE state = %s AND NOT waits_for_rows AND created_by_id > found.principal
            ORDER BY created_by_id LIMIT 1)
    FROM found WHERE found.principal IS NOT NULL
) SELECT principal FROM found WHERE principal IS NOT NULL
"""


class Unindexed(models.Func):
    """A column as it is, which SQLite uses no index for.

    A list of the newest jobs then walks ids downwards and stops after a page (3 ms among 100,000
    jobs). With the index on the model it finds all visible jobs first and sorts them (400 ms).
    PostgreSQL knows better by its statistics.
    """

    template = "%(expressions)s"
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Unary plus changes nothing but that."""
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


def _as_uuid(value: UUID | str) -> UUID:
    """SQLite holds an id as text."""
    return value if isinstance(value, UUID) else UUID(value)


def visible_or_own(principal: Principal, path: str) -> Q:
    """The condition that the dataset at ``path`` is visible, or the row made by the principal."""
    datasets = visible_datasets(principal, path)
    # An empty condition is true, but would vanish beside the other one.
    return datasets | Q(created_by=principal.user) if datasets else datasets


class BatchJobQuerySet(models.QuerySet["BatchJob"]):
    """Jobs by who sees them and where they stand."""

    def visible_to(self, principal: Principal) -> BatchJobQuerySet:
        """Those whose model the principal sees, and whose dataset too unless the job is theirs."""
        seen = self.alias(
            seen_model=Unindexed("model_id", output_field=models.UUIDField()),
            seen_dataset=Unindexed("dataset_id", output_field=models.UUIDField()),
        )
        return seen.filter(
            visible_models(principal, "seen_model__") & visible_or_own(principal, "seen_dataset__")
        )

    def named(self) -> BatchJobQuerySet:
        """With what names a job and what it is about; of nothing the bulky columns.

        Each table is asked by itself: to plan a join of nine takes PostgreSQL ten times as long
        as all of these together.
        """
        versions = ModelVersion.objects.defer("signature", "facts", "declared_signature")
        datasets = DatasetVersion.objects.select_related("dataset").defer(
            "columns", "profile", "parts", "errors"
        )
        return self.defer("output_columns", "report").prefetch_related(
            "model",
            "dataset",
            "sink_connection",
            "created_by",
            Prefetch("version", versions),
            Prefetch("compared_version", versions),
            Prefetch("dataset_version", datasets),
            Prefetch("output", datasets),
        )

    def active(self) -> BatchJobQuerySet:
        """Neither ended nor cancelled."""
        return self.filter(state__in=ACTIVE_STATES)

    def unpaused(self) -> BatchJobQuerySet:
        """Those whose chunks may be claimed now."""
        return self.filter(Q(paused_until__isnull=True) | Q(paused_until__lte=Now()))

    def startable(self) -> BatchJobQuerySet:
        """Queued ones whose rows can be read."""
        return self.filter(state=JobState.QUEUED, waits_for_rows=False)

    def waiting_for(self, version: DatasetVersion) -> BatchJobQuerySet:
        """Queued ones whose rows are this version's, still to be read."""
        return self.filter(dataset_version=version, state=JobState.QUEUED, waits_for_rows=True)

    def principals(self) -> list[UUID]:
        """Ids of the users with jobs that run or could be started.

        One probe of an index for each of them, however many jobs there are.
        """
        with connection.cursor() as cursor:
            found: set[UUID] = set()
            for state in ACTIVE_STATES:
                cursor.execute(_PRINCIPALS, [state.value] * 2)
                found |= {_as_uuid(row[0]) for row in cursor.fetchall()}
        return sorted(found)

    def move(self, job: BatchJob, to: JobState, **values: Any) -> bool:
        """One step of the state table, if the job still stands where it was read.

        ``job`` keeps what it was read with; read it again afterwards.
        """
        if to not in JOB_MOVES[job.state]:
            return False
        values |= {"state": to, "paused_reason": "", "paused_until": None}
        if not self.filter(pk=job.pk, state=job.state).update(**values):
            return False
        was_active, is_active = job.state in ACTIVE_STATES, to in ACTIVE_STATES
        if was_active != is_active:
            job.slots.update(is_running=is_active)
        return True
