"""One version of a model: immutable once it is ready."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.errors import VersionNotReady, VersionNotServable
from registry.formats import FORMATS
from registry.models.base import TimeOrdered, one_of
from registry.models.registered_model import RegisteredModel
from registry.models.visibility import visible_models
from registry.signature.facts import ModelFacts
from registry.signature.types import Signature

if TYPE_CHECKING:
    from registry.principals import Principal


class VersionStatus(models.TextChoices):
    """Where a version stands."""

    PENDING = "pending"
    CHECKING = "checking"
    READY = "ready"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"
    ARCHIVED = "archived"


_S = VersionStatus
# The one table of moves. `checking -> pending` is the return of a check whose worker died,
# `quarantined -> ready` the release by an approval, `ready -> quarantined` the refusal by a newer
# gate, whose later pass leads back; from `quarantined` and `rejected` checks may start again.
VERSION_MOVES: dict[str, frozenset[str]] = {
    _S.PENDING: frozenset({_S.CHECKING}),
    _S.CHECKING: frozenset({_S.PENDING, _S.READY, _S.QUARANTINED, _S.REJECTED}),
    _S.QUARANTINED: frozenset({_S.PENDING, _S.READY, _S.REJECTED, _S.ARCHIVED}),
    _S.READY: frozenset({_S.QUARANTINED, _S.ARCHIVED}),
    _S.REJECTED: frozenset({_S.PENDING, _S.ARCHIVED}),
    _S.ARCHIVED: frozenset(),
}


class Engine(models.TextChoices):
    """What answers for a version."""

    COMPILED = "onnx", "The compiled graph, in process"
    ORIGINAL = "original", "The original, in the model host"


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    """Versions by who sees them and where they stand."""

    def visible_to(self, principal: Principal) -> ModelVersionQuerySet:
        """Versions of the models that the principal may see."""
        return self.filter(visible_models(principal, "model__"))

    def ready(self) -> ModelVersionQuerySet:
        """Those that can be scored with."""
        return self.filter(status=VersionStatus.READY)

    def behind_gate(self, gate_version: str) -> ModelVersionQuerySet:
        """Settled and not over, and last looked at by another version of the gate."""
        other = Q(gate_version__lt=gate_version) | Q(gate_version__gt=gate_version)
        return self.filter(other, status__in=(VersionStatus.READY, VersionStatus.QUARANTINED))

    def awaiting_check(self) -> ModelVersionQuerySet:
        """Pending ones, and those whose checking was left by a worker that died."""
        abandoned = Q(status=VersionStatus.CHECKING, checking_until__lt=Now())
        return self.filter(Q(status=VersionStatus.PENDING) | abandoned)

    def claim_check(self, version_id: uuid.UUID | str, *, lease_s: int) -> bool:
        """Take one for checking; False when somebody else has it or it needs none."""
        return bool(
            self.awaiting_check()
            .filter(pk=version_id)
            .update(
                status=VersionStatus.CHECKING,
                checking_until=Now() + timedelta(seconds=lease_s),
                check_attempts=models.F("check_attempts") + 1,
            )
        )

    def move(self, version: ModelVersion, to: VersionStatus) -> bool:
        """One step of the state table, if the version still stands where it was read."""
        if to not in VERSION_MOVES[version.status]:
            return False
        return bool(self.filter(pk=version.pk, status=version.status).update(status=to))


class ModelVersion(TimeOrdered):
    """Artifact, signature, golden rows, checks and provenance under an integer."""

    model = models.ForeignKey(RegisteredModel, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(
        max_length=16, choices=VersionStatus.choices, default=VersionStatus.PENDING
    )
    format = models.CharField(max_length=16, choices=[(k, f.title) for k, f in FORMATS.items()])
    artifact = models.ForeignKey("registry.Artifact", models.PROTECT, related_name="versions")
    runtime = models.CharField(max_length=32)
    file_label = models.CharField(max_length=255, blank=True)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict, blank=True)
    metrics = models.JSONField(default=dict, blank=True)
    source = models.TextField(blank=True)
    training_dataset = models.ForeignKey(
        "registry.DatasetVersion", models.PROTECT, null=True, blank=True, related_name="trained"
    )
    from_version = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="corrections"
    )
    # What the uploader sent along, as digests of blobs and as JSON; null when not sent.
    example_sha256 = models.CharField(max_length=64, blank=True)
    example_format = models.CharField(max_length=16, blank=True)
    expected_sha256 = models.CharField(max_length=64, blank=True)
    declared_signature = models.JSONField(null=True, blank=True)
    # What the checks found out; null until then.
    signature = models.JSONField(null=True, blank=True)
    facts = models.JSONField(null=True, blank=True)
    golden_sha256 = models.CharField(max_length=64, blank=True)
    # The graph that answers like the original, as the digest of a blob; empty when there is none.
    compiled_sha256 = models.CharField(max_length=64, blank=True)
    pinned_to = models.CharField(max_length=16, choices=Engine.choices, blank=True)
    # Which version of the gate has looked at the bytes last; empty until the scan.
    gate_version = models.CharField(max_length=32, blank=True)
    checking_until = models.DateTimeField(null=True, blank=True)
    check_attempts = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="registered_versions"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = ModelVersionQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="version_number_once"),
            one_of("status", VersionStatus.values, "version_status_known"),
            models.CheckConstraint(
                condition=~Q(status="ready") | (Q(signature__isnull=False, facts__isnull=False)),
                name="version_ready_has_signature",
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="version_number_from_one"),
            one_of("pinned_to", ["", *Engine.values], "version_pinned_to_known"),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="version_by_status"),
            models.Index(fields=["gate_version", "status"], name="version_by_gate"),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} version {self.number}"

    def may_become(self, status: VersionStatus) -> bool:
        """Whether the state table has this move."""
        return status in VERSION_MOVES[self.status]

    def require_servable(self) -> None:
        """Raise VersionNotReady or VersionNotServable unless the version can be scored with."""
        if self.model.archived_at is not None:
            raise VersionNotServable(f"The model “{self.model}” is archived.")
        if self.status == VersionStatus.READY:
            return
        if self.status in (VersionStatus.REJECTED, VersionStatus.ARCHIVED):
            raise VersionNotServable(f"{self} is {self.status}.")
        raise VersionNotReady(f"{self} is {self.status}.")

    @property
    def engine(self) -> Engine:
        """What answers for this version: the pinned one, else the compiled graph if it has one."""
        if self.compiled_sha256 and self.pinned_to != Engine.ORIGINAL:
            return Engine.COMPILED
        return Engine.ORIGINAL

    @property
    def parsed_signature(self) -> Signature:
        """The signature as a value. Only for versions whose signature was found."""
        return Signature.from_json(self.signature)

    @property
    def parsed_facts(self) -> ModelFacts:
        """What the runtime said about the fitted object. Only after the load check."""
        return ModelFacts.from_json(self.facts or {})
