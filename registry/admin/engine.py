"""Who answers for a version, and what the comparison of its compiled graph has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry.models import Check, ModelVersion
from registry.models.check import CheckName
from registry.models.model_version import Engine, VersionStatus

_ORIGINS = {
    "golden": "golden rows",
    "generated": "generated rows",
    "extremes": "extreme values",
    "at thresholds": "on split thresholds",
}
_MICRO = 1e6


def engine_context(
    version: ModelVersion, checks: Sequence[tuple[Check, str]]
) -> dict[str, Any] | None:
    """The context of ``registry/version_engine.html``; None where there is nothing to choose."""
    check = next((one for one, _ in checks if one.name == CheckName.COMPILE), None)
    is_over = version.status in (VersionStatus.READY, VersionStatus.QUARANTINED)
    if check is None or not is_over or version.ready_at is None:
        return None
    evidence = check.shown_evidence
    return {
        "serves": Engine(version.engine).label,
        "pinned_to": version.pinned_to,
        "summary": check.shown_summary,
        "verdict": check.verdict,
        "choices": _choices(version),
        "rows": [(_ORIGINS.get(k, k), v) for k, v in dict(evidence.get("rows") or {}).items()],
        "thresholds": evidence.get("thresholds"),
        "figures": _figures(evidence),
        "paces": _paces(evidence),
    }


def _choices(version: ModelVersion) -> list[tuple[str, str, bool]]:
    """What can be pinned: value, words, whether it is chosen now; nothing without a graph."""
    if not version.compiled_sha256:
        return []
    offered = [one for one in Engine if one != Engine.COMPILED or version.compiled_sha256]
    return [
        ("", "The compiled graph, if the check found it equal", version.pinned_to == ""),
        *((one.value, f"Always: {one.label}", version.pinned_to == one) for one in offered),
    ]


def _figures(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = {
        "rows_that_differ": "Rows that differ",
        "labels_that_differ": "Labels that differ",
        "largest_absolute": "Largest difference",
        "largest_relative": "Largest relative difference (1e-9 is allowed)",
    }
    return [(said, f"{evidence[key]:.3g}") for key, said in names.items() if key in evidence]


def _paces(evidence: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Who, one row alone, one row among many: in words."""
    pace = evidence.get("pace") or {}
    rows = pace.get("rows") or 1
    shown = []
    for key, said in (("original", "the original"), ("onnx", "the compiled graph")):
        told = pace.get(key)
        if told:
            shown.append((said, _time(told["one_row_s"]), _time(told["all_rows_s"], rows)))
    return shown


def _time(seconds: float | None, rows: int = 1) -> str:
    if seconds is None:
        return "—"
    micros = seconds / rows * _MICRO
    return f"{micros / 1000:.1f} ms" if micros >= 1000 else f"{micros:.3g} µs"
