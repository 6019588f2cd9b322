"""Compiling versions: as the last of their checks, and again when the converters have learned.

A compile decides who answers, never whether: the version is ready with the original as well.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef

from registry import storage
from registry.actions.compiled import (
    begin_compile,
    begin_compile_again,
    end_compile_again,
    has_begun_compile,
    record_compile,
)
from registry.actions.file_policy import needs_review, policy_format
from registry.errors import CheckRefused, DomainError, StateConflict, StorageFull
from registry.models import Check, ModelVersion
from registry.models.check import COMPILED_RUNTIMES, CheckName, Verdict
from registry.signature.facts import ModelFacts
from registry.signature.types import Signature
from serving.actions.compile_check import Compiled, compiled_by, skipped
from serving.actions.host import host
from serving.actions.scoring import load_golden
from serving.conf import conf
from serving.runtimes.compiled.edition import COMPILE_EDITION
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.client import Inspection, ModelSpec
from serving.runtimes.isolation.errors import HostError
from serving.runtimes.isolation.protocol import storable

log = logging.getLogger(__name__)

PAGE = 200
# Load and compile of one model together.
DEADLINE_S = 180.0
_LOST = ("worker-lost", "The process that compared the graph ended while it did.")


def compiled_here(
    child: Inspection,
    version: ModelVersion,
    facts: ModelFacts,
    signature: Signature,
    golden: Golden | None,
) -> Compiled:
    """Compile a version that is being checked. A graph that ended a worker is not opened again."""
    if not conf.compile_rows:
        return skipped("compile-off", "This server compiles nothing (COMPILE_ROWS=0).")
    if _is_lost(version):
        return skipped("graph-ended-worker", _LOST[1])
    try:
        return compiled_by(
            child,
            facts,
            signature,
            golden,
            n_rows=conf.compile_rows,
            hides_cells=version.model.hides_cells,
            before_opening=lambda evidence: begin_compile(version, evidence),
        )
    except StateConflict:
        raise
    except Exception:
        # A fault of ours in what is only for speed: the version is ready without it.
        log.exception("Compiling %s has failed", version)
        return skipped("compile-failed", "The compile stopped at a fault of the service.")


def record_compiled(
    version: ModelVersion, compiled: Compiled, *, needs_review: bool = False
) -> ModelVersion:
    """Keep the graph, if there is one, and write the verdict."""
    sha256 = ""
    if compiled.content is not None:
        try:
            sha256 = storage.put_bytes(compiled.content).sha256
        except StorageFull:
            compiled = skipped("storage-full", "There was no room for the graph.")
    evidence = storable(compiled.evidence) | ({"graph_sha256": sha256} if sha256 else {})
    return record_compile(
        version,
        compiled_sha256=sha256,
        verdict=compiled.verdict,
        summary=compiled.summary,
        evidence=evidence,
        needs_review=needs_review,
    )


def give_up_compile(version: ModelVersion) -> None:
    """Every worker that compiled it died: the original serves."""
    scanned = version.checks.filter(name=CheckName.SCAN).values_list("evidence", flat=True).first()
    waits = needs_review(version, policy_format(version, scanned or {}))
    record_compiled(version, skipped("graph-ended-worker", _LOST[1]), needs_review=waits)


def _is_lost(version: ModelVersion) -> bool:
    begun = Check.objects.filter(version=version, name=CheckName.COMPILE, verdict=Verdict.PENDING)
    return begun.filter(evidence__reason="worker-lost").exists()


# --- again --------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What a run has come to, by the verdict; ``unreadable`` had no bytes, or no host."""

    verdicts: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0


def versions_to_compile(*, model: str | None = None, everything: bool = False) -> Any:
    """Ready versions without a verdict of these converters, newest first.

    ``everything``: also those that these have tried.
    """
    if not conf.compile_rows:
        return ModelVersion.objects.none()
    rows = ModelVersion.objects.ready().filter(
        runtime__in=COMPILED_RUNTIMES, artifact__gone_at__isnull=True
    )
    if model is not None:
        rows = rows.filter(model__name__iexact=model)
    if not everything:
        checks = Check.objects.filter(version=OuterRef("pk"), name=CheckName.COMPILE)
        rows = rows.filter(~Exists(checks.filter(evidence__edition=COMPILE_EDITION)))
    return rows.select_related("model", "artifact").order_by("-id")


def compile_versions(
    *,
    model: str | None = None,
    everything: bool = False,
    most: int = PAGE,
    tell: Callable[[ModelVersion, str, str], None] = lambda version, verdict, summary: None,
) -> Tally:
    """Compile at most ``most`` of ``versions_to_compile``, one after the other.

    The graph of now serves until another one takes its place. Raises Overloaded without a host.
    """
    tally = Tally()
    for version in versions_to_compile(model=model, everything=everything)[:most]:
        try:
            compiled = compile_version(version)
        except (CheckRefused, HostError, StateConflict) as error:
            tally.unreadable += 1
            tell(version, "", str(error))
            continue
        tally.verdicts[compiled.verdict] += 1
        tell(version, compiled.verdict, compiled.summary)
    return tally


def compile_version(version: ModelVersion) -> Compiled:
    """Compile one ready version and write what became of it.

    A graph that ended the process last time is not opened again: the original serves. Raises
    CheckRefused where its bytes are gone or do not load here any more, StateConflict where it is
    ready no more, HostError where it ends the child, Overloaded without a model host.
    """
    if has_begun_compile(version, COMPILE_EDITION):
        compiled = skipped("graph-ended-worker", _LOST[1])
        record_compiled(version, compiled)
        return compiled
    try:
        compiled = _compiled_again(version)
        record_compiled(version, compiled)
    except BaseException:  # this process lives, so the graph did not end it
        end_compile_again(version)
        raise
    return compiled


def _compiled_again(version: ModelVersion) -> Compiled:
    artifact = _artifact(version)
    spec = ModelSpec(
        key=f"compile:{version.pk}",
        format=version.format,
        runtime=version.runtime,
        sha256=version.artifact.sha256,
    )
    golden = _golden(version)
    with artifact, host().inspect(lambda: artifact, spec, deadline_s=DEADLINE_S) as child:
        facts = child.load()
        return compiled_by(
            child,
            facts,
            version.parsed_signature,
            golden,
            n_rows=conf.compile_rows,
            hides_cells=version.model.hides_cells,
            before_opening=lambda _: begin_compile_again(version, COMPILE_EDITION),
        )


def compile_by_id(version_id: str) -> None:
    """What a worker is rung for: nothing where the version is compiled by now, or ready no more."""
    version = versions_to_compile().filter(pk=version_id).first()
    if version is None:
        return
    try:
        compile_version(version)
    except (CheckRefused, DomainError) as error:
        log.warning("%s is not compiled: %s", version, error)


def _golden(version: ModelVersion) -> Golden | None:
    if not version.golden_sha256:
        return None
    try:
        return load_golden(version.golden_sha256)
    except (storage.BlobMissing, storage.BlobDamaged, ValueError):
        raise CheckRefused("bytes-missing", "Its golden rows cannot be read.") from None


def _artifact(version: ModelVersion) -> Any:
    try:
        return storage.open_verified(version.artifact.sha256)
    except storage.BlobMissing:
        raise CheckRefused("bytes-missing", "The bytes are no longer in the storage.") from None
    except storage.BlobDamaged as error:
        raise CheckRefused("bytes-damaged", str(error)) from None
