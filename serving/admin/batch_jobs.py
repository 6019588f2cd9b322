"""Pages of batch jobs: the list, the form, the page of one with its progress as it happens."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from registry.admin import lineage
from registry.admin.access import principal_of, told
from registry.admin.base import GovernedAdmin
from registry.models import Grant
from registry.principals import Principal
from registry.templatetags.modelyard import badge, number
from serving.actions import batch_jobs
from serving.admin.forms import JobForm
from serving.admin.job_page import JobPage, percent
from serving.admin.offers import offers
from serving.models import BatchJob
from serving.models.batch_chunk import ChunkState


@admin.register(BatchJob)
class BatchJobAdmin(GovernedAdmin[BatchJob]):
    """Jobs over visible models and datasets, and one's own."""

    nav_group, nav_order, nav_label, nav_icon = "Scoring", 1, "Batch jobs", "job"
    list_intro = "A dataset scored by one version, in chunks, by the workers."
    empty_title = "No batch job yet"
    empty_text = (
        "Choose a model and a dataset: every row gets its prediction, in a dataset of its own."
    )
    add_label, add_icon = "New job", "plus"
    list_display = ("what", "state_shown", "progress_shown", "rows_shown", "asker", "asked_at")
    list_filter = ("state",)
    search_fields = ("model__name", "dataset__name", "id")
    search_placeholder = "Model, dataset or id"
    ordering = ("-id",)
    pages = {
        "live/": "live_part",
        "chunks/": "chunks",
        "comparison/": "comparison",
        "cancel/": "cancel",
        "retry/": "retry",
    }
    actions = ("cancel_chosen",)

    def visible(self, principal: Principal) -> QuerySet[BatchJob]:
        """With what names them."""
        return BatchJob.objects.visible_to(principal).named()

    def row_queryset(self, request: HttpRequest) -> QuerySet[BatchJob]:
        """With all that the page shows."""
        return BatchJob.objects.visible_to(principal_of(request)).named().defer(None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may see anything may try; the action looks at the rest."""
        by = principal_of(request)
        return by.global_role is not None or Grant.objects.filter(user=by.user).exists()

    # --- list -----------------------------------------------------------------------------------

    @admin.display(description="Job", ordering="model__name")
    def what(self, row: BatchJob) -> str:
        """Model, version and dataset."""
        return f"{row.model.name} {row.version.number} on {row.dataset_version}"

    @admin.display(description="State", ordering="state")
    def state_shown(self, row: BatchJob) -> SafeString:
        """Where it stands, and why it waits."""
        if row.paused_reason:
            return badge("paused", f"paused: {row.paused_reason}")
        return badge(row.state)

    @admin.display(description="Progress")
    def progress_shown(self, row: BatchJob) -> SafeString:
        """A bar and a number."""
        done = percent(row)
        bar = '<progress max="100" value="{}">{} %</progress>'
        shown = format_html(bar, done, done)
        return format_html('<span class="progress-cell">{} {} %</span>', shown, done)

    @admin.display(description="Rows", ordering="rows_total")
    def rows_shown(self, row: BatchJob) -> str:
        """All, and how many were rejected."""
        total = number(row.rows_total)
        return f"{total}, {number(row.rows_rejected)} rejected" if row.rows_rejected else total

    @admin.display(description="By", ordering="created_by__username")
    def asker(self, row: BatchJob) -> str:
        """Who asked for it."""
        return row.created_by.get_username()

    @admin.display(description="Asked", ordering="created_at")
    def asked_at(self, row: BatchJob) -> Any:
        """When."""
        return row.created_at

    @admin.action(description="Cancel")
    def cancel_chosen(self, request: HttpRequest, chosen: QuerySet[BatchJob]) -> None:
        """Stop the chosen jobs."""
        for job in chosen:
            with told(request, f"{self.what(job)} is cancelled."):
                batch_jobs.cancel_job(by=principal_of(request), job=job)

    # --- pages ----------------------------------------------------------------------------------

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """The form for a new job."""
        by = principal_of(request)
        initial = {name: request.GET[name] for name in ("model", "dataset") if name in request.GET}
        form = JobForm(request.POST or None, initial=initial)
        return self.form_page(
            request,
            form,
            lambda: batch_jobs.create_job(by=by, **form.asked()),
            template="serving/job_form.html",
            title="New batch job",
            crumbs=self.crumbs(),
            submit_label="Start the job",
            cancel_url=self.url_of("changelist"),
            offers=offers(by),
        )

    def row_page(self, request: HttpRequest, row: BatchJob) -> HttpResponse:
        """Progress, chunks, rejects and downloads."""
        page = JobPage(request, row, principal_of(request))
        kin = lineage.card(request, "batch-job", row)
        context = {"crumbs": self.crumbs(), "lineage": kin, **page.context()}
        return self.render(request, "serving/job.html", context)

    def live_part(self, request: HttpRequest, row: BatchJob) -> HttpResponse:
        """Asked for while the job is active; the page is loaded anew when it has ended."""
        page = JobPage(request, row, principal_of(request))
        answer = TemplateResponse(request, "serving/job_live.html", page.live_context())
        if not row.is_active:
            answer["HX-Refresh"] = "true"
        return answer

    def chunks(self, request: HttpRequest, row: BatchJob) -> HttpResponse:
        """A page of chunks with all their attempts; ``?state=``, ``?from=`` a row."""
        state, first = request.GET.get("state", ""), request.GET.get("from", "")
        from_row = int(first) if first.isascii() and first.isdigit() and len(first) < 18 else 0
        page = JobPage(request, row, principal_of(request))
        known = state if state in ChunkState.values else ""
        context = page.chunks_context(state=known, from_row=from_row)
        return self.render(request, "serving/chunks.html", {"crumbs": self._below(row), **context})

    def comparison(self, request: HttpRequest, row: BatchJob) -> HttpResponse:
        """How two versions differ on the rows of the job."""
        page = JobPage(request, row, principal_of(request))
        context = page.comparison_context()
        return self.render(
            request, "serving/comparison.html", {"crumbs": self._below(row), **context}
        )

    def _below(self, row: BatchJob) -> list[tuple[str, str]]:
        """The way back to the list and to the job."""
        return [*self.crumbs(), (self.what(row), self.url_of("change", row.pk))]

    def cancel(self, request: HttpRequest, row: BatchJob) -> HttpResponse:
        """POST: stop it for good."""
        return self.acted(
            request, row, lambda by: batch_jobs.cancel_job(by=by, job=row), "The job is cancelled."
        )

    def retry(self, request: HttpRequest, row: BatchJob) -> HttpResponse:
        """POST: run again what failed or was rejected."""
        return self.acted(
            request,
            row,
            lambda by: batch_jobs.retry_job(by=by, job=row),
            "What failed or was rejected runs again.",
        )
