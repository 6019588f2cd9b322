"""Four eyes: what waits for somebody else's decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from registry.models.base import TimeOrdered, one_of
from registry.models.model_version import ModelVersion
from registry.models.registered_model import RegisteredModel
from registry.models.visibility import visible_datasets, visible_models

if TYPE_CHECKING:
    from registry.principals import Principal


class ApprovalSubject(models.TextChoices):
    """What is to be approved: a move of an alias, a quarantined version, a higher tier of data."""

    ALIAS = "alias"
    VERSION = "version"
    TIER = "tier"


class ApprovalState(models.TextChoices):
    """Pending is the only state that anything leads out of."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class ApprovalRequestQuerySet(models.QuerySet["ApprovalRequest"]):
    """Requests by who may see them."""

    def visible_to(self, principal: Principal) -> ApprovalRequestQuerySet:
        """Requests about the models that the principal may see."""
        of_models = Q(model__isnull=False) & visible_models(principal, "model__")
        data = "dataset_version__dataset__"
        of_data = Q(dataset_version__isnull=False) & visible_datasets(principal, data)
        return self.filter(of_models | of_data)

    def pending(self) -> ApprovalRequestQuerySet:
        """Those that wait for a decision."""
        return self.filter(state=ApprovalState.PENDING)

    def decide(self, request: ApprovalRequest, **decision: object) -> bool:
        """Write a decision if none stands yet; False when somebody was quicker."""
        return bool(self.pending().filter(pk=request.pk).update(**decision))


class ApprovalRequest(TimeOrdered):
    """A question to an approver, bound to the sha256 of the bytes it is about.

    The release of a version is also bound to the version of the gate that has passed the bytes.
    """

    subject = models.CharField(max_length=16, choices=ApprovalSubject.choices)
    # Of the subjects alias and version.
    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, null=True, blank=True, related_name="approval_requests"
    )
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="approval_requests"
    )
    # Of the subject tier: the version of a dataset, and the tier that it is to have.
    dataset_version = models.ForeignKey(
        "registry.DatasetVersion",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="approval_requests",
    )
    tier = models.CharField(max_length=16, blank=True)
    alias = models.CharField(max_length=63, blank=True)
    sha256 = models.CharField(max_length=64)
    gate_version = models.CharField(max_length=32, blank=True)
    state = models.CharField(
        max_length=16, choices=ApprovalState.choices, default=ApprovalState.PENDING
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="requested_approvals"
    )
    request_reason = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.TextField(blank=True)
    evidence = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    # When mails were sent: to those who may decide, and to the requester about the decision.
    asked_by_mail_at = models.DateTimeField(null=True, blank=True)
    told_by_mail_at = models.DateTimeField(null=True, blank=True)
    # Whoever sends these mails holds it until then; a failed try waits as long.
    mailing_until = models.DateTimeField(null=True, blank=True)

    objects = ApprovalRequestQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            one_of("subject", ApprovalSubject.values, "approval_subject_known"),
            one_of("state", ApprovalState.values, "approval_state_known"),
            models.UniqueConstraint(
                fields=["version", "subject", "alias"],
                condition=Q(state="pending"),
                name="approval_pending_once",
            ),
            models.UniqueConstraint(
                fields=["dataset_version", "tier"],
                condition=Q(state="pending", subject="tier"),
                name="approval_of_tier_pending_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    subject="tier",
                    dataset_version__isnull=False,
                    version__isnull=True,
                    model__isnull=True,
                )
                | (
                    ~Q(subject="tier")
                    & Q(dataset_version__isnull=True, version__isnull=False, model__isnull=False)
                ),
                name="approval_about_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("requested_by")),
                name="approval_by_somebody_else",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", decided_at__isnull=True, decided_by__isnull=True)
                | (~Q(state="pending") & Q(decided_at__isnull=False, decided_by__isnull=False)),
                name="approval_decided_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.version or self.dataset_version} is {self.state}"
