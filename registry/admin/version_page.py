"""What the page of one version shows to one principal."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.http import HttpRequest

from registry import roles
from registry.admin.calling import base_url, examples_for
from registry.admin.decisions import decision_context
from registry.admin.engine import engine_context
from registry.models import ApprovalRequest, Check, ModelVersion
from registry.models.approval_request import ApprovalSubject
from registry.models.check import CheckName, Verdict
from registry.models.model_version import VERSION_MOVES, VersionStatus
from registry.panels import contents_of
from registry.principals import Principal

MOVING = (VersionStatus.PENDING, VersionStatus.CHECKING)

# What each check asks, in the order in which they run.
QUESTIONS: dict[str, str] = {
    CheckName.SCAN: "Are the bytes what they claim to be, and harmless to open?",
    CheckName.LOAD: "Does the model load here, and what does it say about itself?",
    CheckName.SIGNATURE: "Which columns does it take, and do the example rows fit?",
    CheckName.GOLDEN: "Does it answer the example rows, as it did where it was trained?",
    CheckName.COMPILE: "Can it be compiled, with the same answers?",
}

NEXT_STEPS: dict[str, str] = {
    VersionStatus.PENDING: "It waits for a worker. This page follows along by itself.",
    VersionStatus.CHECKING: "The checks are running. This page follows along by itself.",
    VersionStatus.REJECTED: (
        "It cannot be called. The check that failed says why and what to do; then upload it again "
        "as the next version. The bytes are kept for 7 days, the evidence stays."
    ),
    VersionStatus.ARCHIVED: "It is out of use and cannot be called any more.",
}


# A quarantined version waits for a person or for the gate.
WAITS_FOR_REVIEW = (
    "Its checks have passed. Loading this format executes code from the file, so somebody other "
    "than the uploader has to approve these bytes before it can be called."
)
WAITS_FOR_GATE = (
    "It cannot be called: the gate, which knows more than when it passed the file, refuses it now. "
    "The scan says why. It comes back by itself when a later gate passes it."
)


# What the upload page says of files that execute code, by the policy of this server.
POLICY_WORDS: dict[str, str] = {
    "gate": (
        "joblib and pickle files can carry any code: they go on when every name in them is on this "
        "server's list, and are only ever opened in a confined process."
    ),
    "approve": (
        "joblib and pickle files can carry any code: after their checks they wait until somebody "
        "other than you approves them. skops and ONNX files do not."
    ),
    "refuse": "This server takes no joblib and pickle files: save with skops, or export to ONNX.",
}


class VersionPage:
    """Contexts of the page and of its live part."""

    def __init__(self, request: HttpRequest, version: ModelVersion, by: Principal) -> None:
        self.request = request
        self.version = version
        self.by = by

    @property
    def is_moving(self) -> bool:
        """Whether its checks wait or run."""
        return self.version.status in MOVING

    def context(self) -> dict[str, Any]:
        """The context of ``registry/version.html``."""
        version, model = self.version, self.version.model
        may_publish = self.by.may(roles.PUBLISHER, model)
        return {
            "title": f"{model.name} {version.number}",
            "model": model,
            **self.checks_context(),
            "aliases": list(version.aliases.all()),
            "may_publish": may_publish,
            "may_archive": may_publish and VersionStatus.ARCHIVED in VERSION_MOVES[version.status],
            "may_correct": may_publish and bool(version.signature or version.declared_signature),
            "next_step": self._next_step(),
            "approval": self._approval(),
            "signature": version.signature or version.declared_signature,
            "is_declared_only": version.signature is None,
            "artifact_url": f"{self._address}/artifact",
            "libraries": libraries_of(version),
            "call": self._call(),
            "engine": engine_context(version, self.checks),
            "panels": contents_of("version", self.request, version),
        }

    def checks_context(self) -> dict[str, Any]:
        """The context of ``registry/version_checks.html``."""
        return {"version": self.version, "is_moving": self.is_moving, "checks": self.checks}

    @cached_property
    def checks(self) -> list[tuple[Check, str]]:
        """The checks in their order, each with its question."""
        order = list(CheckName.values)
        rows = sorted(self.version.checks.all(), key=lambda check: order.index(check.name))
        return [(check, QUESTIONS.get(check.name, "")) for check in rows]

    @property
    def _address(self) -> str:
        path = f"models/{self.version.model.name}/versions/{self.version.number}"
        return f"{base_url(self.request)}/api/v1/{path}"

    def _next_step(self) -> str:
        if self.version.model.archived_at is not None:
            return "Its model is archived: it cannot be called until that is taken back into use."
        if self.version.status != VersionStatus.QUARANTINED:
            return NEXT_STEPS.get(self.version.status, "")
        scan = next((check for check, _ in self.checks if check.name == CheckName.SCAN), None)
        is_refused = scan is not None and scan.verdict == Verdict.FAILED
        return WAITS_FOR_GATE if is_refused else WAITS_FOR_REVIEW

    def _call(self) -> dict[str, str] | None:
        is_archived = self.version.model.archived_at is not None
        if self.version.status != VersionStatus.READY or is_archived:
            return None
        return examples_for(self.request, self.version, by_number=True)

    def _approval(self) -> dict[str, Any] | None:
        request = (
            ApprovalRequest.objects.filter(version=self.version, subject=ApprovalSubject.VERSION)
            .select_related("model", "version", "requested_by", "decided_by")
            .order_by("-id")
            .first()
        )
        return decision_context(self.by, request) if request else None


def libraries_of(version: ModelVersion) -> list[tuple[str, str]]:
    """Library and version, as this server has them; who saved the model where that differs."""
    libraries: dict[str, str] = dict((version.facts or {}).get("libraries", {}))
    saved_by = libraries.pop("trained-with", None)
    shown = list(libraries.items())
    return shown if saved_by is None else [("saved by", f"scikit-learn {saved_by}"), *shown]
