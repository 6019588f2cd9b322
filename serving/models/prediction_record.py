"""A captured request and its answer."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.models import Q

from registry import roles
from registry.models import Grant, ModelVersion, RegisteredModel
from registry.models.base import TimeOrdered
from registry.models.visibility import visible_models

if TYPE_CHECKING:
    from registry.principals import Principal


def manages_model(principal: Principal) -> models.Value | models.Exists:
    """Whether the principal, who sees a row's ``model``, manages it too: a condition of SQL."""
    if not principal.has_scope_for(roles.MANAGER):
        return models.Value(False)
    if principal.global_role == roles.MANAGER:
        return models.Value(True)
    grants = Grant.objects.filter(user=principal.user, role=roles.MANAGER)
    return models.Exists(grants.filter(model=models.OuterRef("model")))


class PredictionRecordQuerySet(models.QuerySet["PredictionRecord"]):
    """Records by who may read them and how old they are."""

    def readable_by(self, principal: Principal) -> PredictionRecordQuerySet:
        """Those of models that the principal manages: they hold what others have sent."""
        visible = self.filter(visible_models(principal, "model__"))
        return visible.filter(manages_model(principal))

    def before(self, moment: datetime) -> PredictionRecordQuerySet:
        """Those that were made before a moment; ids sort by time, so no other index is needed."""
        return self.filter(pk__lt=UUID(int=int(moment.timestamp() * 1_000) << 80))

    def answered(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> PredictionRecordQuerySet:
        """Those that were answered from ``since`` on and before ``until``."""
        rows = self
        if since is not None:
            # The id is made when the record is written, which is never before the answer.
            first = UUID(int=max(0, int(since.timestamp() * 1_000)) << 80)
            rows = rows.filter(pk__gte=first, created_at__gte=since)
        return rows if until is None else rows.filter(created_at__lt=until)


class PredictionRecord(TimeOrdered):
    """One request of the share that is captured.

    ``inputs`` are the good rows as lists in signature order, ``answers`` the members of the native
    answer, both at most the first ``ROWS_MAX`` of ``rows``. Where the model hides cells ``inputs``
    is null, and members that may repeat cells are left out; either is null where it is too long to
    be kept, or nothing is left. ``by`` names the caller as the audit trail does: ``key:...`` or
    ``user:...``.
    """

    ROWS_MAX = 100

    # The two indexes below lead with them.
    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="prediction_records", db_index=False
    )
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, related_name="prediction_records", db_index=False
    )
    request_id = models.CharField(max_length=128)
    by = models.CharField(max_length=80, blank=True)
    rows = models.PositiveIntegerField()
    inputs = models.JSONField(null=True)
    answers = models.JSONField(null=True)
    latency_ms = models.FloatField()
    created_at = models.DateTimeField()

    objects = PredictionRecordQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(latency_ms__gte=0), name="record_latency_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["model", "-id"], name="record_by_model"),
            models.Index(fields=["version", "-id"], name="record_by_version"),
        ]

    def __str__(self) -> str:
        return self.request_id

    @property
    def shown_inputs(self) -> list[list[Any]] | None:
        """The inputs; None once the model hides cells, whenever they were kept."""
        return None if self.model.hides_cells else self.inputs
