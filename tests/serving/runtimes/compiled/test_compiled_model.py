"""A compiled graph in process: what is fed, what comes back, and when the original is asked."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from registry import strict_json
from registry.signature.types import Column, Signature
from registry.signature.validate import Validated, validate_table
from serving.protocols.answers import answer_members, written_members
from serving.protocols.fast_json import read_request
from serving.runtimes.base import Answer, Block
from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.model import CompiledModel, DeadlinePassed, LeftToOriginal
from serving.runtimes.lean_answer import LeanAnswer, Part, PartLayout

NUMBERS = Signature(
    (
        Column("a", "float64", nullable=True),
        Column("i", "int32", nullable=True),
        Column("single", "float32"),
        Column("b", "boolean", nullable=True),
    )
)
TEXTS = Signature((Column("s", "string", nullable=True), *NUMBERS.inputs, Column("t", "string")))
ROWS: list[dict[str, Any]] = [
    {"a": 1.5, "i": 3, "single": 0.1, "b": True},
    {"a": None, "i": None, "single": -2, "b": None},
]
TEXT_ROWS = [ROWS[0] | {"s": "é\0", "t": "x\0"}, ROWS[1] | {"s": None, "t": ""}]
ONE = Signature((Column("x", "float64", nullable=True),))
ONE_INPUT = [("x", TensorProto.DOUBLE, ["N", 1])]


def graph(
    nodes: Sequence[Any],
    blocks: Sequence[dict[str, Any]],
    *,
    inputs: Sequence[tuple[str, int, Sequence[Any]]] = (("x", TensorProto.DOUBLE, ["N", 4]),),
    outputs: Sequence[tuple[str, int, Sequence[Any]]],
    constants: Sequence[Any] = (),
    layout: dict[str, Any] | None = None,
) -> bytes:
    made = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        initializer=list(constants),
    )
    opsets = [helper.make_opsetid("", 21)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=10)
    told = {"inputs": "matrix", "blocks": [_whole(block) for block in blocks]} | (layout or {})
    helper.set_model_props(model, {"modelyard.layout": json.dumps(told)})
    return bytes(model.SerializeToString())


def _whole(block: dict[str, Any]) -> dict[str, Any]:
    return {"output": None, "labels": None, "classes": None} | block


def constant(name: str, values: Any, kind: int) -> Any:
    array = np.asarray(values)
    return helper.make_tensor(name, kind, array.shape, array.ravel().tolist())


TRANSFORM = {"kind": "transform", "labels": ["a", "i", "single", "b"], "tensor": "y"}
ECHO = graph(
    [helper.make_node("Identity", ["x"], ["y"])],
    [TRANSFORM],
    outputs=[("y", TensorProto.DOUBLE, ["N", 4])],
)


def lean(signature: Signature, rows: Sequence[dict[str, Any]]) -> Validated:
    body = strict_json.dumps({"instances": rows})
    taken = read_request(body, signature)
    assert taken is not None
    return Validated.all_good(taken.columns)


def arrow(signature: Signature, rows: Sequence[dict[str, Any]]) -> Validated:
    return validate_table(signature, pa.Table.from_batches([lean(signature, rows).batch]))


BOTH_WAYS = pytest.mark.parametrize("way", [lean, arrow], ids=["cells", "arrow"])


@BOTH_WAYS
@pytest.mark.parametrize("times", [1, 20])
def test_numbers_reach_the_graph_with_nan_for_null_and_rounded_singles(
    way: Any, times: int
) -> None:
    model = CompiledModel.open(ECHO, NUMBERS)

    for rows in (ROWS[:1] * times, ROWS[1:] * times, ROWS * times):
        (block,) = model.score(way(NUMBERS, rows), ("transform",)).blocks
        expected = [
            [math.nan if r[c] is None else float(r[c]) for r in rows] for c in NUMBERS.input_names
        ]
        expected[2] = [float(np.float32(value)) for value in expected[2]]
        for found, wanted in zip(block.arrays, expected, strict=True):
            assert found.type == pa.float64()
            np.testing.assert_array_equal(found.to_numpy(), wanted)


def texts_graph() -> bytes:
    """The first text, whether it is null, the second text, and the first number."""
    picked = (("s", 0, "s0"), ("n", 0, "n0"), ("s", 1, "s1"), ("x", 0, "x0"))
    kinds = {"s": TensorProto.STRING, "n": TensorProto.BOOL, "x": TensorProto.DOUBLE}
    return graph(
        [helper.make_node("Gather", [i, f"k{at}"], [to], axis=1) for i, at, to in picked],
        [
            {"kind": "prediction", "output": f"y{i}", "tensor": to}
            for i, (*_, to) in enumerate(picked)
        ],
        inputs=[(i, kinds[i], ["N", 4 if i == "x" else 2]) for i in ("x", "s", "n")],
        outputs=[(to, kinds[i], ["N"]) for i, _, to in picked],
        constants=[constant(f"k{at}", at, TensorProto.INT64) for at in (0, 1)],
        layout={"inputs": "grouped"},
    )


@BOTH_WAYS
@pytest.mark.parametrize("times", [1, 20])
def test_texts_reach_the_graph_whole_with_their_nulls_beside_them(way: Any, times: int) -> None:
    model = CompiledModel.open(texts_graph(), TEXTS)

    for rows in (TEXT_ROWS[:1] * times, TEXT_ROWS * times):
        found = model.score(way(TEXTS, rows), ("prediction",))
        s, null, t, a = (block.arrays[0].to_pylist() for block in found.blocks)
        assert s == [row["s"] or "" for row in rows]
        assert null == [row["s"] is None for row in rows]
        assert t == [row["t"] for row in rows]
        assert [None if math.isnan(v) else v for v in a] == [row["a"] for row in rows]
        assert [str(block.arrays[0].type) for block in found.blocks] == [
            "string",
            "bool",
            "string",
            "double",
        ]


def classes_graph(classes: Sequence[Any], **more: Any) -> bytes:
    """Class 1 where x is above zero, and sigmoid(x) for both labels; ``refused`` where x is NaN."""
    return graph(
        [
            helper.make_node("Reshape", ["x", "flat"], ["v"]),
            helper.make_node("Greater", ["v", "zero"], ["is_above"]),
            helper.make_node("Cast", ["is_above"], ["at"], to=TensorProto.INT64),
            helper.make_node("Sigmoid", ["x"], ["p"]),
            helper.make_node("Concat", ["p", "p"], ["both"], axis=1),
            helper.make_node("IsNaN", ["v"], ["bad"]),
        ],
        [
            {"kind": "prediction", "tensor": "at", "classes": list(classes)},
            {"kind": "probabilities", "tensor": "both", "labels": list(classes)},
        ],
        inputs=ONE_INPUT,
        outputs=[
            ("at", TensorProto.INT64, ["N"]),
            ("both", TensorProto.DOUBLE, ["N", 2]),
            ("bad", TensorProto.BOOL, ["N"]),
        ],
        constants=[
            constant("flat", [-1], TensorProto.INT64),
            constant("zero", 0.0, TensorProto.DOUBLE),
        ],
        layout={"refused": "bad"} | more,
    )


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        (["no", "yes"], pa.string()),
        ([0, 1], pa.int64()),
        ([False, True], pa.bool_()),
        ([0.0, 1.5], pa.float64()),
    ],
    ids=["texts", "whole", "truth", "floats"],
)
def test_classes_keep_their_type_in_arrow_and_in_json(classes: list[Any], kind: Any) -> None:
    model = CompiledModel.open(classes_graph(classes), ONE)
    rows = [{"x": -1.0}, {"x": 2.0}]

    answer = model.score(lean(ONE, rows), ("probabilities", "prediction"))

    prediction, probabilities = answer.blocks
    assert prediction == Block("prediction", None, None, (pa.array(classes, kind),))
    assert (probabilities.kind, probabilities.labels) == ("probabilities", tuple(classes))
    assert list(map(type, probabilities.labels or ())) == list(map(type, classes))
    assert answer == Answer(2, answer.blocks)
    assert written(answer) == listed(answer)


def test_only_what_is_asked_for_is_computed() -> None:
    model = CompiledModel.open(classes_graph(["no", "yes"]), ONE)

    answer = model.score(lean(ONE, [{"x": 1.0}]), ("probabilities",))

    assert [block.kind for block in answer.blocks] == ["probabilities"]


@BOTH_WAYS
def test_one_refused_row_leaves_the_whole_to_the_original(way: Any) -> None:
    model = CompiledModel.open(classes_graph(["no", "yes"]), ONE)

    with pytest.raises(LeftToOriginal):
        model.score(way(ONE, [{"x": 1.0}, {"x": None}]), ("prediction",))
    assert model.score(way(ONE, [{"x": 1.0}]), ("prediction",)).n_rows == 1


@BOTH_WAYS
def test_no_rows_give_an_answer_without_blocks(way: Any) -> None:
    model = CompiledModel.open(classes_graph(["no", "yes"]), ONE)

    assert model.score(way(ONE, []), ("prediction",)) == Answer(0, ())


def test_a_graph_that_fails_or_answers_another_shape_leaves_it_to_the_original() -> None:
    square = graph(
        [helper.make_node("Reshape", ["x", "two"], ["y"])],
        [{"kind": "transform", "labels": ["u", "v"], "tensor": "y"}],
        inputs=ONE_INPUT,
        outputs=[("y", TensorProto.DOUBLE, [None, 2])],
        constants=[constant("two", [-1, 2], TensorProto.INT64)],
    )
    model = CompiledModel.open(square, ONE)

    for n_rows in (1, 2):  # one number makes no pair, two rows make one row of a pair
        with pytest.raises(LeftToOriginal):
            model.score(lean(ONE, [{"x": 1.0}] * n_rows), ("transform",))


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("index", [-1, 2, -(2**63)])
def test_a_class_that_there_is_not_is_left_to_the_original(index: int, times: int) -> None:
    cast = graph(
        [
            helper.make_node("Reshape", ["x", "flat"], ["v"]),
            helper.make_node("Cast", ["v"], ["at"], to=TensorProto.INT64),
        ],
        [{"kind": "prediction", "tensor": "at", "classes": ["no", "yes"]}],
        inputs=ONE_INPUT,
        outputs=[("at", TensorProto.INT64, ["N"])],
        constants=[constant("flat", [-1], TensorProto.INT64)],
    )
    model = CompiledModel.open(cast, ONE)

    good = [{"x": 0.0}, {"x": 1.0}] * times
    assert model.score(lean(ONE, good), ("prediction",)).n_rows == 2 * times
    with pytest.raises(LeftToOriginal, match="none of the 2 classes"):
        model.score(lean(ONE, [*good, {"x": float(index)}]), ("prediction",))


def test_a_tensor_is_fed_whole_and_a_null_one_is_left_to_the_original() -> None:
    signature = Signature((Column("t", "float64", shape=(2, 2), nullable=True),))
    total = graph(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
        [{"kind": "prediction", "tensor": "y"}],
        inputs=[("x", TensorProto.DOUBLE, ["N", 2, 2])],
        outputs=[("y", TensorProto.DOUBLE, ["N"])],
        constants=[constant("axes", [1, 2], TensorProto.INT64)],
    )
    model = CompiledModel.open(total, signature)
    rows = [{"t": [[1, 2], [3, 4]]}, {"t": [[0, 0], [0, 0.5]]}]

    for way in (lean, arrow):
        for times in (1, 10):
            answer = model.score(way(signature, rows * times), ("prediction",))
            assert answer.blocks[0].arrays[0].to_pylist() == [10.0, 0.5] * times
        with pytest.raises(LeftToOriginal):
            model.score(way(signature, [{"t": None}]), ("prediction",))


def test_a_graph_for_another_signature_and_damaged_bytes_are_refused() -> None:
    with pytest.raises(GraphRefused):
        CompiledModel.open(ECHO, ONE)
    with pytest.raises(GraphRefused):
        CompiledModel.open(ECHO[:-3], NUMBERS)
    with pytest.raises(GraphRefused):
        CompiledModel.open(b"", NUMBERS)


def test_threads_get_their_own_answers() -> None:
    model = CompiledModel.open(classes_graph([0, 1]), ONE)
    wrong: list[int] = []

    def ask(number: int) -> None:
        sign = -1.0 if number % 2 else 1.0
        for _ in range(50):
            answer = model.score(lean(ONE, [{"x": sign}] * (number + 1)), ("prediction",))
            if answer.blocks[0].arrays[0].to_pylist() != [int(sign > 0)] * (number + 1):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def written(answer: Answer, asked: tuple[str, ...] = ()) -> bytes:
    return strict_json.dumps(written_members(answer, asked))


def listed(answer: Answer, asked: tuple[str, ...] = ()) -> bytes:
    return strict_json.dumps(answer_members(answer, asked))


LABELS = st.one_of(
    st.lists(st.text(max_size=4), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(-5, 5), min_size=1, max_size=4, unique=True),
    st.just([False, True]),
    st.lists(st.sampled_from([0.5, 1.0, -0.0]), min_size=1, max_size=3, unique=True),
    st.just(["1", 1]),  # two labels of the same text
    st.just(["100 %b", '"']),
)


@st.composite
def parts(draw: st.DrawFn, n_rows: int, kind: Any) -> Part:
    labels = None if kind == "prediction" else tuple(draw(LABELS))
    if kind == "prediction" and draw(st.booleans()):
        classes = tuple(draw(LABELS.filter(lambda found: len(set(map(type, found))) == 1)))
        indexes = draw(st.lists(st.integers(0, len(classes) - 1), min_size=n_rows, max_size=n_rows))
        layout = PartLayout(kind, None, None, classes)
        return Part(layout, np.array(indexes, dtype=np.int64))
    cells: dict[str, Any] = {
        "float64": st.one_of(st.floats(), st.sampled_from([0.1, 1e22, 5e-324, -0.0, 1.0])),
        "int64": st.integers(-(2**63), 2**63 - 1),
        "bool": st.booleans(),
        "object": st.text(max_size=4),
    }
    key = draw(st.sampled_from(list(cells)))
    width = 1 if labels is None else len(labels)
    found = [[draw(cells[key]) for _ in range(width)] for _ in range(n_rows)]
    values = np.empty((n_rows, width), dtype=key)
    values[:] = np.array(found, dtype=key).reshape(n_rows, width)
    return Part(PartLayout(kind, None, labels), values[:, 0] if labels is None else values)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(0, 4))
def test_answers_are_written_to_the_byte_as_from_lists(data: st.DataObject, n_rows: int) -> None:
    kinds: list[Any] = data.draw(
        st.lists(
            st.sampled_from(["prediction", "probabilities", "decision", "transform"]),
            unique=True,
            max_size=3,
        )
    )
    answer = LeanAnswer(n_rows, tuple(data.draw(parts(n_rows, kind)) for kind in kinds))
    asked = ("prediction",)

    assert written(answer, asked) == listed(Answer(n_rows, answer.blocks), asked)
    assert written(Answer(n_rows, answer.blocks), asked) == listed(answer, asked)


def test_nulls_times_and_mixed_columns_are_written_from_lists() -> None:
    blocks = (
        Block("prediction", None, None, (pa.array(["a", None]),)),
        Block("decision", None, None, (pa.array([0, 1], pa.timestamp("us", "UTC")),)),
        Block("transform", None, ("u", "v"), (pa.array([1, 2]), pa.array([0.5, math.inf]))),
    )

    assert written(Answer(2, blocks)) == listed(Answer(2, blocks))
    several = tuple(Block("prediction", name, None, (pa.array([1.5]),)) for name in ("u", "v"))
    assert written(Answer(1, several)) == b'{"predictions":[{"u":1.5,"v":1.5}]}'


def test_more_rows_than_were_ever_tried_are_run_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.runtimes.compiled.model.BLOCK_ROWS", 3)
    rows = [ROWS[0] | {"a": float(at)} for at in range(10)]
    model = CompiledModel.open(ECHO, NUMBERS)
    (block,) = model.score(lean(NUMBERS, rows), ("transform",)).blocks
    assert block.arrays[0].to_pylist() == [float(at) for at in range(10)]


@pytest.mark.parametrize("operator", ["Div", "Mod"])
def test_whole_numbers_are_never_divided(operator: str) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node(operator, ["whole", "minus"], ["divided"]),
        helper.make_node("Cast", ["divided"], ["y"], to=TensorProto.DOUBLE),
    ]
    content = graph(
        nodes,
        [TRANSFORM],
        outputs=[("y", TensorProto.DOUBLE, ["N", 4])],
        constants=[constant("minus", [-1], TensorProto.INT64)],
    )
    with pytest.raises(GraphRefused, match=f"{operator} of whole numbers"):
        CompiledModel.open(content, NUMBERS)


def test_a_graph_that_would_take_too_much_memory_is_not_opened() -> None:
    memory_bytes = CompiledModel.open(ECHO, NUMBERS).memory_bytes
    assert CompiledModel.open(ECHO, NUMBERS, most_bytes=memory_bytes) is not None

    for most_bytes in (memory_bytes - 1, len(ECHO) - 1):
        with pytest.raises(GraphRefused) as told:
            CompiledModel.open(ECHO, NUMBERS, most_bytes=most_bytes)
        assert told.value.reason == "graph-too-large"


def test_the_deadline_is_kept_between_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.runtimes.compiled.model.BLOCK_ROWS", 3)
    model = CompiledModel.open(ECHO, NUMBERS)
    few, many = (lean(NUMBERS, ROWS[:1] * count) for count in (3, 10))

    with pytest.raises(DeadlinePassed):
        model.score(many, ("transform",), deadline_s=0)
    assert model.score(few, ("transform",), deadline_s=0).n_rows == 3
    assert model.score(many, ("transform",), deadline_s=60).n_rows == 10
