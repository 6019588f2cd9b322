"""A real row of a version to begin with: the most complete one of its golden rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.http import HttpRequest

from registry import storage
from registry.models import ModelVersion
from registry.panels import PanelContent
from registry.signature.cells import scalar_json
from registry.signature.types import Signature
from serving.actions.scoring import load_golden

LOOKED_AT = 200


def panel(request: HttpRequest, version: ModelVersion) -> PanelContent | None:
    """The row for the commands to paste; None where there is none to show."""
    row = golden_example(version)
    return PanelContent("", row) if row else None


def golden_example(version: ModelVersion) -> dict[str, Any]:
    """The row as JSON values; empty without golden rows, and where cells are not shown."""
    if version.model.hides_cells or not version.golden_sha256 or version.signature is None:
        return {}
    row = _most_complete(version.golden_sha256)
    return _as_json(Signature.from_json(version.signature), row)


@lru_cache(maxsize=256)
def _most_complete(sha256: str) -> dict[str, Any]:
    """Golden rows never change, so each is read once in a process."""
    try:
        rows = load_golden(sha256).inputs.slice(0, LOOKED_AT).to_pylist()
    except (storage.BlobMissing, storage.BlobDamaged, OSError, ValueError):
        return {}
    return max(rows, key=lambda row: sum(value is not None for value in row.values()), default={})


def _as_json(signature: Signature, row: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for column in signature.inputs:
        if column.name in row:
            value = row[column.name]
            is_plain = value is None or column.shape is not None
            shown[column.name] = value if is_plain else scalar_json(value, column.dtype)
    return shown
