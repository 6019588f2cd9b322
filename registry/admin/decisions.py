"""What somebody is shown who is to decide an approval request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry import roles
from registry.actions.approval_evidence import CARD, METRICS, evidence_now
from registry.actions.approval_subjects import about, decision_on, is_involved
from registry.actions.tiers import RULES
from registry.admin.card_page import answers_of, labels_missing
from registry.admin.evidence import cell
from registry.admin.rules_shown import outcome_lines
from registry.errors import StateConflict
from registry.models import ApprovalRequest
from registry.models.check import CheckName
from registry.principals import Principal
from registry.tabular.rules import Outcome


def decision_context(by: Principal, request: ApprovalRequest) -> dict[str, Any]:
    """An approval request, and what this person may do about it: a word where it is nothing."""
    refusal = ""
    if is_involved(by, request):
        refusal = "You asked for this, or uploaded these bytes: somebody else has to decide."
    elif not by.may(roles.APPROVER, about(request)):
        refusal = f"Deciding needs the role approver on {about(request)}."
    is_pending = request.state == "pending"
    evidence = evidence_now(request)
    return {
        "request": request,
        "may_decide": is_pending and not refusal,
        "refusal": refusal,
        "approval_hindered": _hindrance(request) if is_pending else "",
        "known": digest_of(evidence),
        "sections": sections_of(evidence),
        "metrics": evidence.get(METRICS),
        "card": answers_of(evidence.get(CARD, {}).get("fields", {})),
        "card_missing": labels_missing(evidence.get(CARD, {}).get("fields", {})),
        "has_card": CARD in evidence,
        # What has a sort before its name is shown by a panel of its own.
        "rest": {
            key: value
            for key, value in evidence.items()
            if ":" not in key and key not in (METRICS, CARD, RULES)
        },
        "rules": list(outcome_lines(Outcome(**one) for one in evidence.get(RULES, ()))),
    }


def _hindrance(request: ApprovalRequest) -> str:
    """Why nobody can approve this now, though it can be rejected; empty where they can."""
    try:
        decision_on(request).check(request)
    except StateConflict as conflict:
        return conflict.detail
    return ""


def digest_of(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a reviewer looks at first: what the file is, who saved it, and how it answered."""
    parts = {name: part for name, part in evidence.items() if isinstance(part, Mapping)}
    scan, load = parts.get(CheckName.SCAN, {}), parts.get(CheckName.LOAD, {})
    golden = parts.get(CheckName.GOLDEN, {})
    trained = scan.get("trained_with")
    known = [
        ("Estimator", load.get("estimator") or scan.get("estimator")),
        ("Names in it", len(scan["globals"]) if scan.get("globals") else None),
        ("Saved by", ", ".join(f"{k} {v}" for k, v in trained.items()) if trained else None),
        ("Signature", parts.get(CheckName.SIGNATURE, {}).get("summary")),
        ("Example rows", golden.get("summary")),
    ]
    return [(label, cell(value)) for label, value in known if value]


def sections_of(evidence: Mapping[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Label, verdict, summary and evidence of each check that a request has evidence of."""
    labels = dict(CheckName.choices)
    return [
        (
            labels[name],
            part.get("verdict", ""),
            part.get("summary", ""),
            {key: value for key, value in part.items() if key not in ("verdict", "summary")},
        )
        for name, part in evidence.items()
        if name in labels and isinstance(part, Mapping)
    ]
