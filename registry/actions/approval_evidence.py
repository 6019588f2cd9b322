"""What a reviewer is shown of a model's version: its checks, its metrics beside those of the
version that stands there now, and the model card.

Until a request is decided this is what stands now, however long it has waited; the decision writes
it down as it was looked at. What others attach (``<sort>:<id>``, such as the report of two versions
compared) is kept as it was attached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry import cards
from registry.models import ApprovalRequest, ModelVersion
from registry.models.alias import CHAMPION
from registry.models.approval_request import ApprovalState
from registry.models.check import Verdict
from registry.quoting import without_cells

METRICS, CARD = "metrics", "card"


def evidence_of(version: ModelVersion, alias: str = "") -> dict[str, Any]:
    """The evidence of every check that has been decided, by its name; ``metrics`` and ``card``.

    ``alias`` is the one that is to move: its version, else the champion's, is compared with.
    """
    decided = version.checks.exclude(verdict=Verdict.PENDING).order_by("id")
    checks = {
        check.name: {
            "verdict": check.verdict,
            "summary": check.shown_summary,
            **check.shown_evidence,
        }
        for check in decided
    }
    card = version.model.card
    return {
        **checks,
        METRICS: metrics_beside(version, present_version(version, alias)),
        CARD: {"fields": card, "missing": cards.missing(card)},
    }


def evidence_now(request: ApprovalRequest) -> dict[str, Any]:
    """What is evidence now; of a request that is decided, or about data, what was kept."""
    if request.state != ApprovalState.PENDING or request.version is None:
        return kept_evidence(request)
    attached = {key: part for key, part in request.evidence.items() if ":" in key}
    return {**evidence_of(request.version, request.alias), **attached}


def kept_evidence(request: ApprovalRequest) -> dict[str, Any]:
    """What is written down, without cells where the model hides them by now."""
    if request.model is None or not request.model.hides_cells:
        return dict(request.evidence)
    return {
        key: part if key in (METRICS, CARD) else without_cells(part)
        for key, part in request.evidence.items()
    }


def present_version(version: ModelVersion, alias: str = "") -> ModelVersion | None:
    """What the alias points to, else the champion; None where there is neither, or it is itself."""
    names = [alias, CHAMPION] if alias else [CHAMPION]
    rows = version.model.aliases.filter(name__in=names).select_related("version")
    found = {row.name: row.version for row in rows}
    present = next((found[name] for name in names if name in found), None)
    return None if present is None or present.pk == version.pk else present


def metrics_beside(version: ModelVersion, present: ModelVersion | None) -> dict[str, Any]:
    """Each metric of either version: its value, the present version's, and the change.

    Null where a version does not have the metric, and for the change then.
    """
    beside: Mapping[str, float] = present.metrics if present else {}
    names = [*version.metrics, *(name for name in beside if name not in version.metrics)]
    return {
        "version": version.number,
        "present": present.number if present else None,
        "rows": [_row(name, version.metrics.get(name), beside.get(name)) for name in names],
    }


def _row(name: str, value: float | None, present: float | None) -> dict[str, Any]:
    is_both = value is not None and present is not None
    change = value - present if is_both else None  # type: ignore[operator]  # both are numbers
    return {"name": name, "value": value, "present": present, "change": change}
