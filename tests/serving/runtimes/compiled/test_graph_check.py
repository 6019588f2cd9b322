"""What is not as the converters write it is refused; what passes never ends the process."""

from __future__ import annotations

import ast
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.admin.reference import check_reasons
from registry.signature.types import Column, Signature
from serving.runtimes.compiled import convert, graph_reader, graph_trees
from serving.runtimes.compiled.convert import compile_graph
from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.graph_check import check_graph
from serving.runtimes.compiled.graph_memory import reckoned_bytes
from serving.runtimes.compiled.graph_operators import operators_of
from serving.runtimes.compiled.graph_reader import read_graph
from serving.runtimes.sklearn.model import SklearnModel
from tests import drawing

RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(300, 4))
FOREST = Signature(tuple(Column(f"x{i}", "float64") for i in range(4)))
MIXED = Signature((Column("x", "float64", nullable=True), Column("town", "string", nullable=True)))


@pytest.fixture(scope="module")
def forest() -> bytes:
    """A small forest over a matrix."""
    fitted = RandomForestRegressor(5, max_depth=5, random_state=1).fit(ROWS, ROWS[:, 0])
    return compile_graph(SklearnModel(fitted), FOREST)


@pytest.fixture(scope="module")
def mixed() -> bytes:
    """A pipeline over numbers and texts, by columns."""
    import pandas as pd

    towns = RNG.choice(["Rome", "Oslo", "Lima"], 300)
    frame = pd.DataFrame({"x": ROWS[:, 0], "town": towns})
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["x"]),
        (OneHotEncoder(handle_unknown="ignore"), ["town"]),
    )
    last = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=8)
    fitted = make_pipeline(columns, last).fit(frame, towns)
    return compile_graph(SklearnModel(fitted), MIXED)


def refused(content: bytes, signature: Signature = FOREST) -> str:
    with pytest.raises(GraphRefused) as told:
        check_graph(content, signature)
    return told.value.reason


def altered(content: bytes, change: Callable[[onnx.ModelProto], None]) -> bytes:
    model = onnx.load_model_from_string(content)
    change(model)
    return bytes(model.SerializeToString())


def trees_of(model: onnx.ModelProto) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == "TreeEnsemble")


def in_trees(name: str, change: Callable[[Any], None]) -> Callable[[onnx.ModelProto], None]:
    """A change of one attribute of the trees: of its list, or of its tensor as an array."""

    def act(model: onnx.ModelProto) -> None:
        found = next(one for one in trees_of(model).attribute if one.name == name)
        if found.type == onnx.AttributeProto.TENSOR:
            array = numpy_helper.to_array(found.t).copy()
            made = change(array)
            found.t.CopyFrom(numpy_helper.from_array(array if made is None else made))
        elif found.type == onnx.AttributeProto.INT:
            found.i = change(found.i)
        else:
            change(found.ints)

    return act


def put(at: int, value: int) -> Callable[[Any], None]:
    def change(numbers: Any) -> None:
        numbers[at] = value

    return change


def test_what_the_converters_write_passes(forest, mixed):
    assert [b.kind for b in check_graph(forest, FOREST).layout.blocks] == ["prediction"]
    layout = check_graph(mixed, MIXED).layout
    assert layout.inputs == "grouped"
    assert {"prediction", "probabilities"} <= {block.kind for block in layout.blocks}


def test_the_reader_sees_what_the_library_sees(forest, mixed):
    for content in (forest, mixed):
        graph, model = read_graph(content), onnx.load_model_from_string(content)
        assert [n.operator for n in graph.nodes] == [n.op_type for n in model.graph.node]
        for mine, theirs in zip(graph.nodes, model.graph.node, strict=True):
            assert list(mine.inputs) == list(theirs.input)
            for attribute in theirs.attribute:
                value = helper.get_attribute_value(attribute)
                told = mine.attributes[attribute.name]
                if isinstance(value, onnx.TensorProto):
                    array = numpy_helper.to_array(value)
                    if array.dtype == object:
                        assert list(told.values) == list(value.string_data)
                    else:
                        np.testing.assert_array_equal(told.values, array.ravel())
                elif isinstance(value, list) and value and isinstance(value[0], int | float):
                    np.testing.assert_array_equal(told, np.array(value))
                else:
                    assert told == (tuple(value) if isinstance(value, list) else value)
        for tensor in model.graph.initializer:
            mine_too = graph.constants[tensor.name]
            assert mine_too.dims == tuple(tensor.dims)


TREES = {
    "a child before the first": in_trees("nodes_truenodeids", put(0, -1)),
    "a child behind the last": in_trees("nodes_falsenodeids", put(0, 1 << 40)),
    "a leaf behind the last": in_trees("nodes_falsenodeids", put(-1, 100_000)),
    "a feature below zero": in_trees("nodes_featureids", put(0, -7)),
    "a feature beyond all": in_trees("nodes_featureids", put(0, 1 << 50)),
    "a root that is no node": in_trees("tree_roots", put(0, 9_999)),
    "two trees with one root": in_trees("tree_roots", lambda ids: ids.__setitem__(0, ids[1])),
    "no root": in_trees("tree_roots", lambda ids: ids.__delitem__(slice(None))),
    "a target beyond all": in_trees("leaf_targetids", put(0, 5)),
    "a target below zero": in_trees("leaf_targetids", put(0, -1)),
    "no target": in_trees("n_targets", lambda _: 0),
    "a list that is too short": in_trees("nodes_featureids", lambda ids: ids.pop()),
    "a flag of two": in_trees("nodes_trueleafs", put(0, 2)),
    "an unknown mode": in_trees("nodes_modes", put(0, 9)),
    "a mode that asks for values": in_trees("nodes_modes", put(0, 6)),
    "thresholds for fewer": in_trees("nodes_splits", lambda array: array[:-1]),
    "weights for fewer": in_trees("leaf_weights", lambda array: array[:-1]),
    "thresholds in single": in_trees("nodes_splits", lambda array: array.astype(np.float32)),
    "an unknown sum": in_trees("aggregate_function", lambda _: 17),
}


@pytest.mark.parametrize("name", TREES)
def test_trees_that_lead_astray_are_refused(forest, name):
    assert refused(altered(forest, TREES[name])) == "graph-trees"


def test_the_list_has_the_operators_that_the_converters_write_and_no_other():
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    sources = [path.read_text() for path in Path(convert.__path__[0]).glob("*.py")]
    quoted = {name for text in sources for name in re.findall(r'"([A-Z][A-Za-z0-9]+)"', text)}

    assert operators_of("") | operators_of("ai.onnx.ml") == quoted & known


def test_every_reason_of_the_converters_has_words():
    sources = [path.read_text() for path in Path(convert.__path__[0]).glob("*.py")]
    calls = [node for text in sources for node in ast.walk(ast.parse(text))]
    reasons = {
        call.args[0].value
        for call in calls
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "NotCompiled"
        if isinstance(call.args[0], ast.Constant)
    }

    assert reasons
    assert reasons - set(check_reasons()) == set()


def test_a_cycle_is_refused(forest):
    def loop(model: onnx.ModelProto) -> None:
        lists = {one.name: one.ints for one in trees_of(model).attribute if one.ints}
        root = lists["tree_roots"][0]
        below = next(i for i in range(root, 99) if not lists["nodes_trueleafs"][i] and i != root)
        lists["nodes_truenodeids"][below] = root

    assert refused(altered(forest, loop)) == "graph-trees"


def chain(depth: int, trees: int = 1) -> bytes:
    """Trees, each of which is one long way down."""
    count = depth * trees
    below = [at + 1 if (at + 1) % depth else 1 for at in range(count)]
    ends = [int((at + 1) % depth == 0) for at in range(count)]
    node = helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        nodes_featureids=[0] * count,
        nodes_splits=numpy_helper.from_array(np.arange(count, 0.0, -1.0)),
        nodes_modes=numpy_helper.from_array(np.zeros(count, np.uint8)),
        nodes_truenodeids=below,
        nodes_falsenodeids=[0] * count,
        nodes_trueleafs=ends,
        nodes_falseleafs=[1] * count,
        tree_roots=list(range(0, count, depth)),
        leaf_targetids=[0, 0],
        leaf_weights=numpy_helper.from_array(np.array([1.0, 2.0])),
        n_targets=1,
        aggregate_function=1,
        post_transform=0,
    )
    block = {"kind": "prediction", "output": None, "labels": None, "tensor": "y", "classes": None}
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["N", 1])],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="")
    helper.set_model_props(
        model, {"modelyard.layout": json.dumps({"inputs": "matrix", "blocks": [block]})}
    )
    return bytes(model.SerializeToString())


def test_a_tree_deeper_than_the_stack_is_refused():
    check_graph(chain(3_000), FOREST)

    assert refused(chain(10_000)) == "graph-trees"


def test_trees_that_are_deep_together_are_refused(monkeypatch):
    monkeypatch.setattr(graph_trees, "MAX_STEPS", 1_000)
    check_graph(chain(100, trees=10), FOREST)

    assert refused(chain(100, trees=11)) == "graph-too-large"


def test_the_steps_of_all_ensembles_count_together(forest, monkeypatch):
    node = next(n for n in read_graph(forest).nodes if n.operator == "TreeEnsemble")
    steps = graph_trees._checked_steps(node)
    assert 5 < steps <= 25  # five trees of depth five
    monkeypatch.setattr(graph_trees, "MAX_STEPS", 2 * steps - 1)

    graph_trees.check_trees([node])
    with pytest.raises(GraphRefused):
        graph_trees.check_trees([node, node])


def encoder(texts: int) -> onnx.NodeProto:
    return helper.make_node(
        "LabelEncoder",
        ["x"],
        ["more"],
        domain="ai.onnx.ml",
        keys_strings=["k"] * texts,
        values_int64s=[0] * texts,
    )


def with_texts_in(model: onnx.ModelProto, where: str, count: int) -> None:
    node = model.graph.node[0]
    if where == "inputs":
        node.input.extend([""] * count)
    elif where == "one attribute":
        model.graph.node.append(encoder(count))
    elif where == "attributes of several nodes":
        model.graph.node.extend(encoder(count // 4 + 1) for _ in range(4))
    elif where == "a constant":
        tensor = helper.make_tensor("t", TensorProto.STRING, [count], [b"k"] * count)
        model.graph.initializer.append(tensor)
    else:
        tensor = TensorProto(name="t", data_type=TensorProto.STRING, dims=[1] * count)
        tensor.string_data.append(b"k")
        model.graph.initializer.append(tensor)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("inputs", "graph-too-large"),
        ("one attribute", "graph-too-large"),
        ("attributes of several nodes", "graph-too-large"),
        ("a constant", "graph-too-large"),
        ("dimensions", "graph-malformed"),
    ],
)
def test_a_graph_of_countless_small_fields_is_not_read_to_its_end(
    forest, monkeypatch, where, reason
):
    monkeypatch.setattr(graph_reader, "MAX_TEXTS", 600)
    read_graph(altered(forest, lambda model: with_texts_in(model, "one attribute", 500)))

    with pytest.raises(GraphRefused) as told:
        read_graph(altered(forest, lambda model: with_texts_in(model, where, 30_000)))
    assert told.value.reason == reason


def test_a_graph_is_reckoned_by_its_nodes_and_texts_and_not_only_by_its_bytes(forest):
    few, many = (check_graph(chain(100, trees), FOREST).memory_bytes for trees in (1, 11))
    assert many - few > 350 * 1_000

    alone = reckoned_bytes(read_graph(forest), len(forest))
    content = altered(forest, lambda model: with_texts_in(model, "one attribute", 1_000))
    assert reckoned_bytes(read_graph(content), len(forest)) > alone + 100 * 1_000


def add_node(operator: str, **attributes: Any) -> Callable[[onnx.ModelProto], None]:
    def act(model: onnx.ModelProto) -> None:
        name = model.graph.input[0].name
        model.graph.node.append(helper.make_node(operator, [name], ["more"], **attributes))

    return act


def declare(at: int, element: int, shape: list[Any]) -> Callable[[onnx.ModelProto], None]:
    def act(model: onnx.ModelProto) -> None:
        given = model.graph.input[at]
        given.CopyFrom(helper.make_tensor_value_info(given.name, element, shape))

    return act


def say(layout: Any) -> Callable[[onnx.ModelProto], None]:
    def act(model: onnx.ModelProto) -> None:
        told = json.loads(model.metadata_props[0].value)
        told.update(layout)
        model.metadata_props[0].value = json.dumps(told)

    return act


def outside(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def twice(model: onnx.ModelProto) -> None:
    model.graph.node.append(model.graph.node[0])


def add_dimensions(*then: str, axes: int = 1) -> Callable[[onnx.ModelProto], None]:
    """Ten times so many dimensions more, and after each time another operator on as many axes."""

    def act(model: onnx.ModelProto) -> None:
        graph, last = model.graph, model.graph.input[0].name
        along = helper.make_tensor("along", TensorProto.INT64, [axes], [1] * axes)
        graph.initializer.append(along)
        for at in range(10):
            for operator in ("Unsqueeze", *then):
                keeps = {"keepdims": 0} if operator.startswith("Reduce") else {}
                made = f"{operator}{at}"
                graph.node.append(helper.make_node(operator, [last, "along"], [made], **keeps))
                last = made

    return act


@pytest.mark.parametrize("operator", ["Squeeze", "ReduceSum"])
def test_dimensions_that_are_taken_away_again_are_not_too_many(forest, operator):
    check_graph(altered(forest, add_dimensions(operator)), FOREST)


WHOLE: dict[str, tuple[str, Callable[[onnx.ModelProto], None]]] = {
    "an operator that is not listed": ("graph-operator", add_node("NonZero")),
    "random numbers": ("graph-operator", add_node("RandomNormalLike")),
    "an operator of another domain": ("graph-operator", add_node("Identity", domain="com.x")),
    "a graph in an operator": ("graph-malformed", add_node(
        "Identity", then_branch=helper.make_graph([], "g", [], [])
    )),
    "data in another file": ("graph-malformed", outside),
    "a tensor that is made twice": ("graph-malformed", twice),
    "more dimensions with each step": ("graph-numbers", add_dimensions()),
    "an axis that is taken away twice": ("graph-numbers", add_dimensions("ReduceSum", axes=2)),
    "a fixed number of rows": ("graph-inputs", declare(0, TensorProto.DOUBLE, [1, 4])),
    "another width": ("graph-inputs", declare(0, TensorProto.DOUBLE, ["N", 5])),
    "another element": ("graph-inputs", declare(0, TensorProto.FLOAT, ["N", 4])),
    "no layout": ("graph-layout", lambda model: model.ClearField("metadata_props")),
    "more than the layout": ("graph-layout", lambda model: model.metadata_props.add()),
    "an output that is not there": ("graph-layout", say({"refused": "nowhere"})),
    "an unknown member": ("graph-layout", say({"more": 1})),
    "an input for each column": ("graph-layout", say({"inputs": "columns"})),
    "no blocks": ("graph-layout", say({"blocks": []})),
    "a later operator set": ("graph-operator", lambda m: m.opset_import.add(domain="x", version=1)),
    "a function": ("graph-malformed", lambda m: m.functions.add(name="f", domain="")),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_graph_that_is_not_ours_is_refused(forest, name):
    reason, change = WHOLE[name]

    assert refused(altered(forest, change)) == reason


def test_constant_indices_beyond_a_constant_are_refused(mixed):
    def beyond(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(3), "table"))
        model.graph.initializer.append(numpy_helper.from_array(np.array([3]), "places"))
        model.graph.node.append(helper.make_node("Gather", ["table", "places"], ["more"]))

    assert refused(altered(mixed, beyond), MIXED) == "graph-numbers"


def test_bytes_that_are_cut_off_or_have_more_behind_are_refused(forest):
    for size in (0, 1, 7, len(forest) // 2, len(forest) - 1):
        refused(forest[:size])
    refused(forest + b"\x00")
    refused(forest + forest)


# --- drawn --------------------------------------------------------------------------------------


def mutated(content: bytes, draw: random.Random) -> bytes:
    """One to four numbers, names or shapes of the graph altered, or some of its bytes."""
    if draw.random() < 0.3:
        raw = bytearray(content)
        for _ in range(draw.randint(1, 4)):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        return bytes(raw)
    model = onnx.load_model_from_string(content)
    for _ in range(draw.randint(1, 3)):
        draw.choice(_MUTATIONS)(model, draw)
    return bytes(model.SerializeToString())


_VALUES = (-1, 0, 1, 2, 3, 7, 100, 2**31 - 1, 2**31, 2**40, -(2**63), 2**63 - 1)


def _attribute_number(model: onnx.ModelProto, draw: random.Random) -> None:
    found = [a for n in model.graph.node for a in n.attribute if a.ints or a.type == a.INT]
    if not found:
        return
    one = draw.choice(found)
    if one.ints:
        one.ints[draw.randrange(len(one.ints))] = draw.choice((*_VALUES, one.ints[0]))
    else:
        one.i = draw.choice(_VALUES)


def _attribute_tensor(model: onnx.ModelProto, draw: random.Random) -> None:
    found = [a.t for n in model.graph.node for a in n.attribute if a.type == a.TENSOR]
    found += [t for t in model.graph.initializer if t.data_type != TensorProto.STRING]
    found = [t for t in found if t.data_type != TensorProto.STRING and t.raw_data]
    one = draw.choice(found)
    array = numpy_helper.to_array(one).copy().ravel()
    if draw.random() < 0.3:
        array = array[: draw.randrange(len(array) + 1)]
    elif array.dtype.kind == "f":
        array[draw.randrange(len(array))] = draw.choice((np.nan, np.inf, -np.inf, 1e308, 0.0))
    else:
        with np.errstate(over="ignore"):
            array[draw.randrange(len(array))] = np.int64(draw.choice(_VALUES)).astype(array.dtype)
    made = numpy_helper.from_array(array, one.name)
    one.CopyFrom(made)


def _wiring(model: onnx.ModelProto, draw: random.Random) -> None:
    nodes = model.graph.node
    node = draw.choice(nodes)
    names = [n for one in nodes for n in one.output] + [t.name for t in model.graph.initializer]
    if node.input:
        node.input[draw.randrange(len(node.input))] = draw.choice(names)


def _operator(model: onnx.ModelProto, draw: random.Random) -> None:
    draw.choice(model.graph.node).op_type = draw.choice(model.graph.node).op_type


def _output(model: onnx.ModelProto, draw: random.Random) -> None:
    told = json.loads(model.metadata_props[0].value)
    block = draw.choice(told["blocks"])
    block[draw.choice(("labels", "classes"))] = draw.choice((None, [1, 2], ["a"], [0, 1, 2]))
    model.metadata_props[0].value = json.dumps(told)


_MUTATIONS = (_attribute_number, _attribute_tensor, _wiring, _operator, _output)

# What the child process does with each graph that passes: open it and answer some rows.
_OPENS = """
import json, struct, sys, warnings
import numpy as np, pyarrow as pa
warnings.simplefilter("ignore")
from registry.signature.types import Signature
from registry.signature.validate import validate_table
from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.model import CompiledModel, LeftToOriginal
signature = Signature.from_json(json.loads(sys.argv[1]))
seen = dict.fromkeys(("refused", "answered", "left"), 0)
cells = {"float64": [0.0, -1.5, 2.5, 3.0, -0.0], "string": ["Rome", "", "x", "Oslo", "Lima"]}
table = pa.RecordBatch.from_arrays(
    [pa.array(cells[c.type], c.arrow) for c in signature.inputs], schema=signature.input_schema())
rows = validate_table(signature, table)
while head := sys.stdin.buffer.read(4):
    content = sys.stdin.buffer.read(struct.unpack("<I", head)[0])
    sys.stderr.write("o"); sys.stderr.flush()
    try:
        graph = CompiledModel.open(content, signature)
        for kind in ("prediction", "probabilities", "decision"):
            answer = graph.score(rows, (kind,))
            [a.to_pylist() for b in answer.blocks for a in b.arrays]
        seen["answered"] += 1
    except GraphRefused:
        seen["refused"] += 1
    except (LeftToOriginal, IndexError, ValueError, KeyError, TypeError, pa.ArrowException):
        seen["left"] += 1
print(json.dumps(seen))
"""


@pytest.mark.parametrize("which", ["forest", "mixed"])
def test_a_mutated_graph_that_passes_never_ends_the_process(which, request):
    content: bytes = request.getfixturevalue(which)
    signature = FOREST if which == "forest" else MIXED
    seed = drawing.seed()
    draw = random.Random(seed)
    graphs = [mutated(content, draw) for _ in range(drawing.amount(4_000))]

    framed = b"".join(len(one).to_bytes(4, "little") + one for one in graphs)
    done = subprocess.run(
        [sys.executable, "-c", _OPENS, json.dumps(signature.to_json())],
        input=framed,
        capture_output=True,
        check=False,
        timeout=600,
    )

    opened = done.stderr.count(b"o")
    assert done.returncode == 0, f"seed {seed}: graph {opened - 1}: {done.stderr[-400:]!r}"
    seen = json.loads(done.stdout)
    print(f"{which}, seed {seed}: {seen}")
    assert seen["refused"] > len(graphs) // 5
    assert seen["answered"] + seen["left"] > 0
