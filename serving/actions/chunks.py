"""One attempt at a chunk: read its rows, validate, score, write results and rejects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from registry import storage
from registry.errors import RowProblem, VersionNotServable
from registry.heartbeat import Heartbeat
from registry.signature.types import Signature
from registry.signature.validate import Validated, validate_columns, validate_table
from registry.tabular.ahead import ahead
from serving.actions import scoring
from serving.actions.attempt_meter import AttemptMeter
from serving.actions.commits import ChunkResult, Published
from serving.actions.comparing import SecondOpinion
from serving.actions.model_calls import LedgerMismatch, ModelCalls
from serving.actions.rows_read import rows_read
from serving.actions.targets import Target
from serving.batch import as_sent, failpoints
from serving.batch.columns import OnRowError, kept_columns, key_columns, result_columns
from serving.batch.names import Content, part_name
from serving.batch.pace import Pace
from serving.batch.parts import Footers, OpenParts, score_rows
from serving.batch.ranges import RowRange
from serving.batch.rejects import every_problem, inputs_of, model_failed, rejects_table
from serving.batch.writer import PartWriter, Written
from serving.models import BatchChunk, BatchJob
from serving.protocols.tables import table_answer
from serving.runtimes.answer_size import rows_at_once
from serving.runtimes.base import Answer

# Of the files that this process reads: one footer for all chunks of a file.
_footers = Footers()


class RowRefused(Exception):
    """A bad row in a job that takes none; ``problem.row`` counts from the dataset's first row."""

    def __init__(self, problem: RowProblem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class ChunkWork:
    """The files and counts of one attempt; to be used as a context, which removes the files.

    ``meter`` is told what the time goes into: read (waiting for rows that are read ahead),
    validate, score, compare, write, store; and how many rows have come through.
    """

    def __init__(
        self, chunk: BatchChunk, heartbeat: Heartbeat, pace: Pace, meter: AttemptMeter | None = None
    ) -> None:
        self.chunk = chunk
        self.rows_rejected = 0
        self.meter = meter or AttemptMeter()
        self._heartbeat = heartbeat
        self._next_row = chunk.row_start
        self._stack = ExitStack()
        self._job = _job_of(chunk)
        self._target = Target.of(self._job.version)
        if self._target.sha256 != self._job.version_sha256:
            raise VersionNotServable(f"The bytes of {self._job.version} are not the accepted ones.")
        self._calls = ModelCalls(chunk, self._job, self._target, heartbeat, pace, self.meter)
        self._rows = rows_read(self._job.dataset_version_id)
        self._kept = kept_columns(self._job.keep_columns, self._rows.names)
        self._keys = key_columns(self._kept, self._target.signature)
        wanted = {*self._kept, *self._target.signature.input_names}
        self._second = None
        if self._job.compared_version_id:
            guarded = chunk.is_guarded
            self._second = SecondOpinion(self._job, self._rows.names, guarded=guarded)
            wanted |= self._second.columns
        self._read = [name for name in self._rows.names if name in wanted]

    @property
    def job(self) -> BatchJob:
        """The chunk's job."""
        return self._job

    def __enter__(self) -> ChunkWork:
        self._results_path = self._stack.enter_context(storage.scratch_file(".parquet"))
        self._rejects_path = self._stack.enter_context(storage.scratch_file(".parquet"))
        self._results = self._stack.enter_context(PartWriter(self._results_path))
        self._rejects = self._stack.enter_context(PartWriter(self._rejects_path))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def tables(self) -> Iterator[pa.Table]:
        """The chunk's rows in order, in tables that are scored in one call each.

        The next ones are read meanwhile.
        """
        tables = OpenParts(self._rows.parts, storage.opened, _footers).tables(
            RowRange(self.chunk.row_start, self.chunk.row_stop),
            columns=self._read,
            batch_rows=self._rows_at_once(),
        )
        read = self._stack.enter_context(ahead(tables))
        while True:
            with self.meter.phase("read"):
                table = next(read, None)
            if table is None:
                return
            yield table

    def score(self, table: pa.Table) -> None:
        """Validate and score the next table, and write what came of it.

        Raises RowRefused, TooSlow, Narrowed, LeaseLost, and what ``scoring.score`` raises.
        """
        self._heartbeat.check()
        with self.meter.phase("validate"):
            inputs = inputs_of(table, self._target.signature)
            validated = self._validate(inputs)
            problems = every_problem(validated, inputs, self._validate)
        self._refuse_if_asked(problems)
        bad_rows = len(validated.bad_rows)
        kept = table.select(list(self._kept))
        for part, answer in self._calls.answers(validated, self._next_row):
            if answer is None:
                problems.append(model_failed(int(part.row_numbers[0])))
                self._refuse_if_asked(problems[-1:])
                bad_rows += 1
            else:
                self._take(part, answer, kept)
                self._compare(part, answer, table)
            failpoints.reach("score.first")
        self._reject(problems, table, bad_rows)
        self._next_row += table.num_rows
        self.meter.rows_scored(self._next_row - self.chunk.row_start)

    def publish(self) -> ChunkResult:
        """Close the files and put them into the storage under the attempt's own names."""
        with self.meter.phase("write"):
            results, rejects = self._results.close(), self._rejects.close()
        failpoints.reach("write.closed")
        rows_out = results.rows if results else 0
        if rows_out + self.rows_rejected != self.chunk.rows:
            raise LedgerMismatch(
                f"{rows_out} rows out and {self.rows_rejected} rejected of {self.chunk.rows}"
            )
        self._heartbeat.check()
        published = self._store(self._results_path, "results", results)
        failpoints.reach("rename.results")
        refused = self._store(self._rejects_path, "rejects", rejects)
        failpoints.reach("rename.all")
        return ChunkResult(
            results=published,
            rejects=refused,
            rows_out=rows_out,
            rows_rejected=self.rows_rejected,
            columns=self._columns(),
            summary=self._second.summary() if self._second else None,
        )

    def _store(self, path: Path, content: Content, written: Written | None) -> Published | None:
        if written is None:
            return None
        name = self._name(written.sha256, content)
        with self.meter.phase("store"):
            storage.put_file(path, name)
        return Published(name, written)

    def _take(self, part: Validated, answer: Answer, kept: pa.Table) -> None:
        """Write what the model answered to some good rows."""
        with self.meter.phase("write"):
            self._results.write(table_answer(answer, _batch_of(kept, part.row_numbers)))

    def _compare(self, part: Validated, answer: Answer, table: pa.Table) -> None:
        """Ask the other version for the same rows, where the job has one."""
        if self._second is None:
            return
        left_s = self._calls.time_left()
        with self.meter.phase("compare"), self._calls.in_time():
            self._second.add(
                part, answer, table, self._next_row, validate=self._checked, deadline_s=left_s
            )
        self._heartbeat.check()

    def _rows_at_once(self) -> int:
        facts, asked = self._target.facts, self._job.outputs
        wide = rows_at_once(facts, scoring.choose_outputs(facts, asked))
        return min(score_rows(self._target.signature), wide)

    def _validate(self, inputs: pa.Table) -> Validated:
        return self._checked(self._target.signature, inputs)

    def _checked(self, signature: Signature, inputs: pa.Table) -> Validated:
        if self._rows.format in as_sent.FORMATS:
            return validate_columns(signature, as_sent.as_sent(inputs, signature))
        return validate_table(signature, inputs)

    def _refuse_if_asked(self, problems: list[RowProblem]) -> None:
        if problems and self._job.on_row_error == OnRowError.FAIL:
            first = problems[0]
            raise RowRefused(
                RowProblem(
                    first.row + self._next_row,
                    first.column,
                    first.code,
                    first.expected,
                    None if self._job.hides_cells else first.received,
                )
            )

    def _reject(self, problems: list[RowProblem], table: pa.Table, bad_rows: int) -> None:
        if problems:
            ordered = sorted(problems, key=lambda problem: problem.row)
            keys = table.select(list(self._keys))
            hides_cells = self._job.hides_cells
            self._rejects.write(
                rejects_table(ordered, keys, self._next_row, hides_cells=hides_cells)
            )
        self.rows_rejected += bad_rows

    def _columns(self) -> list[dict[str, Any]] | None:
        if self._results.schema is None:
            return None
        kept = [self._rows.columns[name] for name in self._kept]
        return result_columns(self._results.schema, kept)

    def _name(self, sha256: str, content: Content) -> str:
        return part_name(self.chunk.job_id, self.chunk.index, self.chunk.attempt, sha256, content)


def _job_of(chunk: BatchChunk) -> BatchJob:
    """The chunk's job without what may be large and is not asked for here."""
    related = ["model", "dataset", "dataset_version"]
    related += [
        f"{version}__{kin}"
        for version in ("version", "compared_version")
        for kin in ("artifact", "model")
    ]
    unread = ("columns", "parts", "profile", "errors")
    jobs = BatchJob.objects.select_related(*related)
    lean = jobs.defer("output_columns", *(f"dataset_version__{name}" for name in unread))
    return lean.get(pk=chunk.job_id)


def _batch_of(kept: pa.Table, rows: np.ndarray[Any, Any]) -> pa.RecordBatch | None:
    """The kept columns of some rows as one batch; None where nothing is kept."""
    if not kept.num_columns:
        return None
    whole = kept if len(rows) == kept.num_rows else kept.take(pa.array(rows))
    return whole.combine_chunks().to_batches()[0]
