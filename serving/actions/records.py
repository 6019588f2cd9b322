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
from registry.signature.lean import LeanColumns
from serving.actions.background import Background
from serving.actions.held import (
    Rows,
    answer_bytes,
    answer_cells,
    columns_of,
    first_answers,
    first_rows,
    only_kinds,
    rows_bytes,
)
from serving.actions.targets import Target, facts_of
from serving.conf import conf
from serving.models import PredictionRecord
from serving.monitoring.quoting import own_kinds, own_members
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
# Each is one character and a comma at least.
PART_MAX_CELLS = PART_MAX_CHARS // 2
SWEPT_AT_ONCE = 2_000

_counted = Counter(
    "modelyard_prediction_records", "Captured requests, by what became of them.", ("outcome",)
)
written_total, dropped_total = _counted.labels("written"), _counted.labels("dropped")


@dataclass(frozen=True, slots=True)
class Captured:
    """A request to be kept, with no more of it than is kept.

    ``rows`` and ``answer`` are the first ``ROWS_MAX`` of ``n_rows``; None where there is nothing
    to be kept: the model hides its cells, or they are too many. Of the kinds ``asked`` those are
    left out that may repeat cells which the model hides.
    """

    target: Target
    request_id: str
    by: str
    asked: tuple[str, ...]
    n_rows: int
    rows: Rows | None
    answer: Answer | None
    latency_ms: float
    at: datetime


def capture(scored: Scored) -> None:
    """Have a request kept; it is dropped where too many wait. Takes microseconds."""
    held, most = scored.decoded.validated.held, PredictionRecord.ROWS_MAX
    hides_cells = scored.target.hides_cells
    rows = None if hides_cells else _few_enough_rows(first_rows(held, most))
    asked, answered = scored.reply.asked, scored.reply.answer
    if hides_cells:
        own = own_kinds(scored.target.facts)
        asked = tuple(kind for kind in asked if kind in own)
        answered = only_kinds(answered, own)
    answer = _few_enough_answers(first_answers(answered, most)) if asked else None
    captured = Captured(
        scored.target,
        scored.reply.request_id[:128],
        scored.by[:80],
        asked,
        scored.reply.answer.n_rows,
        rows,
        answer,
        1_000 * scored.seconds,
        datetime.now(UTC),
    )
    size = 0 if answer is None else answer_bytes(answer)
    if rows is not None:
        is_copy = rows is not held and all(isinstance(c, pa.Array) for c in columns_of(rows))
        size += rows_bytes(rows, 0 if is_copy else scored.body_bytes)
    if not writer.offer(captured, size):
        dropped_total.inc()


def write(captured: Sequence[Captured]) -> None:
    """Write the records in one go. Raises DatabaseError, and then none is written."""
    numbers = {one.target.version_id for one in captured}
    models = dict(ModelVersion.objects.filter(pk__in=numbers).values_list("pk", "model_id"))
    records = [_record(one, models) for one in captured if one.target.version_id in models]
    PredictionRecord.objects.bulk_create(records)
    written_total.inc(len(records))


def shown_answers(record: PredictionRecord) -> dict[str, Any] | None:
    """The answers; once the model hides cells without those that may repeat them."""
    if record.answers is None or not record.model.hides_cells:
        answers: dict[str, Any] | None = record.answers
        return answers
    return own_members(record.answers, facts_of(record.version_id))


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
    removed = _remove_all(expired_records(), ends_s)
    capturing = RegisteredModel.objects.filter(capture_percent__gt=0, legal_hold=False)
    for model_id in list(capturing.order_by("id").values_list("pk", flat=True)):
        removed += _remove_all(_over_the_number(model_id), ends_s)
        if time.monotonic() > ends_s:
            break
    return removed


def expired_records() -> QuerySet[PredictionRecord]:
    """Records over the age; none of a model under a legal hold."""
    oldest = timezone.now() - timedelta(days=conf.capture_days)
    return PredictionRecord.objects.before(oldest).exclude(model__legal_hold=True)


def _over_the_number(model_id: UUID) -> QuerySet[PredictionRecord]:
    mine = PredictionRecord.objects.filter(model=model_id)
    newest_first = mine.order_by("-id").values_list("pk", flat=True)
    first_over = newest_first[conf.capture_records : conf.capture_records + 1]
    return mine.filter(pk__lte=Subquery(first_over))


def _few_enough_rows(rows: Rows) -> Rows | None:
    columns = columns_of(rows)
    return None if len(columns) * len(columns[0]) > PART_MAX_CELLS else rows


def _few_enough_answers(answer: Answer) -> Answer | None:
    return None if answer_cells(answer) > PART_MAX_CELLS else answer


def _record(captured: Captured, models: Mapping[UUID, UUID]) -> PredictionRecord:
    rows, answer = captured.rows, captured.answer
    batch = rows.to_batch() if isinstance(rows, LeanColumns) else rows
    return PredictionRecord(
        model_id=models[captured.target.version_id],
        version_id=captured.target.version_id,
        request_id=captured.request_id,
        by=captured.by,
        rows=captured.n_rows,
        inputs=None if batch is None else _kept(good_rows(batch)),
        answers=None if answer is None else _kept(answer_members(answer, captured.asked)),
        latency_ms=captured.latency_ms,
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
