"""Serving's Django application: it listens to the registry's signals from start on."""

from __future__ import annotations

from django.apps import AppConfig


class ServingConfig(AppConfig):
    """What runs."""

    name = "serving"
    verbose_name = "Serving"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers, register the checks, announce changes of routes."""
        from registry.api.health import FACTS
        from registry.changes import announce_changes_of
        from serving import checks, receivers  # noqa: F401  (checks register themselves)
        from serving.actions import held_files, pruning
        from serving.actions.host import confinement
        from serving.models import Route, RouteTarget

        receivers.connect()
        held_files.connect()
        pruning.connect()
        FACTS["confinement"] = confinement
        announce_changes_of(Route, RouteTarget)
