"""Prediction records: the share of requests that is captured, written behind the callers' backs.

Records are written once a second, or at 500, by one thread of the process. Where it cannot keep up,
or the database is away, records are dropped and counted, and no caller notices.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
from django.db.models import QuerySet, Subquery
from django.utils import timezone
from prometheus_client import Counter

from registry.models import ModelVersion, RegisteredModel
from serving.actions.background import Background
from serving.conf import conf
from serving.models import PredictionRecord
from serving.protocols.answers import answer_members, json_values
from serving.runtimes.base import Answer, Block

if TYPE_CHECKING:
    from serving.actions.after_scoring import Scored

WAITING_MAX = 5_000
WAITING_MAX_BYTES = 32 << 20
AT_ONCE = 500
EVERY_S = 1.0
# Of a record, its inputs and its answers each.
PART_MAX_CHARS = 64 * 1024
SWEPT_AT_ONCE = 2_000

_counted = Counter(
    "modelyard_prediction_records", "Captured requests, by what became of them.", ("outcome",)
)
written_total, dropped_total = _counted.labels("written"), _counted.labels("dropped")


@dataclass(frozen=True, slots=True)
class Captured:
    """A request to be kept, and when it was answered."""

    scored: Scored
    at: datetime


def capture(scored: Scored) -> None:
    """Have a request kept; it is dropped where too many wait. Takes microseconds."""
    if not writer.offer(Captured(scored, datetime.now(UTC)), scored.body_bytes):
        dropped_total.inc()


def write(captured: Sequence[Captured]) -> None:
    """Write the records in one go. Raises DatabaseError, and then none is written."""
    numbers = {one.scored.target.version_id for one in captured}
    models = dict(ModelVersion.objects.filter(pk__in=numbers).values_list("pk", "model_id"))
    records = [_record(one, models) for one in captured if one.scored.target.version_id in models]
    PredictionRecord.objects.bulk_create(records)
    written_total.inc(len(records))


def good_rows(batch: pa.RecordBatch) -> list[list[Any]]:
    """The rows as JSON has them, in signature order."""
    columns = [json_values(column) for column in batch.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def sliced(answer: Answer, first: int, rows: int) -> Answer:
    """The answer to at most so many rows from ``first`` on."""
    blocks = (
        Block(b.kind, b.output, b.labels, tuple(array.slice(first, rows) for array in b.arrays))
        for b in answer.blocks
    )
    return Answer(min(rows, answer.n_rows - first), tuple(blocks))


def sweep_records(*, budget_s: float = 2.0) -> int:
    """Remove records over the age or, model by model, over the number; how many there were.

    In small batches, so that nobody waits long for a lock; what the time does not reach is left
    to the next pass.
    """
    ends_s = time.monotonic() + budget_s
    oldest = timezone.now() - timedelta(days=conf.capture_days)
    removed = _remove_all(PredictionRecord.objects.before(oldest), ends_s)
    capturing = RegisteredModel.objects.filter(capture_percent__gt=0).order_by("id")
    for model_id in list(capturing.values_list("pk", flat=True)):
        removed += _remove_all(_over_the_number(model_id), ends_s)
        if time.monotonic() > ends_s:
            break
    return removed


def _over_the_number(model_id: UUID) -> QuerySet[PredictionRecord]:
    mine = PredictionRecord.objects.filter(model=model_id)
    newest_first = mine.order_by("-id").values_list("pk", flat=True)
    first_over = newest_first[conf.capture_records : conf.capture_records + 1]
    return mine.filter(pk__lte=Subquery(first_over))


def _record(captured: Captured, models: Mapping[UUID, UUID]) -> PredictionRecord:
    scored, most = captured.scored, PredictionRecord.ROWS_MAX
    target, answer = scored.target, scored.reply.answer
    rows = None
    if not target.hides_cells:
        rows = _kept(good_rows(scored.decoded.validated.batch.slice(0, most)))
    return PredictionRecord(
        model_id=models[target.version_id],
        version_id=target.version_id,
        request_id=scored.reply.request_id[:128],
        by=scored.by[:80],
        rows=answer.n_rows,
        inputs=rows,
        answers=_kept(answer_members(sliced(answer, 0, most), scored.reply.asked)),
        latency_ms=1_000 * scored.seconds,
        created_at=captured.at,
    )


def _kept(value: Any) -> Any:
    """The value, or None where it is too long, or holds a NUL, which no jsonb takes."""
    text = json.dumps(value, ensure_ascii=True)
    return None if len(text) > PART_MAX_CHARS or "\\u0000" in text else value


def _remove_all(rows: QuerySet[PredictionRecord], ends_s: float) -> int:
    removed = 0
    while time.monotonic() <= ends_s:
        ids = list(rows.order_by("id").values_list("pk", flat=True)[:SWEPT_AT_ONCE])
        removed += PredictionRecord.objects.filter(pk__in=ids).delete()[0]
        if len(ids) < SWEPT_AT_ONCE:
            break
    return removed


writer: Background[Captured] = Background(
    "prediction records",
    write,
    most=WAITING_MAX,
    most_bytes=WAITING_MAX_BYTES,
    at_once=AT_ONCE,
    gather_s=EVERY_S,
    on_lost=dropped_total.inc,
)
