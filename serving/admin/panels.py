"""What serving adds to the pages of the registry; of as many queries with many rows as with few."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from registry import roles
from registry.actions.row_access import may_have_rows
from registry.admin.access import principal_of
from registry.models import Alias, DatasetVersion, RegisteredModel
from registry.models.alias import CHAMPION
from registry.models.dataset_version import DatasetStatus
from registry.panels import PanelContent
from serving.models import BatchJob, Schedule
from serving.models.batch_job_rows import BatchJobQuerySet

JOBS_SHOWN = 6
SCHEDULES_SHOWN = 5
_JOBS = "serving/jobs_panel.html"


def figures(request: HttpRequest, _: None) -> PanelContent | None:
    """Counts for the first page: jobs that run, schedules that are on."""
    by = principal_of(request)
    jobs, schedules = reverse("admin:serving_batchjob_changelist"), "serving_schedule"
    shown = [
        {
            "value": BatchJob.objects.visible_to(by).active().count(),
            "label": "jobs running",
            "url": f"{jobs}?state__exact=running",
        },
        {
            "value": Schedule.objects.visible_to(by).filter(enabled=True).count(),
            "label": "schedules on",
            "url": reverse(f"admin:{schedules}_changelist"),
        },
    ]
    return PanelContent("", {"figures": shown})


def running_jobs(request: HttpRequest, _: None) -> PanelContent | None:
    """The newest jobs."""
    return _jobs_panel(BatchJob.objects.visible_to(principal_of(request)), _jobs_url())


def next_schedules(request: HttpRequest, _: None) -> PanelContent | None:
    """What is due next."""
    rows = Schedule.objects.visible_to(principal_of(request)).filter(next_due__isnull=False)
    schedules = list(rows.order_by("next_due")[:SCHEDULES_SHOWN])
    return (
        PanelContent("serving/schedules_panel.html", {"schedules": schedules}, aside=True)
        if schedules
        else None
    )


def jobs_of_model(request: HttpRequest, model: RegisteredModel) -> PanelContent | None:
    """The newest jobs of one model."""
    rows = BatchJob.objects.visible_to(principal_of(request)).filter(model=model)
    return _jobs_panel(rows, f"{_jobs_url()}?{urlencode({'q': model.name})}")


def jobs_of_dataset(request: HttpRequest, version: DatasetVersion) -> PanelContent | None:
    """The newest jobs that read one dataset version."""
    rows = BatchJob.objects.visible_to(principal_of(request)).filter(dataset_version=version)
    return _jobs_panel(rows, f"{_jobs_url()}?{urlencode({'q': version.dataset.name})}")


def try_link(request: HttpRequest, model: RegisteredModel) -> PanelContent | None:
    """Where the champion can be tried out."""
    if not principal_of(request).may(roles.SCORER, model):
        return None
    champion = Alias.objects.filter(model=model, name=CHAMPION).first()
    if champion is None or model.archived_at is not None:
        return None
    page = reverse("admin:registry_modelversion_change", args=[champion.version_id])
    return PanelContent("", {"head_url": f"{page}#try-it", "head_label": "Try it"})


def score_link(request: HttpRequest, version: DatasetVersion) -> PanelContent | None:
    """Where a job over this dataset is asked for, by who may have its rows."""
    is_in_use = version.dataset.archived_at is None and version.erased_at is None
    if version.status != DatasetStatus.READY or not is_in_use:
        return None
    if not may_have_rows(principal_of(request), version.dataset):
        return None
    query = urlencode({"dataset": str(version)})
    page = f"{reverse('admin:serving_batchjob_add')}?{query}"
    return PanelContent("", {"head_url": page, "head_label": "Score this dataset"})


def _jobs_panel(rows: BatchJobQuerySet, all_url: str) -> PanelContent | None:
    jobs = rows.named().order_by("-id")[:JOBS_SHOWN]
    context: dict[str, Any] = {"title": "Batch jobs", "jobs": jobs, "all_url": all_url}
    return PanelContent(_JOBS, context) if jobs else None


def _jobs_url() -> str:
    return reverse("admin:serving_batchjob_changelist")
