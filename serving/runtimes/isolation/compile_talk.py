"""What a worker asks the child of an inspection for a compile; nothing that comes is trusted.

Rows that come are Arrow with every offset checked; whether they fit the signature is the caller's
to validate, and the graph's structure is checked before anything opens it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from registry.signature.types import Signature
from serving.runtimes.base import batch_from_ipc, batch_to_ipc
from serving.runtimes.compiled.closeness import Sifted
from serving.runtimes.compiled.graph_reader import MAX_BYTES
from serving.runtimes.compiled.pace import Pace
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.compiling import TALLY_KEY
from serving.runtimes.isolation.conversation import BODY_BASE_BYTES, BODY_BYTES_PER_ROW
from serving.runtimes.isolation.inspection import Inspection
from serving.runtimes.isolation.protocol import strict_object

_GRAPH_ROWS = (MAX_BYTES - BODY_BASE_BYTES) // BODY_BYTES_PER_ROW
# Rows are wide, and no caller waits for them.
_COUNTS = ("thresholds", "tried", "rows")


@dataclass(frozen=True, slots=True)
class ThresholdRows:
    """Rows on thresholds, and what the child says of them: counts of thresholds."""

    rows: pa.RecordBatch
    tally: Mapping[str, int]


class CompileTalk:
    """The questions, to a child that has loaded its model; ``compile`` comes first."""

    def __init__(self, child: Inspection) -> None:
        self._child = child

    def compile(self, signature: Signature) -> bytes:
        """The graph. Raises CheckRefused with the reason why there is none."""
        body = json.dumps(signature.to_json()).encode()
        return self._child.ask({"op": "compile"}, body, _GRAPH_ROWS, bytes)

    def threshold_rows(
        self, base: pa.RecordBatch, *, most: int, seed: int, budget_s: float
    ) -> ThresholdRows:
        """At most ``most`` rows on the thresholds of the model."""
        request = {"op": "threshold_rows", "most": most, "seed": seed, "budget_s": budget_s}

        def read(body: Any) -> ThresholdRows:
            batch = batch_from_ipc(body)
            told = strict_object((batch.schema.metadata or {})[TALLY_KEY])
            tally = {name: _count(told[name]) for name in _COUNTS}
            if batch.num_rows > most:
                raise ValueError("more rows came than were asked for")
            return ThresholdRows(batch, tally)

        return self._child.ask(request, batch_to_ipc(base), most, read)

    def sift(self, batch: pa.RecordBatch, outputs: Sequence[str], budget_s: float) -> Sifted:
        """The rows on which the model does not raise, and its answers to them."""
        request = {"op": "sift", "outputs": list(outputs), "budget_s": budget_s}

        def read(body: Any) -> Sifted:
            golden = Golden.from_bytes(bytes(body))
            rows = np.asarray(golden.inputs.column("row").cast(pa.int64()).to_numpy())
            is_in_range = not len(rows) or (rows[0] >= 0 and rows[-1] < batch.num_rows)
            if not is_in_range or (np.diff(rows) <= 0).any():
                raise ValueError("rows came that were not asked for")
            return Sifted(rows, golden.answer if len(rows) else None)

        return self._child.ask(request, batch_to_ipc(batch), batch.num_rows, read)

    def pace(self, batch: pa.RecordBatch, outputs: Sequence[str], budget_s: float) -> Pace:
        """How long the model says that it took for these rows."""
        request = {"op": "pace", "outputs": list(outputs), "budget_s": budget_s}

        def read(body: Any) -> Pace:
            told = strict_object(body)
            return Pace(_seconds(told["one_row_s"]), _seconds(told["all_rows_s"]), batch.num_rows)

        return self._child.ask(request, batch_to_ipc(batch), 0, read)


def _count(told: Any) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told < 1 << 53:
        raise ValueError("a count was expected")
    return told


def _seconds(told: Any) -> float | None:
    if told is None:
        return None
    if not isinstance(told, int | float) or isinstance(told, bool) or told < 0:
        raise ValueError("seconds were expected")
    return float(told)
