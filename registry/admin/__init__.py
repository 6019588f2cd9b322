"""Doors for people: the pages of the registry, on Django's admin."""

from __future__ import annotations

from registry.admin.apps import use_our_site

use_our_site()

from registry.admin import (  # noqa: E402  # the site comes first
    api_keys,
    approvals,
    audit_events,
    connections,
    dataset_versions,
    datasets,
    lineage,
    model_versions,
    people,
    registered_models,
    sign_in,
    webhooks,
)

__all__ = [
    "api_keys",
    "approvals",
    "audit_events",
    "connections",
    "dataset_versions",
    "datasets",
    "lineage",
    "model_versions",
    "people",
    "registered_models",
    "sign_in",
    "webhooks",
]
