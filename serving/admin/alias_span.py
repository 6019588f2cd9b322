"""What a version answered while an alias pointed to it: on the page of the alias."""

from __future__ import annotations

from django.http import HttpRequest

from registry.admin.access import principal_of
from registry.models import AliasChange
from registry.panels import PanelContent
from serving.models import BatchJob, PredictionRecord

SHOWN = 20


def panel(request: HttpRequest, move: AliasChange) -> PanelContent | None:
    """The newest captured requests and jobs of that time; ``move`` has ``until``.

    Records show to managers of the model, as everywhere.
    """
    if move.to_version_id is None:
        return None
    by, until = principal_of(request), move.until  # type: ignore[attr-defined]  # annotated
    records = PredictionRecord.objects.readable_by(by).filter(version=move.to_version_id)
    captured = records.answered(since=move.at, until=until).defer("inputs", "answers")
    jobs = BatchJob.objects.visible_to(by).filter(
        version=move.to_version_id, created_at__gte=move.at
    )
    if until is not None:
        jobs = jobs.filter(created_at__lt=until)
    context = {
        "records": list(captured.order_by("-id")[:SHOWN]),
        "jobs": list(jobs.named().order_by("-id")[:SHOWN]),
        "shown": SHOWN,
        "percent": move.model.capture_percent,
    }
    return PanelContent("serving/alias_span.html", context)
