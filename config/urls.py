"""The URL tree: the API of both buildings, the pages, and the answers to what is not there."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

Patterns = list[URLPattern | URLResolver]


def _included(prefix: str, module: str) -> Patterns:
    """The URLs of a module; none while the module is not there."""
    package = module.rpartition(".")[0]
    if find_spec(package) is None or find_spec(module) is None:
        return []
    return [path(prefix, include(module))]


urlpatterns: Patterns = [
    *_included("api/v1/", "registry.api.urls"),
    *_included("api/v1/", "serving.api.urls"),
    *_included("", "registry.urls"),
    *_included("", "serving.urls"),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
]

handler400 = "config.problems.bad_request"
handler403 = "config.problems.not_allowed"
handler404 = "config.problems.not_found"
handler500 = "config.problems.internal"
