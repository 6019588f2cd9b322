"""Looks again at stored versions whose bytes another version of the gate has passed.

One disposable child of the model host looks at each distinct artifact; what becomes of its
versions is decided by ``registry.actions.second_looks``. May be ended and begun again at any time:
what was looked at says so, and is not looked at twice.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef

from registry import storage
from registry.actions.second_looks import Outcome, outcome_of, record_second_look
from registry.errors import CheckRefused, StateConflict, Unavailable
from registry.formats import FORMATS
from registry.models import Artifact, Check, ModelVersion
from registry.models.check import CheckName, Verdict
from registry.models.model_version import VersionStatus
from registry.scan.edition import gate_version
from serving.actions.host import host
from serving.actions.probes import scan_evidence
from serving.runtimes.isolation.client import ModelSpec
from serving.runtimes.isolation.errors import HostError

log = logging.getLogger(__name__)

PAGE = 200
LOOK_DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True)
class Look:
    """What the gate of now says about one artifact; ``evidence`` as the scan keeps it."""

    verdict: str
    summary: str
    evidence: dict[str, Any]

    @property
    def passes(self) -> bool:
        """Whether the bytes may be opened."""
        return self.verdict != Verdict.FAILED


@dataclass(frozen=True, slots=True)
class Step:
    """One version; ``outcome`` is None where its bytes could not be read."""

    version: ModelVersion
    outcome: Outcome | None
    summary: str


@dataclass
class Tally:
    """What a run has come to."""

    artifacts: int = 0
    unreadable: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    is_finished: bool = True


class OtherGate(Exception):
    """The model host runs another version of the gate than this process: it is to be restarted."""


def regate(
    *,
    everything: bool = False,
    rejected: bool = False,
    dry_run: bool = False,
    budget_s: float | None = None,
    tell: Callable[[Step], None] = lambda step: None,
) -> Tally:
    """Look again at what is ready or quarantined and was last seen by another gate.

    ``everything``: also what this gate has seen. ``rejected``: also what a gate has refused and
    whose bytes are still kept; where they pass now, all checks run again. ``dry_run`` changes
    nothing. ``tell`` hears of every version. After ``budget_s`` the run ends unfinished.

    Raises HostUnavailable and HostBusy without a model host, OtherGate where it is not of this
    release.
    """
    ends_at = None if budget_s is None else time.monotonic() + budget_s
    wanted = versions_to_regate(everything=everything, rejected=rejected)
    tally = Tally()
    for artifact in _artifacts(wanted):
        if ends_at is not None and time.monotonic() >= ends_at:
            tally.is_finished = False
            break
        _regate_artifact(artifact, wanted, dry_run, tally, tell)
    return tally


def versions_to_regate(*, everything: bool = False, rejected: bool = False) -> Any:
    """The versions that a run with these options looks at, without an order."""
    settled = (VersionStatus.READY, VersionStatus.QUARANTINED)
    if everything:
        wanted = ModelVersion.objects.filter(status__in=settled)
    else:
        wanted = ModelVersion.objects.behind_gate(gate_version())
    if rejected:
        scan = Check.objects.filter(version=OuterRef("pk"), name=CheckName.SCAN)
        failed = Exists(scan.filter(verdict=Verdict.FAILED))
        wanted |= ModelVersion.objects.filter(failed, status=VersionStatus.REJECTED)
    return wanted.filter(artifact__gone_at__isnull=True).order_by()


def _artifacts(wanted: Any) -> Iterator[Artifact]:
    """Each artifact once, page by page: nothing stays open while versions are written."""
    rows = Artifact.objects.filter(pk__in=wanted.values("artifact")).order_by("pk")
    page = list(rows[:PAGE])
    while page:
        yield from page
        page = list(rows.filter(pk__gt=page[-1].pk)[:PAGE])


def _regate_artifact(
    artifact: Artifact, wanted: Any, dry_run: bool, tally: Tally, tell: Callable[[Step], None]
) -> None:
    tally.artifacts += 1
    versions = wanted.filter(artifact=artifact).select_related("model", "artifact").order_by("pk")
    try:
        look = look_again(artifact)
    except CheckRefused as refusal:
        tally.unreadable += 1
        for version in versions:
            tell(Step(version, None, str(refusal)))
        return
    for version in versions:
        outcome = _outcome(version, look, dry_run)
        tally.outcomes[outcome] += 1
        tell(Step(version, outcome, look.summary))


def _outcome(version: ModelVersion, look: Look, dry_run: bool) -> Outcome:
    if dry_run:
        return outcome_of(version, passes=look.passes)
    try:
        return record_second_look(
            version, verdict=look.verdict, summary=look.summary, evidence=look.evidence
        )
    except StateConflict as error:
        log.info("%s has moved on: %s", version, error)
        return Outcome.MOVED_ON


def look_again(artifact: Artifact) -> Look:
    """What the gate says about the bytes now, told by a child of the model host.

    Raises CheckRefused where the bytes are gone or damaged, and OtherGate. A child that dies of
    them does so twice before they count as refused.
    """
    try:
        return _look(artifact)
    except HostError as error:
        log.warning("A look at %s ended early, looking once more: %s", artifact, error)
    try:
        return _look(artifact)
    except HostError as error:
        told = {"reason": "model-failed", "gate_version": gate_version(), **error.evidence}
        return Look(Verdict.FAILED, f"The look at the bytes did not come to an end: {error}", told)


def _look(artifact: Artifact) -> Look:
    spec = ModelSpec(
        key=f"look:{artifact.pk}",
        format=artifact.format,
        runtime=FORMATS[artifact.format].runtime,
        sha256=artifact.sha256,
    )
    opened = _opened(artifact.sha256)
    with opened, host().inspect(lambda: opened, spec, deadline_s=LOOK_DEADLINE_S) as child:
        finding = child.scan()
    evidence = scan_evidence(finding)
    if evidence["gate_version"] != gate_version():
        raise OtherGate(
            f"The model host looks with gate {evidence['gate_version']}, this is gate "
            f"{gate_version()}: restart the model host."
        )
    verdicts = {"failed": Verdict.FAILED, "warned": Verdict.WARNED}
    return Look(verdicts.get(finding.verdict, Verdict.PASSED), finding.summary, evidence)


def _opened(sha256: str) -> Any:
    try:
        return storage.open_verified(sha256)
    except storage.BlobMissing:
        raise CheckRefused("bytes-missing", "The bytes are no longer in the storage.") from None
    except storage.BlobDamaged as error:
        raise CheckRefused("bytes-damaged", str(error)) from None


def regate_in_background(*, budget_s: float) -> None:
    """What a worker does when the gate has changed: a run whose ends are logged, not raised."""
    try:
        tally = regate(budget_s=budget_s, tell=_log_step)
    except (Unavailable, OtherGate) as error:
        log.warning("Stored versions are not looked at again: %s", error)
        return
    if tally.artifacts:
        log.info("Gate %s: %s artifacts looked at again", gate_version(), tally.artifacts)


def _log_step(step: Step) -> None:
    if step.outcome is None:
        log.warning("%s could not be looked at again: %s", step.version, step.summary)
    elif step.outcome in (Outcome.TAKEN, Outcome.BACK):
        log.warning("%s is %s: %s", step.version, step.outcome, step.summary)
