"""The registry's Django application."""

from __future__ import annotations

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """What is known and governed."""

    name = "registry"
    verbose_name = "Registry"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """From now on changes of what governs are announced."""
        from registry import governing

        governing.announce_changes()
