"""Pages of dataset versions: the profile of each column, or what was wrong with the file."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from registry.admin.access import principal_of
from registry.admin.base import GovernedAdmin
from registry.admin.calling import base_url
from registry.admin.profile import column_profiles
from registry.errors import ROW_CODES
from registry.models import Dataset, DatasetVersion
from registry.models.dataset_version import DatasetStatus
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
    pages = {"reading/": "reading_part"}

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
        """Asked for while the file is being read; the page is loaded anew when that has ended."""
        context = {"version": row}
        answer = TemplateResponse(request, "registry/dataset_reading.html", context)
        if row.status != DatasetStatus.PENDING:
            answer["HX-Refresh"] = "true"
        return answer

    def _context(self, request: HttpRequest, row: DatasetVersion) -> dict[str, Any]:
        pages = self.admin_site._registry[Dataset]
        api = f"{base_url(request)}/api/v1/datasets/{row.dataset.name}/versions/{row.number}"
        return {
            "title": f"{row.dataset.name} {row.number}",
            "version": row,
            "dataset": row.dataset,
            "crumbs": pages.crumbs(row.dataset),  # type: ignore[attr-defined]  # ours
            "profiles": column_profiles(row),
            "problems": [_explained(problem) for problem in row.errors],
            "hides_cells": row.dataset.hides_cells,
            "download_url": f"{api}/download",
            "panels": contents_of("dataset_version", request, row),
        }


def _explained(problem: dict[str, Any]) -> dict[str, Any]:
    meaning = problem.get("detail") or ROW_CODES.get(str(problem.get("code")), "")
    return {**problem, "meaning": meaning}
