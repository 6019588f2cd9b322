"""A compiled graph that answers validated rows in this process, with onnxruntime on one thread."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from registry.signature.types import Signature
from registry.signature.validate import Validated
from serving.runtimes.base import KINDS, Answer
from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.feeds import Feeder, Feeds
from serving.runtimes.compiled.graph_check import check_graph
from serving.runtimes.compiled.graph_layout import Layout, LayoutBlock
from serving.runtimes.lean_answer import LeanAnswer, Part, PartLayout

if TYPE_CHECKING:
    import onnxruntime

# No run has more rows than the check that compared the graph with its original has tried: a graph
# may need memory and time that grow faster than its rows.
BLOCK_ROWS = 2_500
# Up to so many values numpy takes longer to begin than Python to go through them.
_FEW = 16
_QUIET = 4  # fatal messages only: everything else comes as an exception


class DeadlinePassed(Exception):
    """The clock ran out between two blocks of rows."""


class LeftToOriginal(Exception):
    """The graph does not answer these rows: the original does, or says in its words why not."""


class CompiledModel:
    """One onnxruntime session. Thread-safe."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        layout: Layout,
        signature: Signature,
        *,
        memory_bytes: int = 0,
    ) -> None:
        self.memory_bytes = memory_bytes  # about what it takes, as long as it is open
        # Its public face looks each input's name up in a list of them at every call: 10 us of 14
        # columns, milliseconds of 500. The session itself refuses what is missing.
        self._run = session._sess.run
        self._feeder = Feeder(signature)
        self._refused = layout.refused
        self._blocks = tuple((b, _part_layout(b)) for b in layout.blocks)
        self._plans: dict[tuple[str, ...], _Plan] = {}

    @classmethod
    def open(
        cls, content: bytes, signature: Signature, *, most_bytes: int | None = None
    ) -> CompiledModel:
        """Check the graph, then give it to onnxruntime.

        Raises GraphRefused for a graph that is not as our converters write it, that would take
        more than ``most_bytes`` of memory, or that onnxruntime does not take.
        """
        # Here, not above: a process that answers no request yet does without it.
        import onnxruntime

        _require_room(len(content), most_bytes)
        checked = check_graph(content, signature)
        _require_room(checked.memory_bytes, most_bytes)
        try:
            session = onnxruntime.InferenceSession(
                content, sess_options=_options(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has an exception class per status, without a base
            text = f"onnxruntime does not take the graph: {str(error)[:300]}"
            raise GraphRefused("graph-load", text) from error
        return cls(session, checked.layout, signature, memory_bytes=checked.memory_bytes)

    def score(
        self, validated: Validated, outputs: Sequence[str], *, deadline_s: float = math.inf
    ) -> Answer:
        """Answer the good rows for the kinds asked, in the order of ``KINDS``.

        No rows give an answer without blocks. Raises LeftToOriginal when the original would raise
        on one of the rows, and when the graph itself fails; DeadlinePassed where so many seconds
        were over between two blocks of rows.
        """
        plan = self._plan(tuple(outputs))
        n_rows = validated.n_good
        if not n_rows:
            return Answer(0, ())
        try:
            feeds = self._feeder.feeds(validated.held)
            if n_rows <= BLOCK_ROWS:
                returned = self._run(plan.tensors, feeds, None)
            else:
                until = time.monotonic() + deadline_s
                returned = self._run_in_blocks(plan.tensors, feeds, n_rows, until)
        except DeadlinePassed:
            raise
        except Exception as error:  # see ``open``
            raise LeftToOriginal(f"the graph fails: {str(error)[:300]}") from error
        if self._refused is not None and np.count_nonzero(returned[-1]):
            raise LeftToOriginal("the graph does not answer one of the rows")
        parts = tuple(part.of(returned, n_rows) for part in plan.parts)
        return LeanAnswer(n_rows, parts)

    def _run_in_blocks(
        self, tensors: list[str], feeds: Feeds, n_rows: int, until: float
    ) -> list[np.ndarray[Any, Any]]:
        parts = []
        for at in range(0, n_rows, BLOCK_ROWS):
            if at and time.monotonic() >= until:
                raise DeadlinePassed(f"{at} of {n_rows} rows were answered in time")
            block = {name: array[at : at + BLOCK_ROWS] for name, array in feeds.items()}
            parts.append(self._run(tensors, block, None))
        return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]

    def _plan(self, outputs: tuple[str, ...]) -> _Plan:
        """Which tensors to compute for these kinds; there are few combinations."""
        plan = self._plans.get(outputs)
        if plan is None:
            plan = self._plans[outputs] = _plan_for(self._blocks, outputs, self._refused)
        return plan


class _PlannedPart:
    """One block of the answer and where its values stand among the tensors that were computed."""

    def __init__(self, layout: PartLayout, at: int) -> None:
        self._layout, self._at = layout, at
        self._width = None if layout.labels is None else len(layout.labels)
        self._n_classes = None if layout.classes is None else len(layout.classes)

    def of(self, returned: Sequence[np.ndarray[Any, Any]], n_rows: int) -> Part:
        values = returned[self._at]
        expected = (n_rows,) if self._width is None else (n_rows, self._width)
        if values.shape != expected:
            raise LeftToOriginal(f"the graph answers {values.shape}, not {expected}")
        if self._n_classes is not None and not _are_indexes(values, self._n_classes):
            raise LeftToOriginal(f"the graph answers with none of the {self._n_classes} classes")
        return Part(self._layout, values)


def _are_indexes(values: np.ndarray[Any, Any], count: int) -> bool:
    """Whether int64 values are all within ``0..count - 1``."""
    if len(values) <= _FEW:
        few: list[int] = values.tolist()
        return min(few) >= 0 and max(few) < count
    # Read without a sign, what is below zero is far too large.
    return int(values.view(np.uint64).max()) < count


class _Plan:
    """What is run for one combination of kinds. The refused rows come last."""

    def __init__(self, tensors: list[str], parts: list[_PlannedPart]) -> None:
        self.tensors, self.parts = tensors, parts


def _plan_for(
    blocks: Sequence[tuple[LayoutBlock, PartLayout]], outputs: Sequence[str], refused: str | None
) -> _Plan:
    wanted = [pair for kind in KINDS if kind in outputs for pair in blocks if pair[0].kind == kind]
    tensors = list(dict.fromkeys(block.tensor for block, _ in wanted))
    parts = [_PlannedPart(layout, tensors.index(block.tensor)) for block, layout in wanted]
    return _Plan(tensors if refused is None else [*tensors, refused], parts)


def _require_room(memory_bytes: int, most_bytes: int | None) -> None:
    if most_bytes is not None and memory_bytes > most_bytes:
        text = f"Opened, the graph would take {memory_bytes:,} bytes; {most_bytes:,} are allowed."
        raise GraphRefused("graph-too-large", text)


def _part_layout(block: LayoutBlock) -> PartLayout:
    return PartLayout(block.kind, block.output, block.labels, block.classes)


def _options() -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Measured: no slower without, for one row and for 1,000; with an arena each session keeps the
    # memory of its largest call for good, 0.7 MiB after 1,000 rows.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = _QUIET
    return options
