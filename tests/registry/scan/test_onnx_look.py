"""ONNX models: own reader of the wire, standard operators only, nothing outside of the file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.onnx_ml_pb2 import ModelProto, StringStringEntryProto

from registry.scan import look


def looked(content: bytes):
    return look(io.BytesIO(content), len(content), "onnx")


def model(nodes=None, tensors=(), opsets=(("", 17),), **more) -> ModelProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])]
    nodes = nodes or [helper.make_node("Identity", ["x"], ["y"])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(tensors))
    versions = [helper.make_opsetid(domain, version) for domain, version in opsets]
    return helper.make_model(graph, opset_imports=versions, **more)


def test_a_converted_model_passes_with_its_operators_as_evidence(onnx_bytes):
    found = looked(onnx_bytes)
    assert (found.verdict, found.reason) == ("passed", "")
    assert "LinearClassifier" in found.evidence["operators"]
    assert found.evidence["opsets"]["ai.onnx.ml"] >= 1


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 3), np.float32),
        np.zeros((0, 3), np.float64),
        np.array(3, np.int64),
        np.array([True, False]),
        np.array([1, 2, 3], np.float16),
        np.array(["a", "bc"], object),
        np.zeros(3, np.complex64),
    ],
)
def test_tensors_of_every_kind_are_as_long_as_their_shape(array):
    good = numpy_helper.from_array(array, "t")
    assert looked(model(tensors=[good]).SerializeToString()).verdict == "passed"
    good.dims.append(2)
    if array.size:
        reason = looked(model(tensors=[good]).SerializeToString()).reason
        assert reason == "onnx-tensor-size"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (TensorProto.FLOAT, [1.0, 2.0]),
        (TensorProto.INT64, [1, -2]),
        (TensorProto.UINT8, [200, 3]),
        (TensorProto.DOUBLE, [1.0, 2.0]),
        (TensorProto.STRING, [b"a", b"b"]),
        (TensorProto.BOOL, [True, False]),
        (TensorProto.UINT64, [2**63, 1]),
        (TensorProto.FLOAT16, [1.0, 2.0]),
        (TensorProto.INT4, [1, 2]),
    ],
)
def test_typed_fields_are_counted(kind, values):
    tensor = helper.make_tensor("t", kind, [2], values)
    assert looked(model(tensors=[tensor]).SerializeToString()).verdict == "passed"
    tensor.dims[0] = 5
    assert looked(model(tensors=[tensor]).SerializeToString()).reason == "onnx-tensor-size"


def external() -> ModelProto:
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "t")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.append(StringStringEntryProto(key="location", value="/etc/passwd"))
    return model(tensors=[tensor])


def subgraph(operator: str) -> ModelProto:
    inner = model().graph
    return model([helper.make_node(operator, ["x"], ["y"], body=inner)])


def nested_tensor() -> ModelProto:
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "t")
    tensor.dims[0] = 1 << 50
    return model([helper.make_node("Constant", [], ["y"], value=tensor)])


def two_ways() -> ModelProto:
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "t")
    tensor.float_data.append(1.0)
    return model(tensors=[tensor])


def training() -> ModelProto:
    made = model()
    made.training_info.add()
    return made


def function() -> ModelProto:
    made = model()
    made.functions.append(
        helper.make_function(
            "own", "F", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], []
        )
    )
    return made


def sparse() -> ModelProto:
    made = model()
    made.graph.sparse_initializer.add()
    return made


REFUSED = [
    (external, "onnx-external-data"),
    (lambda: subgraph("Loop"), "onnx-subgraph"),
    (lambda: subgraph("Scan"), "onnx-subgraph"),
    (lambda: subgraph("If"), "onnx-subgraph"),
    (lambda: subgraph("SequenceMap"), "onnx-subgraph"),
    (lambda: model([helper.make_node("Loop", ["x"], ["y"])]), "onnx-subgraph"),
    (lambda: model([helper.make_node("Evil", ["x"], ["y"], domain="com.evil")]), "onnx-domain"),
    (lambda: model(opsets=(("", 17), ("com.microsoft", 1))), "onnx-domain"),
    (function, "onnx-local-functions"),
    (training, "onnx-not-supported"),
    (sparse, "onnx-not-supported"),
    (nested_tensor, "onnx-tensor-size"),
    (two_ways, "onnx-tensor-size"),
    (
        lambda: model([helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml")]),
        "onnx-malformed",
    ),
    (ModelProto, "empty-file"),
    (lambda: ModelProto(ir_version=8), "onnx-malformed"),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_what_reaches_outside_or_around_the_caps_is_refused(make, reason):
    found = looked(make().SerializeToString())
    assert (found.verdict, found.reason) == ("failed", reason)
    assert "What to do" in found.summary


def test_a_graph_in_two_parts_and_unknown_fields_are_refused():
    content = model().SerializeToString()
    graph = model().graph.SerializeToString()
    assert len(graph) < 128
    again = content + bytes([7 << 3 | 2, len(graph)]) + graph
    assert looked(again).reason == "onnx-malformed"
    assert looked(content + b"\xa0\x06\x01").reason == "onnx-malformed"


def test_bytes_that_are_no_model_are_refused():
    for content in (b"\x08", b"\x08\x80\x80", b"hello world", b"\xff" * 50, b"\x0b\x0c"):
        assert looked(content).reason == "onnx-malformed"
