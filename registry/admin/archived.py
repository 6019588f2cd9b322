"""What lists leave out unless it is asked for: rows that were taken out of use."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest


class ArchivedFilter(admin.SimpleListFilter):
    """Rows in use, or those that have an ``archived_at``."""

    title = "archived"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """The other half of the list."""
        return [("yes", "only")]

    def choices(self, changelist: Any) -> Any:
        """The first one says what is left out."""
        first, *others = super().choices(changelist)
        return iter([{**first, "display": "left out"}, *others])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """One of the two halves."""
        return queryset.filter(archived_at__isnull=self.value() != "yes")
