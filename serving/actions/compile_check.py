"""The check `compile`: a graph of the model, held against the original before it may answer.

The child of the model host converts and says what the original answers. Everything else happens
here, because that process runs an untrusted model: the graph's structure is checked, it is opened,
and its answers are compared on the golden rows, on rows that are made here to cover the signature,
and on rows that the child finds on the thresholds of the model.

A compile never refuses a version: whatever goes wrong, the original serves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from registry.errors import CheckRefused, DomainError
from registry.models.check import Verdict
from registry.quoting import QUOTES_FROM
from registry.signature.facts import ModelFacts
from registry.signature.types import Signature
from registry.signature.validate import Validated, validate_table
from serving.conf import conf
from serving.runtimes.base import Answer, available_outputs
from serving.runtimes.compiled.closeness import Closeness, Sifted, picked, sift
from serving.runtimes.compiled.edition import COMPILE_EDITION
from serving.runtimes.compiled.errors import NotCompiled
from serving.runtimes.compiled.model import BLOCK_ROWS, CompiledModel, LeftToOriginal
from serving.runtimes.compiled.pace import Pace, pace_of
from serving.runtimes.compiled.rows import Covering
from serving.runtimes.compiled.run_memory import peak_bytes_of
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.compile_talk import CompileTalk
from serving.runtimes.isolation.errors import HostError, ModelDied, ModelOutOfMemory
from serving.runtimes.isolation.inspection import Inspection

log = logging.getLogger(__name__)

# All together; the version waits for it.
BUDGET_S = 110.0
# More are made than have to be compared: some the original refuses.
_MARGIN = 1.1
_ROUNDS = 3
_BASE_ROWS = 500
# Rows on thresholds, for each generated one.
_THRESHOLD_SHARE = 2
_THRESHOLD_S = 20.0
_SIFT_S = 10.0
_PACE_ROWS, _PACE_S = 1_000, 3.0
_SEED = 20_260_131
# Of the processor, to read, check and open a graph; 20 MB of trees take about one.
MOST_OPEN_S = 5.0
# What another pass may find otherwise: they are tried again.
_PASSING = frozenset(
    {"host-away", "not-compared-in-time", "worker-lost", "storage-full", "compile-off"}
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What became of it. ``content`` is the graph where it answers as the original does."""

    verdict: str
    summary: str
    evidence: Mapping[str, Any]
    content: bytes | None = None


def compiled_by(
    child: Inspection,
    facts: ModelFacts,
    signature: Signature,
    golden: Golden | None,
    *,
    n_rows: int,
    hides_cells: bool,
    before_opening: Any = lambda evidence: None,
) -> Compiled:
    """Compile the model that ``child`` has loaded, and compare. Never raises what a model causes.

    ``n_rows``: so many generated rows have to be compared. ``before_opening`` is called with the
    evidence so far before onnxruntime sees the graph: should this process end there, that is what
    is left.
    """
    talk = CompileTalk(child.within(BUDGET_S))
    trial = _Trial(talk, facts, signature, golden, n_rows, hides_cells=hides_cells)
    trial.before_opening = before_opening
    try:
        return trial.run()
    except NotCompiled as told:
        return trial.left(told.reason, f"The original serves. {told.text}")
    except CheckRefused as refusal:
        return trial.left(refusal.reason, f"The original serves. {refusal}")
    except (DomainError, LeftToOriginal, ValueError, MemoryError) as error:
        reason, text = _fault(error)
        log.warning("A compile ended early: %s: %s", reason, error)
        cause = {} if hides_cells else _cause(error)
        return trial.left(reason, f"The original serves. {text}", **cause)


def skipped(reason: str, text: str) -> Compiled:
    """The verdict where no compile was tried."""
    evidence = {"reason": reason, "edition": _edition_for(reason)}
    return Compiled(Verdict.SKIPPED, f"The original serves. {text}", evidence)


def _edition_for(reason: str) -> str:
    """Empty for what may come out otherwise next time, so that it is tried again."""
    return "" if reason in _PASSING else COMPILE_EDITION


def _fault(error: Exception) -> tuple[str, str]:
    """Reason and words for a compile that did not come to its end."""
    if isinstance(error, ModelDied):
        if error.evidence.get("cause") == "deadline":
            return "compile-too-slow", "Compiling and comparing took too long."
        return "compile-died", "The process ended while it was compiled."
    if isinstance(error, ModelOutOfMemory | MemoryError):
        return "compile-out-of-memory", "Compiling needed more memory than one model may have."
    if isinstance(error, HostError):
        return "compile-failed", "The converter stopped at something that it does not know."
    if isinstance(error, LeftToOriginal):
        return "graph-fails", "The graph does not answer."
    if isinstance(error, DomainError):
        return "host-away", "The model host was away; it is tried again."
    return "compile-failed", "The answers could not be compared."


def _cause(error: Exception) -> dict[str, Any]:
    return {"cause": dict(error.evidence)} if isinstance(error, HostError) else {}


@dataclass
class _Trial:
    """One compile with its comparison."""

    talk: CompileTalk
    facts: ModelFacts
    signature: Signature
    golden: Golden | None
    n_rows: int
    hides_cells: bool = False
    before_opening: Any = lambda evidence: None
    evidence: dict[str, Any] = field(default_factory=dict)
    close: Closeness = field(default_factory=Closeness)
    refused: dict[str, int] = field(default_factory=lambda: {"original": 0, "graph": 0})
    thresholds: dict[str, int] = field(default_factory=dict)

    def run(self) -> Compiled:
        """Convert, open, compare. Raises what stands in ``compiled_by``."""
        self.until = time.monotonic() + BUDGET_S - 5.0
        self.kinds = available_outputs(self.facts)
        content = self._convert()
        graph = self._opened(content)
        self._measure(graph)
        self._compare_golden(graph)
        enough = self._compare_made(graph)
        self.evidence |= self._compared()
        if self.close.rows_that_differ:
            return self._differs()
        if not enough:
            rows = self.close.by_origin.get("generated", 0)
            return self.left(
                "not-compared-in-time",
                f"The original serves. Only {rows} of {self.n_rows} rows could be compared.",
            )
        self.evidence |= self._paces(graph)
        summary = f"Compiled: {self.close.rows:,} rows are answered as by the original."
        return Compiled(Verdict.PASSED, summary, self._evidence(""), content)

    def left(self, reason: str, text: str, **told: Any) -> Compiled:
        """The original serves, without a graph that could be compared."""
        return Compiled(Verdict.SKIPPED, text, {**self._evidence(reason), **told})

    def _evidence(self, reason: str) -> dict[str, Any]:
        edition = _edition_for(reason)
        return {**({"reason": reason} if reason else {}), "edition": edition, **self.evidence}

    def _convert(self) -> bytes:
        began = time.monotonic()
        content = self.talk.compile(self.signature)
        self.evidence |= {
            "graph_bytes": len(content),
            "convert_s": round(time.monotonic() - began, 3),
            "libraries": {**dict(self.facts.libraries), **_own_libraries()},
        }
        self.before_opening({"reason": "worker-lost", "edition": "", **self.evidence})
        return content

    def _opened(self, content: bytes) -> CompiledModel:
        """As each web process will open it, and in seconds: whoever asks first waits for it."""
        began_s = time.thread_time()
        graph = CompiledModel.open(content, self.signature, most_bytes=conf.engine_memory_bytes)
        took_s = time.thread_time() - began_s
        self.evidence |= {"open_s": round(took_s, 3), "opened_bytes": graph.memory_bytes}
        if took_s > MOST_OPEN_S:
            raise NotCompiled("graph-too-large", f"The graph takes {took_s:.1f} s to open.")
        return graph

    def _measure(self, graph: CompiledModel) -> None:
        """What a run of as many rows as are ever run at once takes, before others are run."""
        seen = [] if self.golden is None else [self.golden.inputs]
        rng = np.random.default_rng(_SEED)
        covering = Covering(self.signature, self.facts.columns, seen, rng)
        made = validate_table(self.signature, covering.rows(_BASE_ROWS, unseen=False)).batch
        again = np.resize(np.arange(made.num_rows), BLOCK_ROWS)
        rows = _validated(self.signature, made.take(pa.array(again)))
        most = conf.engine_memory_bytes
        try:
            took = peak_bytes_of(partial(_run, graph, rows, self.kinds), most_bytes=most)
        except MemoryError:
            text = f"A run of {rows.n_good:,} rows takes more than {most:,} bytes of memory."
            raise NotCompiled("graph-too-large", text) from None
        self.evidence |= {"run_rows": rows.n_good, "run_bytes": took}
        if took > most:
            text = f"A run of {rows.n_good:,} rows takes {took:,} bytes, of {most:,} allowed."
            raise NotCompiled("graph-too-large", text)

    def _differs(self) -> Compiled:
        # It quotes answers.
        first = None if self.hides_cells else self.close.first
        rows = self.close.rows_that_differ
        shown = "" if first is None else f"{QUOTES_FROM}{first}"
        return Compiled(
            Verdict.WARNED,
            f"The original serves: the graph answers {rows} of {self.close.rows} rows otherwise."
            f"{shown}"[:500],
            {
                **self._evidence("compiled-differs"),
                "first_difference": None if first is None else first.to_json(),
            },
        )

    # --- rows -----------------------------------------------------------------------------------

    def _compare_golden(self, graph: CompiledModel) -> None:
        if self.golden is None:
            return
        validated = validate_table(self.signature, self.golden.inputs)
        if validated.problem_count:
            return
        scored = partial(self._graph_answers, graph, self.golden.kinds)
        found = sift(scored, self.golden.inputs, until=self.until, refusals=(LeftToOriginal,))
        expected = Sifted(np.arange(self.golden.inputs.num_rows), self.golden.answer)
        self._add(expected, found, "golden")

    def _compare_made(self, graph: CompiledModel) -> bool:
        """Typical rows, extremes, rows on thresholds; whether enough could be compared.

        The thresholds are found first, because they tell the range of values, and compared last,
        because their number has no lower bound.
        """
        seen = [] if self.golden is None else [self.golden.inputs]
        rng = np.random.default_rng(_SEED)
        base = Covering(self.signature, self.facts.columns, seen, rng).rows(
            _BASE_ROWS, unseen=False
        )
        base = self._answered(base)
        on_thresholds = self._on_thresholds(base)
        seen = [*seen, *on_thresholds]
        covering = Covering(self.signature, self.facts.columns, seen, rng)
        if self.golden is not None:  # once more, for all that can be asked
            self._compare(graph, self.golden.inputs, "generated")
        for rounds in range(_ROUNDS):
            wanted = self.n_rows - self.close.by_origin.get("generated", 0)
            if wanted <= 0 or self._is_over():
                break
            # Unknown values may be what the original refuses: the last round leaves them out.
            rows = covering.rows(int(wanted * _MARGIN) + 100, unseen=rounds < _ROUNDS - 1)
            self._compare(graph, rows, "generated")
        self._compare(graph, covering.extremes(), "extremes")
        for rows in on_thresholds:
            self._compare(graph, rows, "at thresholds")
        return self.close.by_origin.get("generated", 0) >= self.n_rows

    def _answered(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Those rows that fit and that the original answers: others to build upon are none."""
        rows = validate_table(self.signature, rows).batch
        kept = self.talk.sift(rows, self.kinds, _SIFT_S).rows
        return rows.take(pa.array(kept, pa.int64()))

    def _on_thresholds(self, base: pa.RecordBatch) -> list[pa.RecordBatch]:
        if not base.num_rows:
            return []
        made = self.talk.threshold_rows(
            base, most=_THRESHOLD_SHARE * self.n_rows, seed=_SEED, budget_s=_THRESHOLD_S
        )
        rows, self.thresholds = made.rows, {**made.tally}
        if rows.schema.names != list(self.signature.input_names):
            raise ValueError("the rows on thresholds have other columns than the signature")
        return [rows] if rows.num_rows else []

    def _compare(self, graph: CompiledModel, rows: pa.RecordBatch, origin: str) -> None:
        """Whatever fits the signature of these rows is answered by both."""
        rows = validate_table(self.signature, rows).batch
        for start in range(0, rows.num_rows, BLOCK_ROWS):
            if self._is_over():
                return
            part = rows.slice(start, BLOCK_ROWS)
            part = pa.Table.from_batches([part]).combine_chunks().to_batches()[0]
            expected = self.talk.sift(part, self.kinds, min(_SIFT_S, self._left_s()))
            scored = partial(self._graph_answers, graph, self.kinds)
            got = sift(scored, part, until=self.until, refusals=(LeftToOriginal,))
            self.refused["original"] += part.num_rows - len(expected.rows)
            self.refused["graph"] += part.num_rows - len(got.rows)
            self._add(expected, got, origin)

    def _graph_answers(
        self, graph: CompiledModel, kinds: tuple[str, ...], rows: pa.RecordBatch
    ) -> Answer:
        return graph.score(_validated(self.signature, rows), kinds)

    def _add(self, expected: Sifted, got: Sifted, origin: str) -> None:
        """Compare what both have answered."""
        if expected.answer is None or got.answer is None:
            return
        _, mine, theirs = np.intersect1d(
            expected.rows, got.rows, assume_unique=True, return_indices=True
        )
        if len(mine):
            self.close.add(picked(expected.answer, mine), picked(got.answer, theirs), origin)

    # --- what is told ---------------------------------------------------------------------------

    def _compared(self) -> dict[str, Any]:
        close, tried = self.close, self.thresholds
        return {
            "rows": dict(close.by_origin),
            "rows_compared": close.rows,
            "rows_that_differ": close.rows_that_differ,
            "labels_that_differ": close.labels_that_differ,
            "largest_absolute": close.largest_absolute,
            "largest_relative": close.largest_relative,
            "thresholds": {"tried": tried.get("tried", 0), "of": tried.get("thresholds", 0)},
            "refused_rows": dict(self.refused),
        }

    def _paces(self, graph: CompiledModel) -> dict[str, Any]:
        """Seconds of both, the original's as its process tells them."""
        seen = [] if self.golden is None else [self.golden.inputs]
        rng = np.random.default_rng(_SEED)
        covering = Covering(self.signature, self.facts.columns, seen, rng)
        rows = self._answered(covering.rows(min(_PACE_ROWS, self.n_rows), unseen=False))
        kinds = self.kinds[:1] if "prediction" in self.kinds else self.kinds
        theirs = self.talk.pace(rows, kinds, min(_PACE_S, self._left_s()))
        score = partial(graph.score, outputs=kinds)
        try:
            ours = pace_of(score, rows, _PACE_S, prepared=partial(_validated, self.signature))
        except LeftToOriginal:
            return {}
        return {"pace": {"rows": rows.num_rows, "original": _pace(theirs), "onnx": _pace(ours)}}

    def _left_s(self) -> float:
        return max(self.until - time.monotonic(), 0.1)

    def _is_over(self) -> bool:
        return time.monotonic() >= self.until


def _validated(signature: Signature, rows: pa.RecordBatch) -> Validated:
    return validate_table(signature, rows)


def _run(graph: CompiledModel, rows: Validated, kinds: tuple[str, ...]) -> None:
    """Raises MemoryError where that is why the graph fails; the comparison sees the rest."""
    try:
        graph.score(rows, kinds)
    except LeftToOriginal as left:
        cause = left.__cause__
        if isinstance(cause, MemoryError) or "alloc" in str(cause):
            raise MemoryError from None


def _pace(pace: Pace) -> dict[str, float | None]:
    """Seconds of a call with one row and with all rows."""
    return {"one_row_s": _short(pace.one_row_s), "all_rows_s": _short(pace.all_rows_s)}


def _short(seconds: float | None) -> float | None:
    return None if seconds is None else float(f"{seconds:.3g}")


def _own_libraries() -> dict[str, str]:
    import onnxruntime

    return {"onnxruntime": str(onnxruntime.__version__)}
