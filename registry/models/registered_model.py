"""A governed name under which versions are registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from registry.errors import StateConflict
from registry.models.base import TimeOrdered, is_named, name_field, one_of, unique_ignoring_case
from registry.models.visibility import visible_models

if TYPE_CHECKING:
    from registry.principals import Principal


class Classification(models.TextChoices):
    """How widely something may be known."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @classmethod
    def rank(cls, value: str) -> int:
        """How strict it is: 0 for public, 3 for restricted."""
        return cls.values.index(value)

    @classmethod
    def strictest(cls, *values: str) -> str:
        """What counts for something made from things of these classifications."""
        return max(values, key=cls.rank)

    @classmethod
    def hides_cells(cls, value: str) -> bool:
        """Whether errors must not repeat the cells that were received."""
        return value in (cls.CONFIDENTIAL, cls.RESTRICTED)


class Kind(models.TextChoices):
    """What a registered operation does; all of them are called alike."""

    MODEL = "model"
    TRANSFORM = "transform"
    EXTRACT = "extract"
    REPORT = "report"
    PIPELINE = "pipeline"


class RegisteredModelQuerySet(models.QuerySet["RegisteredModel"]):
    """Reads as a sentence: ``RegisteredModel.objects.visible_to(principal).named("churn")``."""

    def visible_to(self, principal: Principal) -> RegisteredModelQuerySet:
        """Those that the principal has any role on."""
        return self.filter(visible_models(principal))

    def named(self, name: str) -> RegisteredModelQuerySet:
        """The one with this name, ignoring case."""
        return self.filter(is_named(name))

    def in_use(self) -> RegisteredModelQuerySet:
        """Those that are not archived."""
        return self.filter(archived_at__isnull=True)


class RegisteredModel(TimeOrdered):
    """A governed name: owner, description (the model card), tags, kind, approval rule."""

    name = name_field()
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict, blank=True)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.MODEL)
    classification = models.CharField(
        max_length=16, choices=Classification.choices, default=Classification.INTERNAL
    )
    # The model card's answers by field name; empty until somebody fills it in.
    card = models.JSONField(default=dict, blank=True)
    approval_required = models.BooleanField(default=False)
    # While set nothing of it is pruned, whatever its age.
    legal_hold = models.BooleanField(default=False)
    archived_at = models.DateTimeField(null=True, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="owned_models")
    # How many of a hundred requests are kept as prediction records; 0 keeps none.
    capture_percent = models.PositiveSmallIntegerField(default=0)
    next_number = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = RegisteredModelQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            unique_ignoring_case("model_name_once"),
            one_of("kind", Kind.values, "model_kind_known"),
            one_of("classification", Classification.values, "model_classification_known"),
            models.CheckConstraint(
                condition=models.Q(capture_percent__lte=100), name="model_capture_at_most_all"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def hides_cells(self) -> bool:
        """Whether errors must not repeat the cells that were received."""
        return Classification.hides_cells(self.classification)

    def require_in_use(self) -> None:
        """Raise StateConflict for an archived one: nothing of it changes until it is taken back."""
        if self.archived_at is not None:
            raise StateConflict(f"The model “{self}” is archived: take it back into use first.")
