"""What a version answered while an alias pointed to it: links of a move to records and jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from registry.panels import add_link


def records_link(move: Any) -> str | None:
    """The captured requests of the version in that time; ``move`` has ``until``."""
    span = _span(move)
    return None if span is None else f"/models/{move.model.name}/records?{urlencode(span)}"


def jobs_link(move: Any) -> str | None:
    """The batch jobs that were asked for with the version in that time."""
    span = _span(move)
    if span is None:
        return None
    return f"/batch-jobs?{urlencode({'model': move.model.name, **span})}"


def _span(move: Any) -> dict[str, str] | None:
    """The query for it; None where the alias was taken away."""
    if move.to_version is None:
        return None
    span = {"version": str(move.to_version.number), "since": _text(move.at)}
    return span if move.until is None else {**span, "until": _text(move.until)}


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def register() -> None:
    """Called once, where the routes are made."""
    add_link("alias-move", "records", f"{__name__}.records_link")
    add_link("alias-move", "batch_jobs", f"{__name__}.jobs_link")
