"""Pages of datasets: the list, the upload, the page of one with its versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from registry import roles
from registry.actions import archiving, dataset_changes, datasets
from registry.actions.row_access import ROWS_NEED
from registry.actions.versions import Upload
from registry.admin.access import principal_of
from registry.admin.archived import ArchivedFilter
from registry.admin.base import GovernedAdmin
from registry.admin.grants import GrantPages
from registry.admin.rules_shown import rules_in_words
from registry.admin.uploads import streamed
from registry.api.table_formats import dataset_format
from registry.api.uploads import Part
from registry.conf import conf
from registry.errors import DomainError
from registry.forms.datasets import (
    DatasetForm,
    DatasetHoldForm,
    DatasetRulesForm,
    UploadDatasetForm,
)
from registry.forms.models import GrantForm
from registry.models import Dataset, DatasetVersion
from registry.panels import contents_of
from registry.principals import Principal, require
from registry.templatetags.modelyard import badge, number

VERSIONS_SHOWN = 100
DATASETS_OFFERED = 200


@admin.register(Dataset)
class DatasetAdmin(GrantPages, GovernedAdmin[Dataset]):
    """Named data."""

    nav_group, nav_order, nav_label, nav_icon = "Data", 1, "Datasets", "table"
    list_intro = "Named tables that never change: another upload is the next version."
    empty_title = "No dataset yet"
    empty_text = "Upload a CSV, JSON lines or Parquet file; batch jobs score its rows."
    add_label, add_icon = "Upload a dataset", "upload"
    list_display = ("name", "newest", "rows_shown", "classification", "owner_name", "updated_at")
    list_filter = ("classification", ArchivedFilter)
    search_fields = ("name", "description", "tags")
    search_placeholder = "Name, description or tag"
    ordering = ("-id",)
    pages = {
        "edit/": "edit_page",
        "archive/": "archive",
        "unarchive/": "unarchive",
        "grants/": "set_grant",
        "grant-removal/": "remove_grant",
    }

    def visible(self, principal: Principal) -> QuerySet[Dataset]:
        """With number, state and size of the newest version."""
        newest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-number")
        rows = Dataset.objects.visible_to(principal).select_related("owner")
        return rows.annotate(
            newest_number=Subquery(newest.values("number")[:1]),
            newest_status=Subquery(newest.values("status")[:1]),
            newest_rows=Subquery(newest.values("rows")[:1]),
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Publishers of anything."""
        by = principal_of(request)
        return by.may_everywhere(roles.PUBLISHER) or bool(_publishable(by)[:1])

    @admin.display(description="Newest version", ordering="newest_number")
    def newest(self, row: Any) -> SafeString | str:
        """Number and state."""
        if row.newest_number is None:
            return "—"
        status = badge(row.newest_status)
        return format_html('<span class="row">{} {}</span>', row.newest_number, status)

    @admin.display(description="Rows", ordering="newest_rows")
    def rows_shown(self, row: Any) -> str:
        """How many rows the newest version has."""
        return number(row.newest_rows)

    @admin.display(description="Owner", ordering="owner__username")
    def owner_name(self, row: Dataset) -> str:
        """Who made it."""
        return row.owner.get_username()

    # --- pages ----------------------------------------------------------------------------------

    @property
    def add_page(self) -> Any:
        """The upload form; its file is streamed."""
        return streamed(self._upload_page, lambda: {"file": conf.max_dataset_bytes}, Dataset)

    def _upload_page(self, request: HttpRequest, refusal: DomainError | None) -> HttpResponse:
        by = principal_of(request)
        form = self._upload_form(request, refusal)
        return self.form_page(
            request,
            form,
            lambda: self._take_in(request, by, form.cleaned_data),
            template="registry/upload_dataset.html",
            title="Upload a dataset",
            crumbs=self.crumbs(),
            submit_label="Upload",
            cancel_url=self.url_of("changelist"),
            known_datasets=_publishable(by)[:DATASETS_OFFERED],
        )

    def _upload_form(self, request: HttpRequest, refusal: DomainError | None) -> UploadDatasetForm:
        if request.method != "POST":
            return UploadDatasetForm(initial={"name": request.GET.get("name", "")})
        form = UploadDatasetForm(request.POST, request.FILES)
        if refusal is not None:
            form.refuse(refusal)
        return form

    def _take_in(self, request: HttpRequest, by: Principal, filled: Mapping[str, Any]) -> str:
        part: Part = filled["file"]
        upload = Upload(part.stored, dataset_format(part), part.label)
        rest = {name: filled[name] for name in ("name", "tier", "classification", "description")}
        version, is_new = datasets.upload_dataset(by=by, upload=upload, **rest)
        if is_new:
            part.keep()
        else:
            messages.info(request, "These bytes are this version already; nothing was added.")
        return reverse("admin:registry_datasetversion_change", args=[version.pk])

    def row_page(self, request: HttpRequest, row: Dataset) -> HttpResponse:
        """One dataset with its versions."""
        by = principal_of(request)
        versions = row.versions.select_related("created_by").order_by("-number")
        context = {
            "title": row.name,
            "dataset": row,
            "crumbs": self.crumbs(),
            "rules": rules_in_words(row.rules),
            "rows_need": ROWS_NEED[row.classification].words(row),
            "versions": versions.defer("profile", "columns", "parts", "errors")[:VERSIONS_SHOWN],
            "may_publish": by.may(roles.PUBLISHER, row),
            "may_manage": by.may(roles.MANAGER, row),
            "grants": row.grants.select_related("user").order_by("user__username"),
            "grant_form": GrantForm(auto_id="grant_%s"),
            "panels": contents_of("dataset", request, row),
        }
        return self.render(request, "registry/dataset.html", context)

    def archive(self, request: HttpRequest, row: Dataset) -> HttpResponse:
        """POST: take it out of use."""
        return self.acted(
            request,
            row,
            lambda by: archiving.archive_dataset(by=by, dataset=row),
            f"{row} is archived: it takes no version and no job.",
        )

    def unarchive(self, request: HttpRequest, row: Dataset) -> HttpResponse:
        """POST: take it back into use."""
        return self.acted(
            request,
            row,
            lambda by: archiving.unarchive_dataset(by=by, dataset=row),
            f"{row} is in use again.",
        )

    def edit_page(self, request: HttpRequest, row: Dataset) -> HttpResponse:
        """Description and tags; for managers what has consequences."""
        by = principal_of(request)
        require(by, roles.PUBLISHER, row)
        form_class = _form_for(by, row)
        initial = {name: getattr(row, name) for name in form_class.base_fields}
        form = form_class(request.POST or None, initial=initial)
        return self.form_page(
            request,
            form,
            lambda: dataset_changes.update_dataset(by=by, dataset=row, **form.cleaned_data),
            title=f"Edit {row}",
            crumbs=self.crumbs(row),
            cancel_url=self.url_of("change", row.pk),
            success="Saved.",
        )


def _form_for(by: Principal, row: Dataset) -> type[DatasetForm]:
    if not by.may(roles.MANAGER, row):
        return DatasetForm
    return DatasetHoldForm if by.may_everywhere(roles.MANAGER) else DatasetRulesForm


def _publishable(by: Principal) -> QuerySet[Dataset]:
    """The datasets that somebody may upload the next version of, by name."""
    rows = Dataset.objects.visible_to(by).filter(archived_at__isnull=True).order_by("name")
    if by.may_everywhere(roles.PUBLISHER):
        return rows
    allowed = roles.ROLES[roles.rank(roles.PUBLISHER) :]
    return rows.filter(grants__user=by.user, grants__role__in=allowed)
