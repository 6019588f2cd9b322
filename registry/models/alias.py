"""Movable pointers to versions, and every move that they made."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from registry.models.base import TimeOrdered
from registry.models.model_version import ModelVersion
from registry.models.registered_model import RegisteredModel

CHAMPION = "champion"
ALIAS_PATTERN = r"(?!latest\Z)(?!v[0-9]+\Z)[a-z][a-z0-9_-]{0,62}"
ALIAS_HELP = (
    "Small letters, digits, dash and underscore, begins with a letter; not 'latest', not 'v' "
    "followed by digits."
)
check_alias = RegexValidator(rf"\A{ALIAS_PATTERN}\Z", ALIAS_HELP, code="invalid-alias")


class Alias(TimeOrdered):
    """Where a name such as ``champion`` points now."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=63, validators=[check_alias], help_text=ALIAS_HELP)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="aliases")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TimeOrdered.Meta):
        ordering = ("name",)
        verbose_name_plural = "aliases"
        constraints = [
            models.UniqueConstraint(fields=["model", "name"], name="alias_once_per_model"),
            models.CheckConstraint(
                condition=Q(name__regex=r"^[a-z][a-z0-9_-]{0,62}$"), name="alias_name_well_formed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name}@{self.name}"


class AliasChangeQuerySet(models.QuerySet["AliasChange"]):
    """Moves, newest first."""

    def of(self, model: RegisteredModel, alias: str) -> AliasChangeQuerySet:
        """The moves of one alias."""
        return self.filter(model=model, alias=alias)


class AliasChange(TimeOrdered):
    """One move, append-only. ``from_version`` is null at first, ``to_version`` at removal."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="alias_changes")
    alias = models.CharField(max_length=63)
    from_version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    to_version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    reason = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    objects = AliasChangeQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        indexes = [models.Index(fields=["model", "alias", "-at"], name="alias_history")]
        constraints = [
            models.CheckConstraint(
                condition=Q(from_version__isnull=False) | Q(to_version__isnull=False),
                name="alias_change_moves_something",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model.name}@{self.alias} at {self.at:%Y-%m-%d %H:%M}"
