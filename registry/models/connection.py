"""A database elsewhere that rows are read from or written to; its secret is held sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from registry.models.base import TimeOrdered, is_named, name_field, one_of, unique_ignoring_case
from registry.models.registered_model import Classification
from registry.models.visibility import visible_connections

if TYPE_CHECKING:
    from registry.principals import Principal


class ConnectionDriver(models.TextChoices):
    """What speaks to the database."""

    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"


class ConnectionQuerySet(models.QuerySet["Connection"]):
    """Connections by who may use them."""

    def visible_to(self, principal: Principal) -> ConnectionQuerySet:
        """Those that the principal has any role on."""
        return self.filter(visible_connections(principal))

    def named(self, name: str) -> ConnectionQuerySet:
        """The one with this name, ignoring case."""
        return self.filter(is_named(name))

    def enabled(self) -> ConnectionQuerySet:
        """Those that may be used now."""
        return self.filter(disabled_at__isnull=True)


class Connection(TimeOrdered):
    """``address`` is a URI without a password; ``sealed_secret`` the password, empty for none.

    Only ``registry.sealing`` makes and opens what is sealed. Reading and writing are allowed one
    by one. Jobs and dataset versions name their connection, so none is deleted that was used.
    """

    name = name_field()
    driver = models.CharField(max_length=16, choices=ConnectionDriver.choices)
    address = models.CharField(max_length=500)
    sealed_secret = models.TextField(blank=True)
    allows_reading = models.BooleanField(default=True)
    allows_writing = models.BooleanField(default=False)
    # The strictest classification of rows that may be written to it.
    classification = models.CharField(
        max_length=16, choices=Classification.choices, default=Classification.INTERNAL
    )
    description = models.TextField(blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="owned_connections"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    disabled_at = models.DateTimeField(null=True, blank=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            unique_ignoring_case("connection_name_once"),
            one_of("driver", ConnectionDriver.values, "connection_driver_known"),
            one_of("classification", Classification.values, "connection_classification_known"),
        ]

    def __str__(self) -> str:
        return self.name
