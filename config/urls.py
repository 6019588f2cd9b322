"""The URL tree: the API of both buildings, the pages, and the answers to what is not there."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView

from registry.api.metrics import Metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    # First what is called most: the list is gone through from its beginning.
    path("api/v1/", include("serving.api.urls")),
    path("api/v1/", include("registry.api.urls")),
    path("", include("serving.api.open_inference")),
    path("", include("serving.api.invocations")),
    path("metrics", Metrics.as_view(), name="metrics"),
    path("admin/", admin.site.urls),
    path("", include("registry.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
]

handler400 = "config.problems.bad_request"
handler403 = "config.problems.not_allowed"
handler404 = "config.problems.not_found"
handler500 = "config.problems.internal"
