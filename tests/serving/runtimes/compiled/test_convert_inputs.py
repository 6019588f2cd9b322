"""What a graph reads in place of frames and matrices, and which requests have no graph."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from registry.signature.types import Column, Signature
from serving.runtimes.compiled.convert import compile_graph
from serving.runtimes.compiled.errors import NotCompiled
from serving.runtimes.sklearn import SklearnModel
from tests.serving.runtimes.compiled import mixed_frames
from tests.serving.runtimes.compiled.comparing import Graph, compared
from tests.serving.runtimes.pipelines import CASES

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"]


def read(estimator: Any, signature: Signature) -> tuple[SklearnModel, Graph]:
    """The model and its graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SklearnModel(estimator)
        return model, Graph(compile_graph(model, signature), signature)


def inputs_of(estimator: Any, signature: Signature) -> dict[str, tuple[str, list[Any]]]:
    """Name -> element type and shape."""
    _, graph = read(estimator, signature)
    return {one.name: (one.type, list(one.shape)) for one in graph.session.get_inputs()}


def signed(frame: pd.DataFrame, nullable: tuple[str, ...] = ()) -> Signature:
    """The columns of a frame in its types."""
    kinds = {"str": "string", "bool": "boolean"}
    return Signature(
        tuple(
            Column(str(name), kinds.get(str(kind), str(kind)), nullable=name in nullable)
            for name, kind in frame.dtypes.items()
        )
    )


def batch(signature: Signature, cells: dict[str, list[Any]]) -> pa.RecordBatch:
    """Cells by column."""
    arrays = [pa.array(cells[c.name], c.arrow) for c in signature.inputs]
    return pa.RecordBatch.from_arrays(arrays, schema=signature.input_schema())


def on_texts_and_numbers(frame: pd.DataFrame) -> Any:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["s", "t"]),
        (StandardScaler(), ["i", "f"]),
        ("passthrough", ["flag"]),
    )
    return make_pipeline(columns, LogisticRegression()).fit(frame, mixed_frames.labels(frame))


def test_numbers_alone_are_one_matrix() -> None:
    frame = mixed_frames.numbers()
    model = LinearRegression().fit(frame, frame["a"])

    assert inputs_of(model, signed(frame)) == {"x": ("tensor(double)", ["N", 5])}


def test_texts_stand_beside_the_matrix_of_everything_else() -> None:
    frame = mixed_frames.others(gaps=0.0)
    found = inputs_of(on_texts_and_numbers(frame), signed(frame))

    assert found == {"x": ("tensor(double)", ["N", 3]), "s": ("tensor(string)", ["N", 2])}


def test_a_column_of_texts_that_may_be_null_brings_an_input_of_nulls() -> None:
    frame = mixed_frames.others(gaps=0.0)
    found = inputs_of(on_texts_and_numbers(frame), signed(frame, nullable=("t",)))

    assert found["n"] == ("tensor(bool)", ["N", 2])


def test_the_order_of_the_signature_is_not_that_of_the_fit() -> None:
    frame = mixed_frames.others(gaps=0.0)
    turned = Signature(signed(frame).inputs[::-1])
    model, graph = read(on_texts_and_numbers(frame), turned)

    found = compared(model, graph, batch(turned, {n: frame[n].tolist() for n in frame.columns}))

    assert (found.rows, found.refused) == (len(frame), 0)


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("form", ["frame", "matrix"])
def test_whole_numbers_of_each_width_are_read_as_the_original_reads_them(
    kind: str, form: str
) -> None:
    limits = np.iinfo(kind)
    low, high = max(limits.min, 1 - 2**53), min(limits.max, 2**53 - 1)
    values = np.array([low, high, 0, 1, 7, high - 1] * 10, kind)
    frame = pd.DataFrame({"x0": values, "x1": values[::-1]})
    x = frame if form == "frame" else frame.to_numpy()
    model, graph = read(
        RandomForestRegressor(3, random_state=0).fit(x, np.arange(60.0)), signed(frame)
    )

    found = compared(model, graph, batch(signed(frame), {n: frame[n].tolist() for n in frame}))

    assert found.worst == 0.0


def test_whole_numbers_beyond_what_a_double_holds_go_to_the_original() -> None:
    frame = pd.DataFrame({"a": np.arange(40), "b": np.arange(40)[::-1]})
    _, graph = read(FunctionTransformer().fit(frame), signed(frame))
    _, refused = graph.answer(batch(signed(frame), {"a": [2**53 + 1, 5], "b": [1, 2]}))

    assert refused.tolist() == [True, False]
    assert [block["kind"] for block in graph.layout["blocks"]] == [
        "prediction", "prediction", "transform",
    ]  # fmt: skip


def test_nulls_of_each_type_are_what_the_original_sees() -> None:
    frame = mixed_frames.mixed().drop(columns=["i"])
    frame["flag"] = frame["flag"].astype(object)
    frame.loc[::7, "flag"] = np.nan
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b", "f"]),
            ("rest", OneHotEncoder(handle_unknown="ignore"), ["s", "t", "flag"]),
        ]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, mixed_frames.labels(frame))
    kinds = dict.fromkeys(frame.columns, "float64") | {"s": "string", "t": "string"}
    signature = Signature(
        tuple(Column(n, (kinds | {"flag": "boolean"})[n], nullable=True) for n in frame.columns)
    )
    cells = {n: [None if v != v else v for v in frame[n].tolist()] for n in frame.columns}

    found = compared(*read(model, signature), batch(signature, cells))

    assert (found.rows, found.refused) == (len(frame), 0)


def test_rows_that_the_original_refuses_are_told_apart() -> None:
    frame = mixed_frames.numbers()
    _, graph = read(LinearRegression().fit(frame, frame["a"]), signed(frame))
    rows = {name: [1.0, np.inf, 1.0, np.nan] for name in frame.columns}
    _, refused = graph.answer(batch(signed(frame), rows))

    assert refused.tolist() == [False, True, False, True]


def test_a_model_that_refuses_nothing_names_no_refused_rows() -> None:
    frame = mixed_frames.numbers()
    _, graph = read(FunctionTransformer().fit(frame), signed(frame))

    assert graph.layout["refused"] is None


def case(name: str) -> tuple[Any, Signature]:
    found = next(one for one in CASES if one.name == name)
    kinds = {"double": "float64", "timestamp[us, tz=UTC]": "datetime", "bool": "boolean"}
    columns = (
        Column(f.name, kinds.get(str(f.type), str(f.type)), nullable=f.nullable)
        for f in found.batch.schema
    )
    return found.make(), Signature(tuple(columns))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dicts", "records"),
        ("tf-idf", "series"),
        ("days without a zone", "times"),
        ("words of a column", "no-converter"),
        ("imputed texts", "text-as-number"),
        ("numpy function", "own-function"),
    ],
)
def test_what_has_no_graph_says_why(name: str, reason: str) -> None:
    estimator, signature = case(name)

    with pytest.raises(NotCompiled) as refused:
        read(estimator, signature)

    assert refused.value.reason == reason
    assert str(refused.value).endswith(".")


def test_a_column_of_uint64_has_no_graph() -> None:
    frame = pd.DataFrame({"a": np.arange(20, dtype=np.uint64)})

    with pytest.raises(NotCompiled) as refused:
        read(StandardScaler().fit(frame), signed(frame))

    assert refused.value.reason == "uint64"


def test_a_graph_holds_the_layout_and_no_node_twice() -> None:
    frame = mixed_frames.others()
    signature = signed(frame, nullable=("s", "f"))
    frame = frame.assign(f=frame["f"].fillna(0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = compile_graph(SklearnModel(on_texts_and_numbers(frame)), signature)
    graph = onnx.load_from_string(content)
    told = {one.key: one.value for one in graph.metadata_props}
    nodes = [
        (n.op_type, tuple(n.input), tuple(a.SerializeToString() for a in n.attribute))
        for n in graph.graph.node
    ]

    assert list(told) == ["modelyard.layout"]
    assert json.loads(told["modelyard.layout"])["inputs"] == "grouped"
    assert len(nodes) == len(set(nodes))
