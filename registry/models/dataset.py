"""Named tabular data that is held as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from registry.models.base import TimeOrdered, is_named, name_field, one_of, unique_ignoring_case
from registry.models.registered_model import Classification
from registry.models.visibility import visible_datasets

if TYPE_CHECKING:
    from registry.principals import Principal


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Datasets by who sees them."""

    def visible_to(self, principal: Principal) -> DatasetQuerySet:
        """Those that the principal has any role on."""
        return self.filter(visible_datasets(principal))

    def named(self, name: str) -> DatasetQuerySet:
        """The one with this name, ignoring case."""
        return self.filter(is_named(name))

    def in_use(self) -> DatasetQuerySet:
        """Those that are not archived."""
        return self.filter(archived_at__isnull=True)


class Dataset(TimeOrdered):
    """A governed name for data: owner, classification, tags; its versions are immutable."""

    name = name_field()
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict, blank=True)
    classification = models.CharField(
        max_length=16, choices=Classification.choices, default=Classification.INTERNAL
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="owned_datasets"
    )
    # What a version has to fit before it moves up a tier; empty: no rules.
    rules = models.JSONField(default=dict, blank=True)
    # Days after which the bytes of a version are erased; null keeps them for good.
    retention_days = models.PositiveIntegerField(null=True, blank=True)
    legal_hold = models.BooleanField(default=False)
    archived_at = models.DateTimeField(null=True, blank=True)
    next_number = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DatasetQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            unique_ignoring_case("dataset_name_once"),
            one_of("classification", Classification.values, "dataset_classification_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def hides_cells(self) -> bool:
        """Whether errors must not repeat the cells that were received."""
        return Classification.hides_cells(self.classification)
