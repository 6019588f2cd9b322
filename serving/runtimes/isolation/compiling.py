"""What the child of an inspection does for a compile: the graph, rows, answers, times.

Nothing that it says is trusted: the caller reads the graph strictly and compares for itself.

- ``compile``: body the signature as JSON; the answer's body is the graph.
- ``threshold_rows`` {most, seed, budget_s}: body a batch of typical rows; the answer's body a batch
  on the thresholds of the model, with its tally as JSON in the schema's metadata.
- ``sift`` {outputs, budget_s}: body a batch; the answer's body has the numbers of the rows on which
  the model does not raise, as a batch, and the answers to them: the two parts of golden rows.
- ``pace`` {outputs, budget_s}: body a batch; the answer's body says as JSON how long it took.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from registry.errors import CheckRefused
from registry.signature.types import Signature
from serving.runtimes.base import Answer, LoadedModel, batch_from_ipc, batch_to_ipc
from serving.runtimes.compiled.closeness import sift
from serving.runtimes.compiled.errors import NotCompiled
from serving.runtimes.compiled.graph_reader import MAX_BYTES
from serving.runtimes.compiled.pace import pace_of
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.desk import Operation
from serving.runtimes.isolation.protocol import Frame, ProtocolError, strict_object

# The runtimes some of whose models have a graph.
RUNTIMES = frozenset({"sklearn", "xgboost", "lightgbm", "mlflow"})
TALLY_KEY = b"modelyard.tally"
_CONVERTERS = "serving.runtimes.compiled.convert"
_ON_FIRST_USE = ("serving.runtimes.compiled.threshold_rows", "registry.signature.declaration")


def import_early() -> None:
    """Import what converts while files can still be read; without it nothing is compiled."""
    with suppress(ImportError):
        package = importlib.import_module(_CONVERTERS)
        for module in pkgutil.iter_modules(package.__path__, f"{_CONVERTERS}."):
            importlib.import_module(module.name)
        for name in _ON_FIRST_USE:
            importlib.import_module(name)


def operations(loaded: Sequence[LoadedModel]) -> dict[str, Operation]:
    """The operations over the one model that ``loaded`` holds once it is loaded."""
    room = _Room(loaded)
    return {
        "compile": room.compile,
        "threshold_rows": room.threshold_rows,
        "sift": room.sift,
        "pace": room.pace,
    }


class _Room:
    """A loaded model and the signature that it is compiled for."""

    def __init__(self, loaded: Sequence[LoadedModel]) -> None:
        self._loaded = loaded
        self._signature = Signature(())

    @property
    def _model(self) -> LoadedModel:
        if not self._loaded:
            raise ProtocolError("a model is compiled after its load")
        return self._loaded[0]

    def compile(self, frame: Frame) -> bytes:
        """The graph. A reason why there is none becomes a refusal."""
        from serving.runtimes.compiled.convert import compile_graph

        self._signature = Signature.from_json(strict_object(frame.body))
        try:
            graph = compile_graph(self._model, self._signature)  # type: ignore[arg-type]  # it asks
        except NotCompiled as reason:
            raise CheckRefused(reason.reason, reason.text) from None
        if len(graph) > MAX_BYTES:
            raise CheckRefused("graph-too-large", f"The graph has {len(graph)} bytes.")
        return graph

    def threshold_rows(self, frame: Frame) -> Any:
        """Rows on the thresholds."""
        from serving.runtimes.compiled.threshold_rows import rows_on_thresholds

        batch, tally = rows_on_thresholds(
            self._model,
            self._signature,
            batch_from_ipc(frame.body),
            most=int(frame.header["most"]),
            seed=int(frame.header["seed"]),
            budget_s=float(frame.header["budget_s"]),
        )
        told = {TALLY_KEY: json.dumps(asdict(tally)).encode()}
        return batch_to_ipc(batch.replace_schema_metadata(told))

    def sift(self, frame: Frame) -> bytes:
        """Rows that are answered, and their answers."""
        until = time.monotonic() + float(frame.header["budget_s"])
        found = sift(self._scorer(frame), batch_from_ipc(frame.body), until=until)
        rows = pa.RecordBatch.from_pydict({"row": pa.array(found.rows, pa.int64())})
        return Golden(rows, found.answer or Answer(0, ())).to_bytes()

    def pace(self, frame: Frame) -> bytes:
        """Seconds of one row alone, and of all rows together."""
        batch = batch_from_ipc(frame.body)
        found = pace_of(self._scorer(frame), batch, float(frame.header["budget_s"]))
        return json.dumps(asdict(found)).encode()

    def _scorer(self, frame: Frame) -> Callable[[pa.RecordBatch], Answer]:
        model, outputs = self._model, tuple(str(kind) for kind in frame.header["outputs"])
        return lambda batch: model.score(batch, outputs, {})
