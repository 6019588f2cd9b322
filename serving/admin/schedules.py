"""Pages of schedules: the list, the form with its next times, the page of one with its slots."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.safestring import SafeString

from registry import roles
from registry.admin.access import principal_of, to_page, told
from registry.admin.base import GovernedAdmin
from registry.errors import DomainError, InvalidField
from registry.models import Grant
from registry.principals import Principal
from registry.templatetags.modelyard import badge
from serving.actions import schedules
from serving.admin.forms import MISSED, OVERLAP, ChangeScheduleForm, ScheduleForm
from serving.admin.offers import offers
from serving.models import Schedule
from serving.models.schedule import Missed, Overlap
from serving.schedules.cron import check_cron, check_zone, next_runs

SLOTS_SHOWN = 50


@admin.register(Schedule)
class ScheduleAdmin(GovernedAdmin[Schedule]):
    """Schedules over visible models and datasets, and one's own."""

    nav_group, nav_order, nav_label, nav_icon = "Scoring", 2, "Schedules", "clock"
    list_intro = "Batch jobs that start by themselves, at times written as cron in a zone."
    empty_title = "No schedule yet"
    empty_text = "Let a dataset be scored every night: the newest version of it, by the champion."
    add_label = "New schedule"
    list_display = ("name", "state_shown", "job_shown", "times", "next_due", "owner")
    list_filter = ("enabled",)
    search_fields = ("name", "model_ref", "dataset_ref")
    search_placeholder = "Name, model or dataset"
    ordering = ("-id",)
    pages = {
        "edit/": "edit_page",
        "run-now/": "run_now",
        "switch/": "switch",
        "delete/": "delete",
    }

    def visible(self, principal: Principal) -> QuerySet[Schedule]:
        """Those that were not deleted."""
        rows = Schedule.objects.visible_to(principal)
        return rows.select_related("model", "dataset", "created_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may see anything may try; the action looks at the rest."""
        by = principal_of(request)
        return by.global_role is not None or Grant.objects.filter(user=by.user).exists()

    def get_urls(self) -> list[URLPattern]:
        """The next times stand beside the list: they belong to no row yet."""
        view = self.admin_site.admin_view(self.next_times)
        return [path("next-times/", view, name=self._url_name("next-times")), *super().get_urls()]

    # --- list -----------------------------------------------------------------------------------

    @admin.display(description="State", ordering="enabled")
    def state_shown(self, row: Schedule) -> SafeString:
        """On or off, and whether its last run could be started."""
        if row.error and row.enabled:
            return badge("failed", "cannot start")
        return badge("enabled" if row.enabled else "off", "on" if row.enabled else "off")

    @admin.display(description="Scores", ordering="model_ref")
    def job_shown(self, row: Schedule) -> str:
        """What by what."""
        return f"{row.reads} by {row.model_ref}"

    @admin.display(description="Times")
    def times(self, row: Schedule) -> str:
        """Cron and zone."""
        return f"{row.cron} {row.timezone}"

    @admin.display(description="Owner", ordering="created_by__username")
    def owner(self, row: Schedule) -> str:
        """Whose rights it runs with."""
        return row.created_by.get_username()

    # --- pages ----------------------------------------------------------------------------------

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """The form for a new schedule."""
        by = principal_of(request)
        form = ScheduleForm(request.POST or None)
        return self._form(
            request,
            form,
            lambda: schedules.create_schedule(by=by, **form.asked()),
            title="New schedule",
            crumbs=self.crumbs(),
            submit_label="Make the schedule",
            cancel_url=self.url_of("changelist"),
        )

    def edit_page(self, request: HttpRequest, row: Schedule) -> HttpResponse:
        """Change the job or its times."""
        by = principal_of(request)
        form = ChangeScheduleForm(request.POST or None, initial=_initial(row))
        return self._form(
            request,
            form,
            lambda: schedules.update_schedule(by=by, schedule=row, **form.asked()),
            title=f"Edit {row}",
            crumbs=self.crumbs(row),
            cancel_url=self.url_of("change", row.pk),
            success="Saved.",
        )

    def _form(
        self, request: HttpRequest, form: ScheduleForm, run: Any, **context: Any
    ) -> HttpResponse:
        cron, zone = str(form["cron"].value() or ""), str(form["timezone"].value() or "")
        times = {"offers": offers(principal_of(request)), "times": _times(cron, zone)}
        return self.form_page(
            request, form, run, template="serving/schedule_form.html", **times, **context
        )

    def next_times(self, request: HttpRequest) -> HttpResponse:
        """The next five times of what is being typed."""
        times = _times(request.GET.get("cron", ""), request.GET.get("timezone", ""))
        return TemplateResponse(request, "serving/next_times.html", {"times": times})

    def row_page(self, request: HttpRequest, row: Schedule) -> HttpResponse:
        """Its times, its job and its slots."""
        by = principal_of(request)
        role = roles.SCORER if row.created_by_id == by.user.pk else roles.PUBLISHER
        slots = row.slots.select_related("job").order_by("-due")[:SLOTS_SHOWN]
        context = {
            "title": row.name,
            "crumbs": self.crumbs(),
            "schedule": row,
            "times": _times(row.cron, row.timezone),
            "slots": slots,
            "overlap": dict(OVERLAP)[Overlap(row.overlap)],
            "missed": dict(MISSED)[Missed(row.missed)],
            "may_change": by.may(role, row.model),
            "may_run": by.may(roles.SCORER, row.model),
        }
        return self.render(request, "serving/schedule.html", context)

    def run_now(self, request: HttpRequest, row: Schedule) -> HttpResponse:
        """POST: make its job at once."""
        if request.method == "POST":
            try:
                job = schedules.run_now(by=principal_of(request), schedule=row)
            except DomainError as error:
                messages.error(request, str(error))
            else:
                return HttpResponseRedirect(reverse("admin:serving_batchjob_change", args=[job.pk]))
        return to_page(self.url_of("change", row.pk))

    def switch(self, request: HttpRequest, row: Schedule) -> HttpResponse:
        """POST: on or off."""
        wanted = request.POST.get("enabled") == "on"
        return self.acted(
            request,
            row,
            lambda by: schedules.update_schedule(by=by, schedule=row, enabled=wanted),
            f"{row} is {'on' if wanted else 'off'}.",
        )

    def delete(self, request: HttpRequest, row: Schedule) -> HttpResponse:
        """POST: take it away; its jobs and slots stay."""
        if request.method != "POST":
            return to_page(self.url_of("change", row.pk))
        with told(request, f"{row} is gone; its jobs and slots stay."):
            schedules.delete_schedule(by=principal_of(request), schedule=row)
            return to_page(self.url_of("changelist"))
        return to_page(self.url_of("change", row.pk))


def _times(cron: str, zone: str) -> dict[str, Any]:
    """The next five times, or what is wrong with the expression or the zone."""
    try:
        runs = next_runs(check_cron(cron), check_zone(zone), timezone.now())
    except InvalidField as error:
        return {"refusal": str(error)}
    return {"runs": [{"moment": run, "local": f"{run:%a %d %b %Y, %H:%M %Z}"} for run in runs]}


def _initial(row: Schedule) -> dict[str, Any]:
    return {
        **{f"source_{key}": value for key, value in (row.source or {}).items()},
        **{f"sink_{key}": value for key, value in (row.sink or {}).items()},
        "model": row.model_ref,
        "dataset": row.dataset_ref,
        "version": row.version_number,
        "outputs": row.outputs or [],
        "keep_columns": ", ".join(row.keep_columns or []),
        "on_row_error": row.on_row_error,
        "chunk_rows": row.chunk_rows,
        "priority": row.priority,
        "compare_with": row.compare_with,
        "cron": row.cron,
        "timezone": row.timezone,
        "overlap": row.overlap,
        "missed": row.missed,
        "enabled": row.enabled,
    }
