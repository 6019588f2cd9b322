"""Which engine answers for a version: its compiled graph or the original, and who pins it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from registry import audit, roles
from registry.actions.verdicts import locked, record_check, record_findings
from registry.errors import InvalidField, StateConflict
from registry.models import Check, ModelVersion
from registry.models.check import CheckName, Verdict
from registry.models.model_version import Engine, VersionStatus
from registry.principals import Principal, require

_BEGUN = "begun"  # the member of a check's evidence that has the edition of an attempt
_SERVED = (VersionStatus.READY, VersionStatus.QUARANTINED)


@transaction.atomic
def record_compile(
    version: ModelVersion,
    *,
    compiled_sha256: str,
    verdict: str,
    summary: str,
    evidence: Mapping[str, Any],
    needs_review: bool = False,
) -> ModelVersion:
    """Write what became of a compile; an empty digest means that the original answers.

    The last check of a version that is being checked, which it moves on; of one that was ready
    before, the check is written anew and nothing else changes. A pin to a graph that is no more is
    taken off. Raises StateConflict for a version that is neither.
    """
    version = locked(version)
    if version.status == VersionStatus.CHECKING:
        record_findings(version, compiled_sha256=compiled_sha256)
        return record_check(
            version, CheckName.COMPILE, verdict, summary, evidence, needs_review=needs_review
        )
    if version.status not in _SERVED or version.ready_at is None:
        raise StateConflict(f"{version} is {version.status}.")
    Check.objects.update_or_create(
        version=version,
        name=CheckName.COMPILE,
        defaults={
            "verdict": verdict,
            "summary": summary,
            "evidence": dict(evidence),
            "decided_at": timezone.now(),
        },
    )
    _write_engine(None, version, "version.compile", compiled_sha256=compiled_sha256)
    return version


@transaction.atomic
def begin_compile(version: ModelVersion, evidence: Mapping[str, Any]) -> None:
    """Note that a graph is about to be opened: who dies of it is not asked again.

    Only for a version that is being checked.
    """
    rows = Check.objects.filter(version=version, name=CheckName.COMPILE)
    rows.update(evidence=dict(evidence))


@transaction.atomic
def begin_compile_again(version: ModelVersion, edition: str) -> None:
    """Note that converters of this edition are about to open a graph of a version that serves.

    The verdict of now stands beside the note until ``record_compile`` writes another one. Raises
    StateConflict for a version that is ready no more.
    """
    version = locked(version)
    if version.status not in _SERVED or version.ready_at is None:
        raise StateConflict(f"{version} is {version.status}.")
    check, _ = Check.objects.get_or_create(
        version=version,
        name=CheckName.COMPILE,
        defaults={"verdict": Verdict.SKIPPED, "summary": "The original serves."},
    )
    check.evidence = {**check.evidence, _BEGUN: edition}
    check.save(update_fields=["evidence"])


def has_begun_compile(version: ModelVersion, edition: str) -> bool:
    """Whether such a compile began and told of no end: its process ended with it."""
    rows = Check.objects.filter(version=version, name=CheckName.COMPILE)
    return rows.filter(**{f"evidence__{_BEGUN}": edition}).exists()


@transaction.atomic
def end_compile_again(version: ModelVersion) -> None:
    """Take the note off: the compile stopped for another reason and may be tried again."""
    for check in Check.objects.select_for_update().filter(version=version, name=CheckName.COMPILE):
        check.evidence = {k: v for k, v in check.evidence.items() if k != _BEGUN}
        check.save(update_fields=["evidence"])


@transaction.atomic
def pin_version(*, by: Principal, version: ModelVersion, engine: str) -> ModelVersion:
    """Have one engine answer whatever the checks say; "" leaves it to them.

    Raises InvalidField for an unknown engine, and StateConflict for ``onnx`` where no compiled
    graph agrees with the original.
    """
    require(by, roles.PUBLISHER, version.model)
    if engine not in ("", *Engine.values):
        raise InvalidField("“onnx”, “original” or null was expected.", pointer="/pinned_to")
    version = locked(version)
    if engine == Engine.COMPILED and not version.compiled_sha256:
        raise StateConflict(
            f"{version} has no compiled graph that answers as the original does: see its check "
            "“compile”."
        )
    if engine != version.pinned_to:
        _write_engine(by, version, "version.pin", pinned_to=engine)
    return version


def _write_engine(by: Principal | None, version: ModelVersion, event: str, **values: str) -> None:
    if not values.get("compiled_sha256", "kept") and version.pinned_to == Engine.COMPILED:
        values["pinned_to"] = ""
    before = {name: getattr(version, name) for name in values}
    if before == values:
        return
    ModelVersion.objects.filter(pk=version.pk).update(**values)
    version.refresh_from_db()
    audit.record(by, event, version, before=before, after=values)
