"""Doors: batch jobs, their results and their rejects."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.describe import describe
from registry.api.downloads import WRITTEN, send_parts
from registry.api.idempotency import Answer, once
from registry.api.parameters import EXPAND, PAGING, SEARCH, Parameter, ordered, ordering
from registry.api.resource import Resource
from registry.errors import JobNotFound
from registry.models import Dataset, RegisteredModel
from registry.tabular import FORMATS
from serving.actions.batch_jobs import cancel_job, create_job, find_job, retry_job
from serving.actions.batch_results import Rows, rejects_of, results_of
from serving.api import batch_lineage
from serving.api.batch_bodies import BatchJobOut, visible_jobs
from serving.api.batch_requests import BatchJobIn
from serving.models import BatchJob, Schedule, ScheduledSlot
from serving.models.job_states import JobState

_ORDERS = ("created_at", "state")
_STATE = Parameter("state", "Only this state.", choices=tuple(JobState.values))
_MODEL = Parameter("model", "Only jobs of this model.")
_VERSION = Parameter("version", "Only jobs with this version of the model.", "integer")
_SINCE = Parameter("since", "Only jobs that were asked for from this time on.", "time")
_UNTIL = Parameter("until", "Only jobs that were asked for before this time.", "time")
_DATASET = Parameter("dataset", "Only jobs on this dataset.")
_SCHEDULE = Parameter("schedule", "Only jobs of this schedule.")
_FORMAT = Parameter("format", "`csv` when left out.", choices=WRITTEN)
_SAFE = Parameter(
    "safe", "Keep spreadsheets from taking texts for formulas; always so in a session.", "boolean"
)
_FILE_TYPES = tuple(FORMATS[key].media_types[0] for key in WRITTEN)

batch_lineage.register()


class BatchJobs(Resource):
    """``/batch-jobs``"""

    @describe(
        "batch_jobs_list",
        "The batch jobs that you may see",
        answers={200: BatchJobOut},
        is_list=True,
        query=(
            *PAGING,
            SEARCH,
            ordering(*_ORDERS),
            EXPAND,
            _STATE,
            _MODEL,
            _VERSION,
            _DATASET,
            _SCHEDULE,
            _SINCE,
            _UNTIL,
        ),
    )
    def get(self, request: Request) -> Response:
        """One page of jobs, newest first."""
        rows = _narrowed(visible_jobs(self.by), self.query)
        return self.page(_in_order(rows, self.query.get("ordering")), "batch-job")

    @describe(
        "batch_jobs_create",
        "Score a dataset",
        body=BatchJobIn,
        answers={202: BatchJobOut},
        is_creating=True,
        reads_rows=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Accept a job; the versions of model and dataset are pinned from now on."""
        values = BatchJobIn.read(request.data)

        def work() -> Answer:
            shown = self.shown(create_job(by=self.by, **values), "batch-job")
            return Answer(202, shown, {"Location": shown["url"]})

        return once(request, request.data, work)


class OneJob(Resource):
    """Below ``/batch-jobs/{id}``."""

    def job(self, id: str) -> BatchJob:
        """The job of the path. Raises JobNotFound."""
        try:
            return find_job(self.by, uuid.UUID(id))
        except ValueError:
            raise JobNotFound("There is no batch job with this id.") from None


class BatchJobDoor(OneJob):
    """``/batch-jobs/{id}``"""

    @describe("batch_jobs_get", "One batch job", answers={200: BatchJobOut}, query=(EXPAND,))
    def get(self, request: Request, id: str) -> Response:
        """The job and how far it has come."""
        return self.one(self.job(id), "batch-job")


class BatchJobCancel(OneJob):
    """``/batch-jobs/{id}/cancel``"""

    @describe(
        "batch_jobs_cancel",
        "Stop a batch job for good",
        answers={200: BatchJobOut},
        is_creating=True,
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        """Cancel; what has been scored of it is not kept."""
        job = self.job(id)

        def work() -> Answer:
            return Answer(200, self.shown(cancel_job(by=self.by, job=job), "batch-job"))

        return once(request, {}, work)


class BatchJobRetry(OneJob):
    """``/batch-jobs/{id}/retry``"""

    @describe(
        "batch_jobs_retry",
        "Run again what failed or was rejected",
        answers={202: BatchJobOut},
        is_creating=True,
        reads_rows=True,
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        """Only from ``failed`` and ``completed_with_rejects``; clean chunks stay as they are."""
        job = self.job(id)

        def work() -> Answer:
            shown = self.shown(retry_job(by=self.by, job=job), "batch-job")
            return Answer(202, shown, {"Location": shown["url"]})

        return once(request, {}, work)


class _Download(OneJob):
    def send(self, job: BatchJob, rows: Rows, what: str) -> HttpResponseBase:
        """The rows as a stream in the asked format; ``what`` of the job they are."""
        safe = self.by.api_key is None or self.query.get("safe", False)
        format = self.query.get("format", "csv")
        answer = send_parts(rows.parts, rows.columns, format, name=rows.name, safe=safe)
        return self.handed_out(answer, "batch_job.download", job, what=what, format=format)


class BatchJobResults(_Download):
    """``/batch-jobs/{id}/results``"""

    @describe(
        "batch_jobs_results",
        "The scored rows, in the order of the dataset",
        answers={200: _FILE_TYPES},
        query=(_FORMAT, _SAFE),
        reads_rows=True,
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:
        """Kept input columns, then predictions and probabilities; rejected rows are not in it."""
        job = self.job(id)
        return self.send(job, results_of(job, by=self.by), "results")


class BatchJobRejects(_Download):
    """``/batch-jobs/{id}/rejects``"""

    @describe(
        "batch_jobs_rejects",
        "The rejected rows, one line for each refused cell",
        answers={200: _FILE_TYPES},
        query=(_FORMAT, _SAFE),
        reads_rows=True,
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:
        """``row``, keys, ``column``, ``code`` and, unless confidential, ``received``."""
        job = self.job(id)
        return self.send(job, rejects_of(job, by=self.by), "rejects")


def _narrowed(rows: QuerySet[BatchJob], query: dict[str, Any]) -> QuerySet[BatchJob]:
    """Only the jobs that were asked for. Names become ids first: that is what indexes know."""
    if "state" in query:
        rows = rows.filter(state=query["state"])
    if "model" in query:
        rows = rows.filter(model=RegisteredModel.objects.named(query["model"]).first())
    if "version" in query:
        rows = rows.filter(version__number=query["version"])
    if "since" in query:
        rows = rows.filter(created_at__gte=query["since"])
    if "until" in query:
        rows = rows.filter(created_at__lt=query["until"])
    if "dataset" in query:
        rows = rows.filter(dataset=Dataset.objects.named(query["dataset"]).first())
    if "schedule" in query:
        schedule = Schedule.objects.named(query["schedule"]).first()
        rows = rows.filter(pk__in=ScheduledSlot.objects.filter(schedule=schedule).values("job"))
    if text := query.get("search"):
        rows = rows.filter(
            Q(seen_model__in=RegisteredModel.objects.filter(name__icontains=text).values("pk"))
            | Q(seen_dataset__in=Dataset.objects.filter(name__icontains=text).values("pk"))
        )
    return rows


def _in_order(rows: QuerySet[BatchJob], asked: str | None) -> QuerySet[BatchJob]:
    checked = ordered(rows, asked, _ORDERS)
    keys = asked.replace("created_at", "id").split(",") if asked else []
    # Ids are made in the order of time, and have an index.
    return checked.order_by(*keys, *([] if {"id", "-id"} & set(keys) else ["-id"]))


_JOB = "batch-jobs/<str:id>"

urlpatterns = [
    path("batch-jobs", BatchJobs.as_view()),
    path(_JOB, BatchJobDoor.as_view()),
    path(f"{_JOB}/cancel", BatchJobCancel.as_view()),
    path(f"{_JOB}/retry", BatchJobRetry.as_view()),
    path(f"{_JOB}/results", BatchJobResults.as_view()),
    path(f"{_JOB}/rejects", BatchJobRejects.as_view()),
]
