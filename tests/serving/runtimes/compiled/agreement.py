"""Compiles a fitted model and holds the graph's answers against the original's, row by row."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa

from registry.signature.types import Column, Signature
from serving.runtimes.base import Block, available_outputs
from serving.runtimes.boosted import BoostedModel
from serving.runtimes.compiled.convert import compile_graph
from serving.runtimes.compiled.feeds import Feeder
from serving.runtimes.compiled.graph_check import check_graph
from serving.runtimes.sklearn.model import SklearnModel

RELATIVE, ABSOLUTE = 1e-9, 1e-12


class Compiled:
    """A model, its graph, and both their answers to rows (n_rows, n_features) of numbers."""

    def __init__(self, model: Any, width: int, signature: Signature | None = None) -> None:
        is_loaded = isinstance(model, SklearnModel | BoostedModel)
        self.model: Any = model if is_loaded else SklearnModel(model)
        names = self.model.facts().feature_names or tuple(f"x{i}" for i in range(width))
        self.signature = signature or Signature(
            tuple(Column(name, "float64", nullable=True) for name in names)
        )
        self.content = compile_graph(self.model, self.signature)
        check_graph(self.content, self.signature)
        self.open(self.content)

    def open(self, content: bytes) -> None:
        """Ask this graph from now on."""
        proto = onnx.load_from_string(content)
        self.layout = json.loads(
            {one.key: one.value for one in proto.metadata_props}["modelyard.layout"]
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(content, options)

    def batch_of(self, rows: np.ndarray | pa.RecordBatch) -> pa.RecordBatch:
        """Rows as the validator hands them over: null where a number is NaN."""
        if isinstance(rows, pa.RecordBatch):
            return rows
        arrays = [pa.array(column, from_pandas=True) for column in rows.T]
        return pa.RecordBatch.from_arrays(arrays, schema=self.signature.input_schema())

    def original(self, rows: np.ndarray | pa.RecordBatch) -> tuple[Block, ...]:
        batch = self.batch_of(rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.model.score(batch, available_outputs(self.model.facts()), {}).blocks

    def run(self, rows: np.ndarray | pa.RecordBatch) -> dict[str, np.ndarray]:
        names = [output.name for output in self.session.get_outputs()]
        feeds = Feeder(self.signature).feeds(self.batch_of(rows))
        return dict(zip(names, self.session.run(names, feeds), strict=True))

    def refused(self, rows: np.ndarray | pa.RecordBatch) -> np.ndarray:
        name = self.layout["refused"]
        return np.zeros(len(rows), bool) if name is None else self.run(rows)[name]

    def columns(self, rows: np.ndarray | pa.RecordBatch) -> Iterator[tuple[str, pa.Array, Any]]:
        """Kind, the original's values, the graph's values: column by column."""
        given, answered = self.original(rows), self.run(rows)
        assert len(given) == len(self.layout["blocks"])
        for block, told in zip(given, self.layout["blocks"], strict=True):
            assert (block.kind, block.output) == (told["kind"], told["output"])
            assert (None if block.labels is None else list(block.labels)) == told["labels"]
            tensor = answered[told["tensor"]]
            if told["classes"] is not None:
                tensor = np.asarray(told["classes"])[tensor]
            made = [tensor] if told["labels"] is None else list(tensor.T)
            assert len(made) == len(block.arrays)
            yield from ((block.kind, a, m) for a, m in zip(block.arrays, made, strict=True))


def differences(compiled: Compiled, rows: np.ndarray) -> list[str]:
    """What differs beyond the tolerance, in words; empty when the graph is exact.

    Rows that the graph refuses must make the original raise, one by one.
    """
    refused = compiled.refused(rows)
    found = [f"answered though refused: {row}" for row in rows[refused] if _answers(compiled, row)]
    good = rows[~refused]
    assert len(good) * 2 > len(rows), "too few rows are answered to compare anything"
    return found + answers_differ(compiled, good)


def answers_differ(compiled: Compiled, good: np.ndarray | pa.RecordBatch) -> list[str]:
    """The same for rows that the graph answers."""
    found = []
    for kind, wanted, made in compiled.columns(good):
        given = np.asarray(wanted.to_pylist(), dtype=None)
        if given.dtype.kind != made.dtype.kind and {given.dtype.kind, made.dtype.kind} != {"U"}:
            found.append(f"{kind}: {made.dtype} where {given.dtype} is")
        if given.dtype.kind == "f":
            bad = ~np.isclose(made, given, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        else:
            bad = made != given
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            found.append(
                f"{kind}: {bad.sum()} of {len(good)}, first {made[at]!r} where {given[at]!r},"
                f" row {good[at : at + 1]}"
            )
    return found


def _answers(compiled: Compiled, row: np.ndarray) -> bool:
    try:
        compiled.original(row[None, :])
    except Exception:
        return False
    return True


def splits_of(estimator: Any) -> list[tuple[int, float]]:
    """Each (feature, threshold) of the trees anywhere in a fitted object."""
    found: list[tuple[int, float]] = []
    seen: list[Any] = [estimator]
    while seen:
        one = seen.pop()
        if isinstance(one, list | tuple):
            seen += one
        elif isinstance(one, np.ndarray) and one.dtype == object:
            seen += one.ravel().tolist()
        elif hasattr(one, "tree_"):
            inner = one.tree_.children_left >= 0
            found += zip(
                one.tree_.feature[inner].tolist(), one.tree_.threshold[inner].tolist(), strict=True
            )
        elif type(one).__name__ == "TreePredictor":
            nodes = one.nodes[(one.nodes["is_leaf"] == 0) & (one.nodes["is_categorical"] == 0)]
            found += zip(
                nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(), strict=True
            )
        elif hasattr(one, "get_params"):
            seen += vars(one).values()
    return found


@np.errstate(over="ignore")
def around(value: float) -> list[float]:
    """A threshold, one step of either precision beside it, and what rounds to it."""
    narrow = np.float32(value)
    ends = np.float32(-np.inf), np.float32(np.inf)
    wide = [float(one) for one in (narrow, *(np.nextafter(narrow, end) for end in ends))]
    middle = [(wide[0] + wide[1]) / 2, (wide[0] + wide[2]) / 2]
    beside = [np.nextafter(v, s) for v in (value, *middle) for s in (-np.inf, np.inf)]
    return [value, *wide, *middle, *(float(v) for v in beside)]


def rows_for(estimator: Any, x: np.ndarray, seed: int = 0, odd: bool = True) -> np.ndarray:
    """Rows of ``x``, rows on and beside splits, and rows with one odd cell where ``odd``."""
    draw = np.random.default_rng(seed)
    splits = splits_of(estimator)
    chosen = draw.permutation(len(splits))[:40]
    cells = [(splits[at][0], value) for at in chosen for value in around(splits[at][1])]
    if odd:
        strange = (np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e39, -3.5e38, 1e6)
        cells += [(at, value) for at in range(min(3, x.shape[1])) for value in strange]
    rows = x[draw.integers(len(x), size=len(cells))].copy()
    for row, (feature, value) in zip(rows, cells, strict=True):
        if feature < x.shape[1]:
            row[feature] = value
    return np.concatenate([x[:60], x[:60] * draw.normal(1, 0.5, (min(60, len(x)), 1)), rows])
