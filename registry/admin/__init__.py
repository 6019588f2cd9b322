"""Doors for people: the pages of the registry, on Django's admin.

Django asks the admin's app config for the class of its site on first use. Autodiscovery imports
this module before anything uses it, so naming the class here makes ``admin.site`` ours.
"""

from __future__ import annotations

from django.apps import apps

if apps.is_installed("django.contrib.admin"):
    apps.get_app_config("admin").default_site = "registry.admin.site.ModelyardSite"

from registry.admin import (  # noqa: E402  (the site's class is named first)
    api_keys,
    approvals,
    audit_events,
    dataset_versions,
    datasets,
    model_versions,
    people,
    registered_models,
)

__all__ = [
    "api_keys",
    "approvals",
    "audit_events",
    "dataset_versions",
    "datasets",
    "model_versions",
    "people",
    "registered_models",
]
