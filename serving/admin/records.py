"""Pages of prediction records: a list that stays quick with millions of rows, and one record."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from registry.actions.handing_out import note_download
from registry.admin.access import principal_of
from registry.admin.base import GovernedAdmin
from registry.models import RegisteredModel
from registry.paging import Pages, counted
from registry.principals import Principal
from registry.templatetags.modelyard import number
from serving.actions.records import shown_answers
from serving.models import PredictionRecord


class NewestPages(Pages):
    """Counts no further than 10,000 rows: nobody turns more pages, and counting all takes long."""

    @cached_property
    def count(self) -> int:
        """The number of rows, 10,000 at most."""
        rows: Any = self.object_list
        return counted(rows)


@admin.register(PredictionRecord)
class PredictionRecordAdmin(GovernedAdmin[PredictionRecord]):
    """Records of the models that somebody manages."""

    nav_group, nav_order, nav_label, nav_icon = "Scoring", 3, "Records", "list"
    list_intro = "Captured requests with their answers. A model's page says how many are kept."
    empty_title = "No record yet"
    empty_text = (
        "Say on a model's page how many of a hundred requests are to be kept; those of the models "
        "that you manage stand here."
    )
    list_display = ("request_id", "called", "caller", "rows_shown", "latency", "created_at")
    search_fields = ("model__name",)
    search_placeholder = "Name of a model"
    ordering = ("-id",)
    sortable_by = ()
    paginator = NewestPages

    def visible(self, principal: Principal) -> QuerySet[PredictionRecord]:
        """With what the list shows of them."""
        rows = PredictionRecord.objects.readable_by(principal).select_related("model", "version")
        return rows.defer("version__signature", "version__facts", "version__declared_signature")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PredictionRecord]:
        """Without the bodies: they may be long."""
        return super().get_queryset(request).defer("inputs", "answers")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PredictionRecord], search_term: str
    ) -> tuple[QuerySet[PredictionRecord], bool]:
        """By the whole name of a model: an index answers that, however many rows there are."""
        if not search_term.strip():
            return queryset, False
        named = RegisteredModel.objects.named(search_term.strip())
        return queryset.filter(model__in=list(named.values_list("pk", flat=True))), False

    @admin.display(description="Answered by")
    def called(self, row: PredictionRecord) -> str:
        """Model and version."""
        return f"{row.model.name} version {row.version.number}"

    @admin.display(description="Caller")
    def caller(self, row: PredictionRecord) -> str:
        """The key or the user."""
        return row.by or "—"

    @admin.display(description="Rows")
    def rows_shown(self, row: PredictionRecord) -> str:
        """How many rows the request had."""
        return number(row.rows)

    @admin.display(description="Time")
    def latency(self, row: PredictionRecord) -> str:
        """From the body to the answer."""
        return f"{row.latency_ms:.1f} ms"

    def row_page(self, request: HttpRequest, row: PredictionRecord) -> HttpResponse:
        """One record, whole."""
        inputs, answers = row.shown_inputs, shown_answers(row)
        names = [column["name"] for column in (row.version.signature or {}).get("inputs", ())]
        context = {
            "title": f"Record {row}",
            "crumbs": self.crumbs(),
            "record": row,
            "names": names,
            "inputs": inputs,
            "answers": answers and json.dumps(answers, indent=2, ensure_ascii=False),
        }
        if request.method == "GET":
            note_download(
                by=principal_of(request),
                action="record.read",
                subject=row.model,
                what={"records": 1, "newest": str(row.pk)},
            )
        return self.render(request, "serving/record.html", context)
