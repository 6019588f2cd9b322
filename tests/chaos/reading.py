"""Reads what a run has left behind: the ledger from the database, the rows from the storage."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from django.test import override_settings
from psycopg import sql

from registry import storage
from registry.api.downloads import send_parts
from registry.models import AuditEvent
from serving.models import BatchChunk, BatchJob, ChunkAttempt, ScheduledSlot
from tests.chaos import plan
from tests.chaos.seen import NO_FILE, Chunk, Job, Seen, Slot


class Reader:
    """Reads jobs; each file once, whatever names it."""

    def __init__(self, warehouse: str = "") -> None:
        """``warehouse`` is the address of the database that results were delivered to."""
        self._warehouse = warehouse
        self.files: dict[str, str] = {}
        self._downloaded: set[str] = set()

    def everything(self, homes: Iterable[Path] = ()) -> Seen:
        """All jobs, slots and, of machines on which nothing runs any more, the scratch folders."""
        jobs = [self.job(job) for job in BatchJob.objects.select_related("model").order_by("id")]
        slots = [
            Slot(slot.schedule.name, slot.due, slot.state, str(slot.job_id or ""))
            for slot in ScheduledSlot.objects.select_related("schedule")
        ]
        return Seen(jobs, self.files, slots, [name for home in homes for name in _scratch(home)])

    def job(self, job: BatchJob) -> Job:
        """One job and what stands in its files; the first whole one of a kind as a download too."""
        chunks = list(job.chunks.in_row_order())
        results = [self._table(c.output_name) for c in chunks if c.output_name]
        rejects = [self._table(c.rejects_name) for c in chunks if c.rejects_name]
        read = Job(
            id=str(job.pk),
            combination=plan.BY_CHUNK_ROWS[job.chunk_rows].name,
            state=job.state,
            error_code=(job.error or {}).get("code", ""),
            rows=job.rows_total or 0,
            chunks=_chunks(chunks),
            ids=[row for table in results if table for row in table["id"].to_pylist()],
            rejected=[row for table in rejects if table for row in table["id"].to_pylist()],
            content=_content([table for table in results if table]),
            versions=job.output.dataset.versions.count() if job.output else 0,
            events=_events(job),
            delivered=self._delivered(job),
            report=_report(job),
        )
        if read.state == plan.WHOLE and read.combination not in self._downloaded:
            self._downloaded.add(read.combination)
            read.downloads = {format: _download(job, format) for format in ("csv", "parquet")}
        return read

    def _delivered(self, job: BatchJob) -> list[int] | None:
        if not job.sink_table:
            return None
        with psycopg.connect(self._warehouse) as session:
            rows = session.execute(
                sql.SQL("SELECT id FROM {} WHERE modelyard_job = %s").format(
                    sql.Identifier(job.sink_table)
                ),
                [str(job.pk)],
            )
            return [row for (row,) in rows]

    def _table(self, name: str) -> pa.Table | None:
        """The rows of a file; None where it is not there, which ``files`` tells."""
        try:
            with storage.open_named(name) as file:
                body = file.read()
        except storage.BlobMissing:
            self.files[name] = NO_FILE
            return None
        self.files[name] = hashlib.sha256(body).hexdigest()
        try:
            return pq.read_table(io.BytesIO(body))
        except pa.ArrowInvalid:
            return None


def _chunks(chunks: list[BatchChunk]) -> list[Chunk]:
    attempts: dict[int, list[tuple[int, str]]] = defaultdict(list)
    rows = ChunkAttempt.objects.filter(chunk__in=chunks).order_by("attempt", "id")
    for chunk, attempt, outcome in rows.values_list("chunk", "attempt", "outcome"):
        attempts[chunk].append((attempt, outcome))
    fields = (
        "row_start", "row_stop", "state", "attempt",
        "output_name", "output_sha256", "rejects_name", "rejects_sha256",
    )  # fmt: skip
    return [
        Chunk(*(getattr(chunk, name) for name in fields), attempts=attempts[chunk.pk])
        for chunk in chunks
    ]


def _content(tables: list[pa.Table]) -> str:
    """The digest of all rows as one table, wherever files begin and end."""
    if not tables:
        return ""
    digest = hashlib.sha256()
    for column in pa.concat_tables(tables).itercolumns():
        digest.update(repr(column.to_pylist()).encode())
    return digest.hexdigest()


def _download(job: BatchJob, format: str) -> str:
    """The digest of what a download of the whole gives."""
    assert job.output is not None
    answer = send_parts(job.output.parts, job.output.columns, format, name="all", safe=False)
    digest = hashlib.sha256()
    for piece in answer.streaming_content:  # type: ignore[attr-defined]
        digest.update(piece)
    # Not `close()`: that is the end of a request, with which Django closes database connections.
    for close in answer._resource_closers:
        close()
    return digest.hexdigest()


def _report(job: BatchJob) -> str:
    """The comparison as text, without the one thing that is the job's own."""
    found = {name: part for name, part in (job.report or {}).items() if name != "job"}
    return json.dumps(found, sort_keys=True) if found else ""


def _events(job: BatchJob) -> dict[str, int]:
    rows = AuditEvent.objects.filter(object_id=str(job.pk), action__startswith="batch_job.")
    return dict(
        Counter(a.removeprefix("batch_job.") for a in rows.values_list("action", flat=True))
    )


def _scratch(home: Path) -> list[str]:
    """What the sweeper of that machine leaves."""
    with override_settings(MODELYARD_HOME=home):
        storage.sweep_scratch(older_than=timedelta(0))
        return [str(path) for path in storage.scratch_folder().iterdir()]
