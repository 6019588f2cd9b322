"""Pages of dataset versions: the profile of each column, or what was wrong with the file."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from registry import roles
from registry.actions.row_access import ROWS_NEED, may_have_rows
from registry.actions.tiers import (
    NEXT_TIER,
    ask_for_tier,
    demote,
    is_waiting_for_figures,
    lower_tiers,
    outcomes,
)
from registry.admin.access import principal_of, to_page, told
from registry.admin.base import GovernedAdmin
from registry.admin.calling import base_url
from registry.admin.profile import column_profiles
from registry.admin.rules_shown import outcome_lines
from registry.errors import ROW_CODES
from registry.forms.datasets import DemotionForm, PromotionForm
from registry.models import ApprovalRequest, Dataset, DatasetVersion
from registry.models.dataset_version import DatasetStatus, ProfileState
from registry.panels import contents_of
from registry.principals import Principal
from registry.templatetags.modelyard import badge


@admin.register(DatasetVersion)
class DatasetVersionAdmin(GovernedAdmin[DatasetVersion]):
    """Versions of visible datasets; reached from the page of their dataset."""

    nav_label, nav_icon = "Dataset versions", "table"
    list_display = ("version", "state", "rows", "tier", "created_at")
    list_filter = ("status", "tier")
    search_fields = ("dataset__name",)
    ordering = ("-id",)
    pages = {"reading/": "reading_part", "promote/": "promote", "demote/": "demote"}

    def visible(self, principal: Principal) -> QuerySet[DatasetVersion]:
        """With their dataset, without their bulky parts."""
        rows = DatasetVersion.objects.visible_to(principal)
        return rows.select_related("dataset").defer("profile", "columns", "parts", "errors")

    def row_queryset(self, request: HttpRequest) -> QuerySet[DatasetVersion]:
        """With all that the page shows."""
        rows = DatasetVersion.objects.visible_to(principal_of(request))
        return rows.select_related("dataset", "created_by")

    @admin.display(description="Version", ordering="dataset__name")
    def version(self, row: DatasetVersion) -> str:
        """Dataset and number."""
        return f"{row.dataset.name} {row.number}"

    @admin.display(description="State", ordering="status")
    def state(self, row: DatasetVersion) -> SafeString:
        """Where it stands."""
        return badge(row.status)

    def row_page(self, request: HttpRequest, row: DatasetVersion) -> HttpResponse:
        """Profile, problems and downloads."""
        return self.render(request, "registry/dataset_version.html", self._context(request, row))

    def reading_part(self, request: HttpRequest, row: DatasetVersion) -> HttpResponse:
        """Asked for while the rows are being read; the page is loaded anew when that has ended."""
        context = {"version": row}
        answer = TemplateResponse(request, "registry/dataset_reading.html", context)
        if row.status != DatasetStatus.PENDING and row.profile_state != ProfileState.WAITING:
            answer["HX-Refresh"] = "true"
        return answer

    def promote(self, request: HttpRequest, row: DatasetVersion) -> HttpResponse:
        """POST: ask that it moves up a tier; leads to the request."""
        form = PromotionForm(request.POST or None)
        tier = NEXT_TIER.get(row.tier)
        if request.method == "POST" and tier is not None and form.is_valid():
            reason = form.cleaned_data["reason"]
            with told(request, "Asked for: somebody else decides now."):
                asked = ask_for_tier(
                    by=principal_of(request), version=row, tier=tier, reason=reason
                )
                return to_page(reverse("admin:registry_approvalrequest_change", args=[asked.pk]))
        elif request.method == "POST":
            messages.error(request, "A promotion needs its reason, and a tier that is next.")
        return to_page(self.url_of("change", row.pk))

    def demote(self, request: HttpRequest, row: DatasetVersion) -> HttpResponse:
        """POST: take it down to a lower tier, at once."""
        form = DemotionForm(request.POST or None, lower=lower_tiers(row))
        if request.method == "POST" and form.is_valid():
            with told(request, f"It is {form.cleaned_data['tier']} now."):
                demote(by=principal_of(request), version=row, **form.cleaned_data)
        elif request.method == "POST":
            messages.error(request, "A demotion needs a lower tier, and its reason.")
        return to_page(self.url_of("change", row.pk))

    def _context(self, request: HttpRequest, row: DatasetVersion) -> dict[str, Any]:
        pages = self.admin_site._registry[Dataset]
        api = f"{base_url(request)}/api/v1/datasets/{row.dataset.name}/versions/{row.number}"
        by = principal_of(request)
        shows_rows = may_have_rows(by, row.dataset)
        return {
            "title": f"{row.dataset.name} {row.number}",
            "version": row,
            "dataset": row.dataset,
            "crumbs": pages.crumbs(row.dataset),  # type: ignore[attr-defined]  # ours
            "profiles": column_profiles(row) if shows_rows and row.profile else [],
            "shows_rows": shows_rows,
            "rows_need": ROWS_NEED[row.dataset.classification].words(row.dataset),
            "promotion": _promotion(by, row),
            "demotion": _demotion(by, row),
            "may_upload": by.may(roles.PUBLISHER, row.dataset) and not row.dataset.archived_at,
            "problems": [_explained(problem) for problem in row.errors],
            "hides_cells": row.dataset.hides_cells,
            "download_url": f"{api}/download",
            "panels": contents_of("dataset_version", request, row),
        }


def _promotion(by: Principal, row: DatasetVersion) -> dict[str, Any] | None:
    """The next tier, the rules as they stand, and the open request; None where none is next."""
    tier = NEXT_TIER.get(row.tier)
    is_in_use = row.erased_at is None and row.dataset.archived_at is None
    if tier is None or row.status != DatasetStatus.READY or not is_in_use:
        return None
    lines = outcome_lines(outcomes(row))
    waiting = ApprovalRequest.objects.pending().filter(dataset_version=row, tier=tier)
    return {
        "tier": tier,
        "lines": lines,
        "is_waiting": is_waiting_for_figures(row),
        "fits": all(line.passed for line in lines),
        "waiting": waiting.select_related("requested_by").first(),
        "may_ask": by.may(roles.PUBLISHER, row.dataset),
        "form": PromotionForm(auto_id="promotion_%s"),
    }


def _demotion(by: Principal, row: DatasetVersion) -> DemotionForm | None:
    """None for who may not, and where there is no way down."""
    lower = lower_tiers(row)
    if not lower or not by.may(roles.APPROVER, row.dataset):
        return None
    return DemotionForm(auto_id="demotion_%s", lower=lower)


def _explained(problem: dict[str, Any]) -> dict[str, Any]:
    meaning = problem.get("detail") or ROW_CODES.get(str(problem.get("code")), "")
    return {**problem, "meaning": meaning}
