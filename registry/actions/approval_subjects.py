"""What an approval request can be about: one row for each subject says how it is decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from registry.actions import tiers
from registry.actions.aliases import place_alias, require_card
from registry.actions.releases import release, require_releasable, require_same_bytes, uploaders
from registry.actions.verdicts import locked, reject_quarantined
from registry.errors import CardIncomplete, StateConflict
from registry.models import ApprovalRequest, Dataset, DatasetVersion, ModelVersion, RegisteredModel
from registry.models.approval_request import ApprovalSubject
from registry.principals import Principal


@dataclass(frozen=True, slots=True)
class Decision:
    """How requests about one subject are decided; ``hold`` to ``refuse`` run in one transaction.

    ``words`` says in a few words what is to happen. ``involved`` are the ids of those users who
    may not decide, beside the requester. ``hold`` locks what it is about, and ``check`` raises
    StateConflict where an approval would not be about what lies there now; it is also asked by
    pages, with nothing locked. ``grant`` does what was asked for, ``refuse`` what a no leads to.
    """

    words: Callable[[ApprovalRequest], str]
    involved: Callable[[ApprovalRequest], set[Any]]
    hold: Callable[[ApprovalRequest], object]
    check: Callable[[ApprovalRequest], None]
    grant: Callable[[Principal, ApprovalRequest], object]
    refuse: Callable[[Principal, ApprovalRequest, str], object]


def about(request: ApprovalRequest) -> RegisteredModel | Dataset:
    """The model or dataset whose approvers decide."""
    return request.model if request.model is not None else asked_data(request).dataset


def asked_version(request: ApprovalRequest) -> ModelVersion:
    """The model's version that it is about. Only of the subjects alias and version."""
    assert request.version is not None, "a request about data has no version of a model"
    return request.version


def asked_data(request: ApprovalRequest) -> DatasetVersion:
    """The dataset's version that it is about. Only of the subject tier."""
    assert request.dataset_version is not None, "a request about a model has no dataset"
    return request.dataset_version


def decision_on(request: ApprovalRequest) -> Decision:
    """The row of the request's subject."""
    return DECISIONS[ApprovalSubject(request.subject)]


def is_involved(by: Principal, request: ApprovalRequest) -> bool:
    """Whether this person has asked for it or has uploaded what it is about: four eyes decide."""
    return by.user.pk in {request.requested_by_id, *decision_on(request).involved(request)}


def words_of(request: ApprovalRequest) -> str:
    """What is to happen, in a few words."""
    return decision_on(request).words(request)


def _hold_version(request: ApprovalRequest) -> None:
    """Lock it, and go on with what stands there now: it may have been archived meanwhile."""
    request.version = locked(asked_version(request))


# --- the move of an alias -----------------------------------------------------------------------


def _words_of_move(request: ApprovalRequest) -> str:
    version = asked_version(request)
    return f"Move {about(request)}@{request.alias} to version {version.number}"


def _check_move(request: ApprovalRequest) -> None:
    version = asked_version(request)
    require_same_bytes(request, version)
    try:
        require_card(version.model)
    except CardIncomplete as incomplete:
        raise StateConflict(incomplete.detail) from incomplete


def _place(by: Principal, request: ApprovalRequest) -> None:
    version = asked_version(request)
    version.require_servable()
    place_alias(
        by=Principal(request.requested_by, request_id=by.request_id),
        version=version,
        alias=request.alias,
        reason=request.request_reason,
        approved_by=by.user,
    )


# --- the release of a version from quarantine ---------------------------------------------------


def _reject(by: Principal, request: ApprovalRequest, reason: str) -> None:
    summary = f"Rejected by {by.name}: {reason}"
    reject_quarantined(asked_version(request), summary=summary)


DECISIONS: dict[ApprovalSubject, Decision] = {
    ApprovalSubject.ALIAS: Decision(
        words=_words_of_move,
        involved=lambda request: {asked_version(request).created_by_id},
        hold=_hold_version,
        check=_check_move,
        grant=_place,
        refuse=lambda by, request, reason: None,
    ),
    ApprovalSubject.VERSION: Decision(
        words=lambda request: f"Release {asked_version(request)}",
        involved=lambda request: uploaders(asked_version(request)),
        # Or the gate could say something else between the look at it and the end.
        hold=_hold_version,
        check=lambda request: require_releasable(request, asked_version(request)),
        grant=lambda by, request: release(asked_version(request), approved_by=by),
        refuse=_reject,
    ),
    ApprovalSubject.TIER: Decision(
        words=lambda request: f"Promote {asked_data(request)} to {request.tier}",
        involved=lambda request: {asked_data(request).created_by_id},
        hold=tiers.hold,
        check=tiers.require_promotable,
        grant=tiers.promote,
        refuse=lambda by, request, reason: None,
    ),
}
