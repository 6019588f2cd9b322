"""The registry's Django application."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RegistryConfig(AppConfig):
    """What is known and governed."""

    name = "registry"
    verbose_name = "Registry"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Changes of what governs are announced; after a migration the audit trail is guarded."""
        # Checks register themselves when they are imported.
        from registry import append_only, checks, deployment, governing  # noqa: F401

        governing.announce_changes()
        post_migrate.connect(append_only.set_after_migrations, sender=self)
