"""Doors for people: jobs, schedules, routes, records, and what they add to other pages."""

from __future__ import annotations

from registry.panels import add_panel
from serving.admin import batch_jobs, records, routes, schedules, try_it

__all__ = ["batch_jobs", "records", "routes", "schedules", "try_it"]

add_panel("example", "golden", "serving.admin.example.panel")
add_panel("version", "try-it", "serving.admin.try_it.panel", order=10)
add_panel("model", "try-it", "serving.admin.panels.try_link", order=10)
add_panel("model", "route", "serving.admin.routes.panel", order=15)
add_panel("model", "comparisons", "serving.admin.routes.comparisons", order=16)
add_panel("model", "capture", "serving.admin.routes.capture", order=17)
add_panel("model", "jobs", "serving.admin.panels.jobs_of_model", order=20)
add_panel("alias-span", "answered", "serving.admin.alias_span.panel")
add_panel("approval", "comparison", "serving.admin.comparison.panel", order=10)
add_panel("dataset_version", "score", "serving.admin.panels.score_link", order=10)
add_panel("dataset_version", "jobs", "serving.admin.panels.jobs_of_dataset", order=20)
add_panel("index", "figures", "serving.admin.panels.figures", order=10)
add_panel("index", "jobs", "serving.admin.panels.running_jobs", order=20)
add_panel("index", "schedules", "serving.admin.panels.next_schedules", order=30)
add_panel("index", "host", "serving.admin.host_panel.panel", order=40)
