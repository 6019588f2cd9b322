"""An ONNX graph in the runtime answers what onnxruntime itself answers."""

from __future__ import annotations

import io
import os
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pyarrow as pa
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.errors import CheckRefused, InvalidField
from serving.runtimes.onnx import load
from serving.runtimes.onnx.model import OnnxModel

X = np.random.default_rng(3).normal(size=(80, 3)).astype(np.float32)
YS = np.array(["no", "maybe", "yes"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0)]
YI = (X[:, 0] > 0).astype(int) * 4
YR = (X @ [1.0, 2.0, -1.0]).astype(np.float32)
FRAME = pd.DataFrame(
    {
        "age_years": X[:, 0],
        "visits": np.arange(80) % 5,
        "city": np.array(["Rome", "Oslo"])[(X[:, 1] > 0).astype(int)],
    }
)
COLUMNS = [
    ("age_years", FloatTensorType([None, 1])),
    ("visits", Int64TensorType([None, 1])),
    ("city", StringTensorType([None, 1])),
]


def opened(content: bytes) -> OnnxModel:
    return load(io.BytesIO(content), "onnx")


def converted(model: BaseEstimator, zipmap: Any = None, **options: Any) -> bytes:
    chosen = None if zipmap is None else {id(model): {"zipmap": zipmap}}
    opset = {"": 18, "ai.onnx.ml": 3}
    if "initial_types" not in options:
        options["X"] = X[:1]
    made = to_onnx(model, options=chosen, target_opset=opset, **options)
    return bytes(made.SerializeToString())


def own_answer(content: bytes, feeds: dict[str, np.ndarray]) -> list[Any]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def matrix(x: np.ndarray = X) -> pa.RecordBatch:
    fields = [pa.field(f"x{i}", pa.float32(), nullable=False) for i in range(x.shape[1])]
    arrays = [pa.array(np.ascontiguousarray(x[:, i])) for i in range(x.shape[1])]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


@cache
def classifier(kind: str) -> Any:
    model = {"linear": LogisticRegression(), "forest": RandomForestClassifier(5, random_state=0)}
    return model[kind].fit(X, YS)


@pytest.mark.parametrize("zipmap", [True, False, "columns"])
@pytest.mark.parametrize("kind", ["linear", "forest"])
def test_a_classifier_answers_labels_and_probabilities_by_label(kind: str, zipmap: Any) -> None:
    content = converted(classifier(kind), zipmap)
    model = opened(content)
    answer = model.score(matrix(), (), {})
    (prediction,), (probabilities,) = answer.of("prediction"), answer.of("probabilities")
    labels, raw = own_answer(converted(classifier(kind), False), {"X": X})
    assert prediction.arrays[0].to_pylist() == labels.tolist()
    assert probabilities.labels == ("maybe", "no", "yes")
    for at, array in enumerate(probabilities.arrays):
        assert array.to_pylist() == raw[:, at].astype(float).tolist()
    facts = model.facts()
    assert facts.input_form == "matrix"
    assert facts.n_features == 3
    assert facts.outputs[0].classes == ("maybe", "no", "yes")
    assert facts.outputs[0].type == "string"
    assert facts.types_declared
    assert facts.columns["x0"].type == "float32"


@pytest.mark.parametrize("zipmap", [True, False])
def test_integer_labels_keep_their_value(zipmap: bool) -> None:
    model = opened(converted(LogisticRegression().fit(X, YI), zipmap))
    answer = model.score(matrix(), (), {})
    assert set(answer.of("prediction")[0].arrays[0].to_pylist()) == {0, 4}
    assert answer.of("probabilities")[0].labels == (0, 4)


@pytest.mark.parametrize("zipmap", [True, False])
def test_one_input_per_column_takes_a_frame(zipmap: bool) -> None:
    pipeline = make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["age_years", "visits"]), (OneHotEncoder(), ["city"])
        ),
        LogisticRegression(),
    ).fit(FRAME, YS)
    content = converted(pipeline, zipmap, initial_types=COLUMNS)
    model = opened(content)
    facts = model.facts()
    assert facts.input_form == "frame"
    assert facts.feature_names == ("age_years", "visits", "city")
    types = {name: hint.type for name, hint in facts.columns.items()}
    assert types == {"age_years": "float32", "visits": "int64", "city": "string"}
    batch = pa.RecordBatch.from_pandas(FRAME[["city", "visits", "age_years"]])
    answer = model.score(batch, (), {})
    feeds = {
        name: FRAME[name].to_numpy(dtype=dtype).reshape(-1, 1)
        for name, dtype in (("age_years", np.float32), ("visits", np.int64), ("city", object))
    }
    labels, raw = own_answer(converted(pipeline, False, initial_types=COLUMNS), feeds)
    assert answer.of("prediction")[0].arrays[0].to_pylist() == labels.tolist()
    got = [array.to_pylist() for array in answer.of("probabilities")[0].arrays]
    assert got == raw.T.astype(float).tolist()


def test_a_regressor_answers_its_one_output_without_a_name() -> None:
    content = converted(LinearRegression().fit(X, YR))
    model = opened(content)
    (block,) = model.score(matrix(), (), {}).blocks
    assert (block.kind, block.output) == ("prediction", None)
    expected = own_answer(content, {"X": X})[0].ravel().astype(float).tolist()
    assert block.arrays[0].to_pylist() == expected
    assert model.facts().methods == ("predict",)
    assert model.facts().outputs[0].type == "float64"


def test_double_inputs_are_computed_in_double() -> None:
    x = X.astype(np.float64)
    model = LinearRegression().fit(x, YR.astype(np.float64))
    content = converted(model, initial_types=[("X", DoubleTensorType([None, 3]))])
    batch = pa.RecordBatch.from_arrays(
        [pa.array(np.ascontiguousarray(x[:, i])) for i in range(3)], names=["x0", "x1", "x2"]
    )
    got = opened(content).score(batch, (), {}).blocks[0].arrays[0].to_pylist()
    assert got == own_answer(content, {"X": x})[0].ravel().tolist()
    assert opened(content).facts().columns["x0"].type == "float64"


@pytest.mark.filterwarnings("ignore")
def test_several_values_are_several_outputs() -> None:
    content = converted(RandomForestRegressor(3, random_state=0).fit(X, np.c_[YR, -YR]))
    model = opened(content)
    blocks = model.score(matrix(), ("prediction",), {}).blocks
    assert [b.output for b in blocks] == [o.name for o in model.facts().outputs]
    assert len(blocks) == 2
    expected = own_answer(content, {"X": X})[0].astype(float)
    assert [b.arrays[0].to_pylist() for b in blocks] == expected.T.tolist()


def test_several_labels_have_probabilities_each() -> None:
    y = np.c_[YI > 0, X[:, 1] > 0].astype(int)
    content = converted(MultiOutputClassifier(LogisticRegression()).fit(X, y), False)
    answer = opened(content).score(matrix(), (), {})
    labels, raw = own_answer(content, {"X": X})
    assert [b.arrays[0].to_pylist() for b in answer.of("prediction")] == labels.T.tolist()
    outputs = [b.output for b in answer.of("prediction")]
    assert [b.output for b in answer.of("probabilities")] == outputs
    first = [array.to_pylist() for array in answer.of("probabilities")[0].arrays]
    assert first == raw[0].T.astype(float).tolist()


def test_clusters_answer_labels_and_scores() -> None:
    content = converted(KMeans(2, n_init=1, random_state=0).fit(X))
    model = opened(content)
    assert model.facts().methods == ("predict", "decision_function")
    answer = model.score(matrix(), ("prediction", "decision"), {})
    labels, scores = own_answer(content, {"X": X})
    assert answer.of("prediction")[0].arrays[0].to_pylist() == labels.tolist()
    got = [array.to_pylist() for array in answer.of("decision")[0].arrays]
    assert got == scores.T.astype(float).tolist()


def graph_of(inputs: list[Any], nodes: list[Any], outputs: list[Any]) -> bytes:
    graph = helper.make_graph(nodes, "by-hand", inputs, outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())


def test_a_tensor_input_takes_one_tensor_column() -> None:
    content = graph_of(
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 2, 3])],
        [helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0)],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["n"])],
    )
    model = opened(content)
    facts = model.facts()
    assert (facts.input_form, facts.tensor_shape) == ("tensor", (2, 3))
    assert facts.columns["image"].shape == (2, 3)
    images = [[[1.0, 2, 3], [4, 5, 6]], [[0, 0, 0], [0, 0, 6]]]
    batch = pa.RecordBatch.from_pydict(
        {"image": pa.array(images, type=pa.list_(pa.list_(pa.float32())))}
    )
    assert model.score(batch, (), {}).blocks[0].arrays[0].to_pylist() == [3.5, 1.0]


def test_booleans_are_fed_as_booleans() -> None:
    content = graph_of(
        [helper.make_tensor_value_info("flag", TensorProto.BOOL, ["n", 1])],
        [helper.make_node("Not", ["flag"], ["not"])],
        [helper.make_tensor_value_info("not", TensorProto.BOOL, ["n", 1])],
    )
    model = opened(content)
    batch = pa.RecordBatch.from_pydict({"flag": [True, False]})
    assert model.score(batch, (), {}).blocks[0].arrays[0].to_pylist() == [False, True]
    assert model.facts().outputs[0].type == "boolean"


def test_no_rows_give_the_same_blocks_without_rows() -> None:
    for zipmap in (True, False):
        answer = opened(converted(classifier("linear"), zipmap)).score(matrix(X[:0]), (), {})
        assert answer.n_rows == 0
        assert [b.labels for b in answer.blocks] == [None, ("maybe", "no", "yes")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no graph at all", "load-failed"),
        (
            graph_of(
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
                [helper.make_node("Neg", ["x"], ["y"])],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
            ),
            "fixed-batch",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CheckRefused) as caught:
        opened(content)
    assert caught.value.reason == reason


def test_a_missing_value_is_nan_in_decimals_and_refused_elsewhere() -> None:
    content = graph_of(
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("b", TensorProto.INT64, ["n", 1]),
        ],
        [helper.make_node("IsNaN", ["a"], ["is"]), helper.make_node("Neg", ["b"], ["minus"])],
        [helper.make_tensor_value_info("is", TensorProto.BOOL, ["n", 1])],
    )
    model = opened(content)
    batch = pa.RecordBatch.from_pydict({"a": [1.0, None], "b": [1, 2]})
    assert model.score(batch, (), {}).blocks[0].arrays[0].to_pylist() == [False, True]
    with pytest.raises(InvalidField, match="'b'"):
        model.score(
            pa.RecordBatch.from_pydict({"a": [1.0], "b": pa.array([None], pa.int64())}), (), {}
        )


@pytest.mark.parametrize(("outputs", "params"), [(("transform",), {}), ((), {"beam": 3})])
def test_what_the_model_lacks_is_an_invalid_field(outputs: Any, params: Any) -> None:
    with pytest.raises(InvalidField):
        opened(converted(classifier("linear"))).score(matrix(), outputs, params)


def test_the_session_runs_on_one_thread() -> None:
    before = len(os.listdir("/proc/self/task"))
    opened(converted(classifier("forest"), False)).score(matrix(), (), {})
    assert len(os.listdir("/proc/self/task")) == before


def test_a_graph_cannot_name_a_file() -> None:
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "external",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        initializer=[tensor],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(CheckRefused):
        opened(made.SerializeToString())
