"""How a model's endpoint splits traffic over versions, and what it mirrors to."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from registry.models import ModelVersion, RegisteredModel
from registry.models.base import TimeOrdered


class Route(TimeOrdered):
    """What the bare name of a model calls; without one that is its champion."""

    model = models.OneToOneField(RegisteredModel, models.CASCADE, related_name="route")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"route of {self.model.name}"


class RouteTargetQuerySet(models.QuerySet["RouteTarget"]):
    """Targets in the order in which they were written."""

    def of(self, model: RegisteredModel) -> RouteTargetQuerySet:
        """Those of a model's route, mirrors included, with the versions that they name."""
        rows = self.filter(route__model=model).select_related("version__artifact")
        return rows.order_by("is_mirror", "place")


class RouteTarget(TimeOrdered):
    """A version or an alias in a route. An alias is followed wherever it goes.

    ``weight`` is its share of a hundred requests. A mirror has none: it gets a copy of each
    request and answers nobody.
    """

    route = models.ForeignKey(Route, models.CASCADE, related_name="targets")
    is_mirror = models.BooleanField(default=False)
    place = models.PositiveSmallIntegerField()
    alias = models.CharField(max_length=63, blank=True)
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="route_targets"
    )
    weight = models.PositiveSmallIntegerField(default=0)

    objects = RouteTargetQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(alias="", version__isnull=False)
                | (~Q(alias="") & Q(version__isnull=True)),
                name="route_target_names_one",
            ),
            models.CheckConstraint(condition=Q(weight__lte=100), name="route_weight_at_most_all"),
            models.CheckConstraint(
                condition=Q(is_mirror=False) | Q(weight=0), name="route_mirror_has_no_weight"
            ),
            models.UniqueConstraint(
                fields=["route", "is_mirror", "place"], name="route_place_once"
            ),
            models.UniqueConstraint(
                fields=["route", "is_mirror", "version"], name="route_version_once"
            ),
            models.UniqueConstraint(
                fields=["route", "is_mirror", "alias"],
                condition=~Q(alias=""),
                name="route_alias_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What the target is called in its route: an alias, or the number of a version."""
        return self.alias or str(self.version.number if self.version else "")
