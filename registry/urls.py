"""Doors: the pages that stand outside of the admin. ``config/urls.py`` includes this."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

from registry.admin.urls import urlpatterns as pages

urlpatterns: list[URLPattern | URLResolver] = [*pages]
