"""A second opinion on the rows of a batch job: another version answers them too.

Each chunk keeps a summary of how the two differ; the last one makes the job's report of them, and
the report becomes evidence of approval requests for either version, of those that are open when it
is made and of those that are opened within a year. A row on which only the other version fails
costs the comparison that row and the job nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from django.db.models import Q
from django.utils import timezone

from registry.actions.approvals import attach_evidence
from registry.errors import ModelFailed, VersionNotServable
from registry.models import ApprovalRequest
from registry.models.approval_request import ApprovalSubject
from registry.signature.facts import ModelFacts
from registry.signature.validate import Validated
from serving.actions import scoring
from serving.actions.targets import Target, facts_of
from serving.batch.columns import kept_columns, key_columns, require_inputs
from serving.batch.isolate import SearchSuspended, isolate
from serving.batch.rejects import inputs_of, part_of
from serving.models import BatchJob
from serving.monitoring.comparison import KEYS_MAX, Summary, merged, without_cells
from serving.monitoring.quoting import own_kinds
from serving.runtimes.answer_size import rows_at_once
from serving.runtimes.base import KINDS, Answer, Block, Kind, available_outputs
from serving.runtimes.isolation.errors import ModelNotLoaded, ModelRaised

# Evidence of an approval request: the newest reports, no older than a year.
EVIDENCE = "comparison"
REPORTS_MAX = 3
REPORT_DAYS = 365
# Of a report's rows so many are evidence: a list of requests holds many reports.
EVIDENCE_ROWS = 20

Validate = Callable[[Any, pa.Table], Validated]


class SecondOpinion:
    """Of one chunk: what the job's other version answers, held against what was answered."""

    def __init__(self, job: BatchJob, names: Sequence[str], *, guarded: bool = False) -> None:
        """``names`` are the columns of the job's dataset; ``guarded`` is that of scoring.

        Raises VersionNotServable, and InvalidField where the dataset lacks columns that the other
        version takes.
        """
        version = job.compared_version
        assert version is not None
        self._guarded = guarded
        self._target = Target.of(version)
        if self._target.sha256 != job.compared_sha256:
            raise VersionNotServable(f"The bytes of {version} are not the accepted ones.")
        ours = Target.of(job.version)
        require_inputs(self._target.signature, names)
        self._is_alike = ours.signature.inputs == self._target.signature.inputs
        self._kinds = shared_kinds(ours.facts, self._target.facts, job.outputs)
        self._summary = Summary(_own_kinds(job) if job.hides_cells else None)
        self._keys: tuple[str, ...] = ()
        if not job.hides_cells:
            self._keys = key_columns(kept_columns(job.keep_columns, names), ours.signature)

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the dataset that ``add`` needs in its table."""
        return frozenset(self._keys) | self._target.signature.input_set

    def add(
        self,
        part: Validated,
        answer: Answer,
        table: pa.Table,
        first_row: int,
        *,
        validate: Validate,
        deadline_s: float,
    ) -> None:
        """Ask for the same rows and add the differences up.

        ``part.row_numbers`` are the rows of ``table`` that were answered; the table begins with row
        ``first_row`` of the dataset. ``validate`` checks a table against a signature. Raises
        ModelFailed where the time is over or the other version cannot be called at all, and
        Overloaded and the like where waiting helps.
        """
        ends_at = time.monotonic() + deadline_s
        rows = part.row_numbers
        if not self._is_alike:
            inputs = inputs_of(table.take(pa.array(rows)), self._target.signature)
            part = validate(self._target.signature, inputs)
            answer, rows = _rows_of(answer, part.row_numbers), rows[part.row_numbers]
            self._summary.refused += len(part.bad_rows)
        for start, stop, theirs in self._answers(part, ends_at):
            if theirs is None:
                self._summary.failed += stop - start
                continue
            at = rows[start:stop]
            keys = table.select(list(self._keys[:KEYS_MAX])).take(pa.array(at))
            ours = _rows_of(answer, np.arange(start, stop))
            self._summary.add(ours, theirs, at + first_row, keys if self._keys else None)

    def summary(self) -> dict[str, Any]:
        """What was found in the chunk, to be kept with it."""
        return self._summary.to_json()

    def _answers(self, part: Validated, ends_at: float) -> Iterator[tuple[int, int, Answer | None]]:
        """Pieces of the rows in order; None where the other version fails on a piece."""
        step = rows_at_once(self._target.facts, self._kinds)
        for start in range(0, part.n_good, step):
            stop = min(start + step, part.n_good)
            try:
                yield start, stop, self._call(part, start, stop, ends_at)
            except ModelFailed as error:
                if time.monotonic() >= ends_at and part.n_good > 1:
                    raise
                yield from self._one_by_one(part, start, stop, ends_at, error)

    def _one_by_one(
        self, part: Validated, start: int, stop: int, ends_at: float, error: ModelFailed
    ) -> Iterator[tuple[int, int, Answer | None]]:
        """Only what the model itself raises on is searched for: a process that dies is dear."""
        if isinstance(error, ModelNotLoaded) or error.retry_after_s is not None:
            raise error
        if not isinstance(error, ModelRaised):
            yield start, stop, None
            return
        done = start
        try:
            for piece in isolate(
                stop - start, lambda a, b: self._call(part, start + a, start + b, ends_at)
            ):
                done = start + piece.stop
                yield start + piece.start, done, piece.answer
        except SearchSuspended as search:
            raise error from search
        except ModelFailed:  # on too many rows
            if time.monotonic() >= ends_at:
                raise
            yield done, stop, None

    def _call(self, part: Validated, start: int, stop: int, ends_at: float) -> Answer:
        return scoring.score(
            self._target,
            part_of(part, start, stop),
            outputs=self._kinds,
            deadline_s=max(ends_at - time.monotonic(), 1.0),
            is_bounded=False,  # by the pieces
            guarded=self._guarded,
        )


def shared_kinds(
    ours: ModelFacts, theirs: ModelFacts, outputs: Sequence[str] | None
) -> tuple[Kind, ...]:
    """What is asked for and the other version has too; may be none."""
    asked, offered = scoring.choose_outputs(ours, outputs), available_outputs(theirs)
    return tuple(kind for kind in KINDS if kind in asked and kind in offered)


def report_of(job: BatchJob) -> dict[str, Any] | None:
    """The report of a job whose chunks are all done; None for one that compares nothing."""
    if job.compared_version is None:
        return None
    done = job.chunks.in_row_order().filter(summary__isnull=False)
    found = done.values_list("summary", flat=True)
    return {
        "model": job.model.name,
        "version": job.version.number,
        "compared_with": job.compared_version.number,
        "dataset": str(job.dataset_version),
        "job": str(job.pk),
        **merged(one for one in found.iterator(chunk_size=100) if one is not None),
    }


def shown_report(job: BatchJob, *, with_cells: bool) -> dict[str, Any]:
    """A job's report for somebody who may or may not read the dataset's rows."""
    report: Mapping[str, Any] = job.report or {}
    if with_cells and not job.hides_cells:
        return dict(report)
    return without_cells(report, _own_kinds(job))


def attach_report(job: BatchJob) -> int:
    """Make a job's report evidence of the open requests for either version; of how many.

    To be called in the transaction that writes the report.
    """
    if job.report is None:
        return 0
    versions = [job.version_id, job.compared_version_id]
    requests = ApprovalRequest.objects.pending().filter(
        subject=ApprovalSubject.ALIAS, version__in=versions
    )
    return sum(_attach(request, job) for request in requests)


def attach_reports(request: ApprovalRequest) -> int:
    """Make the newest reports about a request's version its evidence; how many."""
    about = Q(version=request.version_id) | Q(compared_version=request.version_id)
    oldest = timezone.now() - timedelta(days=REPORT_DAYS)
    jobs = BatchJob.objects.filter(
        about, report__isnull=False, finished_at__gte=oldest
    ).select_related("model", "version", "compared_version", "dataset", "dataset_version__dataset")
    return sum(_attach(request, job) for job in jobs.order_by("-id")[:REPORTS_MAX])


def _attach(request: ApprovalRequest, job: BatchJob) -> bool:
    """Without cells: who decides about a model need not be one who may read the dataset."""
    report = shown_report(job, with_cells=False)
    report["movers"] = report["movers"][:EVIDENCE_ROWS]
    return attach_evidence(request, f"{EVIDENCE}:{job.pk}", report, most=REPORTS_MAX)


def _own_kinds(job: BatchJob) -> frozenset[Any]:
    """The kinds of output that repeat no cell of the rows, of either version."""
    assert job.compared_version_id is not None
    return own_kinds(facts_of(job.version_id)) & own_kinds(facts_of(job.compared_version_id))


def _rows_of(answer: Answer, at: np.ndarray[Any, Any]) -> Answer:
    """The answers to the rows at these places, in their order."""
    if len(at) == answer.n_rows:
        return answer
    places = pa.array(at)
    blocks = (
        Block(b.kind, b.output, b.labels, tuple(array.take(places) for array in b.arrays))
        for b in answer.blocks
    )
    return Answer(len(at), tuple(blocks))
