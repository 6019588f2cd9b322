"""Serving's Django application: it listens to the registry's signals from start on."""

from __future__ import annotations

from django.apps import AppConfig


class ServingConfig(AppConfig):
    """What runs."""

    name = "serving"
    verbose_name = "Serving"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers and register the checks."""
        from serving import checks, receivers  # noqa: F401  (checks register themselves)

        receivers.connect()
