"""Pages outside of the admin's own tree: the reference."""

from __future__ import annotations

from django.urls import URLPattern, path

from registry.admin import reference

urlpatterns: list[URLPattern] = [
    path("docs", reference.docs, name="docs"),
    path("docs/errors", reference.error_codes, name="docs-errors"),
]
