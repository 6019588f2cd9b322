"""A report of two versions as a page shows it: shares, a table of labels, bars, rows that moved.

It stands on the page of the job, and beside the decision of an approval request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from registry.admin.access import principal_of
from registry.admin.bars import Bar, bars_of
from registry.models import ApprovalRequest
from registry.panels import PanelContent
from registry.templatetags.modelyard import number
from serving.actions.comparing import EVIDENCE
from serving.models import BatchJob

# A table of more labels than that is too wide for a page.
MATRIX_MAX = 8
CHANGES_SHOWN = 10
MOVERS_SHOWN = 20
# Beside a decision, where more than this report is to be read.
MOVERS_BESIDE = 5
# A single range is no wider than that part of the chart.
BARS_AT_LEAST = 6


def shown(report: Mapping[str, Any], *, movers_shown: int = MOVERS_SHOWN) -> dict[str, Any]:
    """The context of ``serving/comparison_report.html``; further movers are folded."""
    rows = report["rows"]
    movers = [_mover(one) for one in report["movers"]]
    return {
        "report": report,
        "agreement": None if report["agreement"] is None else 100 * report["agreement"],
        "differ_percent": 100 * report["differ"] / rows if rows else 0.0,
        "labels": [_labels(one) for one in report["labels"]],
        "numbers": [_numbers(one) for one in report["numbers"]],
        "equal": report["numbers"][0]["equal"] if len(report["numbers"]) == 1 else None,
        "movers": movers[:movers_shown],
        "more_movers": movers[movers_shown:],
        "has_keys": any(one["keys"] for one in movers),
    }


def panel(request: HttpRequest, row: ApprovalRequest) -> PanelContent | None:
    """The reports that are evidence of an approval request, the newest first."""
    prefix = f"{EVIDENCE}:"
    found = {
        key.removeprefix(prefix): report
        for key, report in row.evidence.items()
        if key.startswith(prefix)
    }
    if not found:
        return None
    jobs = BatchJob.objects.visible_to(principal_of(request)).filter(pk__in=list(found))
    visible = {str(pk) for pk in jobs.values_list("pk", flat=True)}
    reports = [
        {**shown(found[key], movers_shown=MOVERS_BESIDE), "job_id": key if key in visible else None}
        for key in sorted(found, reverse=True)
    ]
    return PanelContent("serving/comparison_panel.html", {"reports": reports})


def _labels(found: Mapping[str, Any]) -> dict[str, Any]:
    count, names, counts = found["count"], found["labels"], found["counts"]
    shown_labels: dict[str, Any] = {
        "column": found["column"],
        "differ": found["differ"],
        "agree_percent": 100 * (1 - found["differ"] / count) if count else None,
        "matrix": None,
        "changes": [],
    }
    if names is None:
        return shown_labels
    texts = [_label(name) for name in names]
    changes = [
        (texts[i], texts[j], counts[i][j])
        for i in range(len(texts))
        for j in range(len(texts))
        if i != j and counts[i][j]
    ]
    most = max((n for _, _, n in changes), default=1)
    changes.sort(key=lambda change: -change[2])
    shown_labels["changes"] = [(a, b, n, n / most) for a, b, n in changes[:CHANGES_SHOWN]]
    shown_labels["changes_left_out"] = len(changes[CHANGES_SHOWN:])
    if len(texts) <= MATRIX_MAX:
        shown_labels["matrix"] = _matrix(texts, counts)
    return shown_labels


def _matrix(texts: Sequence[str], counts: Sequence[Sequence[int]]) -> dict[str, Any]:
    rows = [
        (text, [(n, i == j) for j, n in enumerate(counts[i])], sum(counts[i]))
        for i, text in enumerate(texts)
    ]
    totals = [sum(column) for column in zip(*counts, strict=True)]
    return {"labels": texts, "rows": rows, "totals": totals}


def _numbers(found: Mapping[str, Any]) -> dict[str, Any]:
    figures = ("mean", "p50", "p90", "p99", "largest")
    bars = _bars(found["histogram"])
    ends = None
    if bars:
        first, last = found["histogram"][0], found["histogram"][-1]
        ends = (number(first["from"]), "more" if last["to"] is None else number(last["to"]))
    return {
        "column": found["column"],
        "count": found["count"],
        "equal": found["equal"],
        "equal_percent": 100 * found["equal"] / found["count"] if found["count"] else None,
        "one_sided": found["one_sided"],
        "mean_change": found["mean_change"],
        "figures": [(name, found[name]) for name in figures],
        "bars": bars,
        "ends": ends,
    }


def _bars(histogram: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """One bar a range; the ranges grow by about two, so the axis is a logarithmic one."""
    labels = []
    for one in histogram:
        above = "more" if one["to"] is None else number(one["to"])
        labels.append(f"{number(one['from'])} to {above}: {number(one['count'])} rows")
    return bars_of([one["count"] for one in histogram], labels, at_least=BARS_AT_LEAST)


def _mover(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "row": found["row"],
        "distance": found["distance"],
        "keys": list(found["keys"].items()),
        "values": [
            (one["column"], _label(one["version"]), _label(one["compared"]))
            for one in found["values"]
        ],
    }


def _label(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number(value)
