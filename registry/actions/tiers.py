"""Tiers: raw, curated, product. A version moves up one at a time, with a reason and four eyes.

What is asked for is held against the rules of the dataset, and again when it is decided; the
outcome of each rule is the evidence that the approver sees. The way down is taken at once, by one
approver alone: nobody should go on trusting rows that turned out wrong until a second one is found.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from django.db import IntegrityError, transaction

from registry import audit, roles
from registry.actions import fields
from registry.actions.announcing import announce_request
from registry.errors import InvalidField, RowsErased, RulesNotMet, StateConflict
from registry.models import ApprovalRequest, DatasetVersion
from registry.models.approval_request import ApprovalSubject
from registry.models.dataset_version import ProfileState, Tier
from registry.principals import Principal, require
from registry.signals import approval_requested
from registry.tabular.rules import Outcome, needs_figures, outcomes_of

# Under which name the outcome of the rules stands in the evidence of a request.
RULES: Final = "rules"
# The tier that follows each.
NEXT_TIER: Final[dict[str, Tier]] = {Tier.RAW: Tier.CURATED, Tier.CURATED: Tier.PRODUCT}


@transaction.atomic
def ask_for_tier(
    *, by: Principal, version: DatasetVersion, tier: str, reason: str
) -> ApprovalRequest:
    """Ask that a version may move up; somebody else with the role approver decides.

    Raises NotAllowed, InvalidField for another tier than the next and for an empty reason,
    StateConflict for a version that is not ready, archived, or asked for already, and for rules
    about figures that are being found; RowsErased, RulesNotMet with the outcome of each rule.
    """
    require(by, roles.PUBLISHER, version.dataset)
    _check(tier, reason, "A promotion")
    version = _held(version)
    _require_next(version, tier)
    evidence = _evidence(version)
    try:
        with transaction.atomic():
            request = ApprovalRequest.objects.create(
                subject=ApprovalSubject.TIER,
                dataset_version=version,
                tier=tier,
                sha256=digest_of(version),
                requested_by=by.user,
                request_reason=reason,
                evidence=evidence,
            )
    except IntegrityError:
        raise StateConflict(
            f"{tier} was asked for {version} already, and is to be decided."
        ) from None
    asked = {"subject": "tier", "version": str(version), "tier": tier}
    audit.record(by, "approval.request", request, after=asked, reason=reason)
    approval_requested.send(ApprovalRequest, request=request)
    announce_request(request)
    return request


@transaction.atomic
def demote(*, by: Principal, version: DatasetVersion, tier: str, reason: str) -> DatasetVersion:
    """Take a version down to any lower tier, at once; nothing but the tier changes.

    Also of rows that are erased, and of an archived dataset: what is said of them still counts.
    Raises NotAllowed below the role approver, InvalidField for a tier that is not lower and for an
    empty reason, StateConflict for a version that is raw.
    """
    require(by, roles.APPROVER, version.dataset)
    _check(tier, reason, "A demotion")
    version = _held(version)
    before, lower = version.tier, lower_tiers(version)
    if not lower:
        raise StateConflict(f"{version} is raw: there is no lower tier.")
    if tier not in lower:
        raise InvalidField(f"{version} is {before}: {tier} is not lower.", pointer="/tier")
    version.tier = tier
    version.save(update_fields=["tier"])
    audit.record(
        by, "dataset.demote", version, before={"tier": before}, after={"tier": tier}, reason=reason
    )
    return version


def lower_tiers(version: DatasetVersion) -> list[Tier]:
    """Those below a version's own, the next one first."""
    order = list(Tier)
    return order[: order.index(Tier(version.tier))][::-1]


def outcomes(version: DatasetVersion) -> list[Outcome]:
    """How a version that is ready stands to the rules of its dataset as they are now."""
    return outcomes_of(
        version.dataset.rules,
        rows=version.rows or 0,
        columns=version.columns,
        profile=version.profile,
        hides_cells=version.dataset.hides_cells,
    )


def digest_of(version: DatasetVersion) -> str:
    """The sha256 of the bytes that came in; of a job's output, which has parts, that of theirs."""
    if version.sha256:
        return version.sha256
    return hashlib.sha256("".join(part["sha256"] for part in version.parts).encode()).hexdigest()


# --- the decision -------------------------------------------------------------------------------


def hold(request: ApprovalRequest) -> None:
    """Lock what a request is about."""
    assert request.dataset_version is not None
    request.dataset_version = _held(request.dataset_version)


def require_promotable(request: ApprovalRequest) -> None:
    """Raise StateConflict where an approval would not be about what was asked for."""
    version = request.dataset_version
    assert version is not None
    try:
        _require_state(version)
    except RowsErased as erased:
        raise StateConflict(erased.detail) from erased
    if NEXT_TIER.get(version.tier) != request.tier:
        raise StateConflict(f"{version} is {version.tier} now.")
    if digest_of(version) != request.sha256:
        raise StateConflict("The request is bound to other bytes than the version has now.")
    _require_figures(version)
    broken = [outcome.rule for outcome in outcomes(version) if not outcome.passed]
    if broken:
        raise StateConflict(f"{version} does not fit the rules of now: {', '.join(broken[:5])}.")


def promote(by: Principal, request: ApprovalRequest) -> None:
    """Do what was asked for."""
    version = request.dataset_version
    assert version is not None
    before = version.tier
    version.tier = request.tier
    version.save(update_fields=["tier"])
    audit.record(
        Principal(request.requested_by, request_id=by.request_id),
        "dataset.promote",
        version,
        before={"tier": before},
        after={"tier": request.tier, "approved_by": by.name},
        reason=request.request_reason,
    )


def _held(version: DatasetVersion) -> DatasetVersion:
    rows = DatasetVersion.objects.select_for_update(of=("self",)).select_related("dataset")
    return rows.get(pk=version.pk)


def _check(tier: str, reason: str, what: str) -> None:
    fields.check_choice(tier, list(Tier.values), pointer="/tier")
    if not fields.check_text(reason, pointer="/reason").strip():
        raise InvalidField(f"{what} needs its reason.", pointer="/reason")


def _require_next(version: DatasetVersion, tier: str) -> None:
    _require_state(version)
    following = NEXT_TIER.get(version.tier)
    if following is None:
        raise StateConflict(f"{version} is a product already.")
    if tier != following:
        raise InvalidField(
            f"{version} is {version.tier}: the next tier is {following}.", pointer="/tier"
        )


def _require_state(version: DatasetVersion) -> None:
    version.require_kept()
    if version.status != "ready":
        raise StateConflict(f"{version} is {version.status}: only what is ready moves up.")
    if version.dataset.archived_at is not None:
        raise StateConflict(f"The dataset “{version.dataset}” is archived.")


def is_waiting_for_figures(version: DatasetVersion) -> bool:
    """Whether nobody can tell yet how a version stands to the rules of its dataset."""
    is_found_later = version.profile_state == ProfileState.WAITING
    return is_found_later and needs_figures(version.dataset.rules)


def _require_figures(version: DatasetVersion) -> None:
    if is_waiting_for_figures(version):
        raise StateConflict(
            f"The figures of {version} are still being found: rules need them. Try again shortly."
        )


def _evidence(version: DatasetVersion) -> dict[str, Any]:
    """What the approver sees. Raises StateConflict, RulesNotMet."""
    _require_figures(version)
    found = outcomes(version)
    shown = [outcome.to_json() for outcome in found]
    broken = [outcome.rule for outcome in found if not outcome.passed]
    if broken:
        raise RulesNotMet(
            f"{version} breaks {len(broken)} of {len(found)} rules: {', '.join(broken[:5])}.",
            outcomes=shown,
        )
    return {
        "from": version.tier,
        "to": str(NEXT_TIER[version.tier]),
        "rows": version.rows,
        "columns": len(version.columns),
        RULES: shown,
    }
