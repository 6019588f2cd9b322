"""Open Inference V2: tensors in as JSON and as bytes, what is refused, tensors out both ways.

Each request is read twice, straight into columns and strictly; both must say the same.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from registry.errors import DomainError, InvalidField, MalformedBody, MalformedParameter, TooLarge
from registry.signature.types import Signature
from serving.protocols import open_inference
from serving.protocols.base import Decoded, Head, Limits, Reply
from serving.protocols.open_inference import decode, encode
from serving.protocols.open_inference_fast import read_infer
from serving.runtimes.base import Answer, Block
from serving.runtimes.lean_answer import LeanAnswer, Part, PartLayout
from tests.serving.protocols.both_readers import read_both_ways, told

INPUTS: list[dict[str, Any]] = [
    {"name": "age", "type": "int64"},
    {"name": "height", "type": "float64", "nullable": True},
    {"name": "visits", "type": "int32", "nullable": True},
    {"name": "city", "type": "string", "nullable": True},
    {"name": "member", "type": "boolean"},
    {"name": "born", "type": "date", "nullable": True},
]
SIGNATURE = Signature.from_json({"inputs": INPUTS, "params": [
    {"name": "depth", "type": "int64", "default": 3}]})  # fmt: skip
NUMBERS = Signature.from_json(
    {"inputs": [{"name": "a", "type": "float64", "nullable": True}, {"name": "b", "type": "int64"}]}
)
FLOATS = Signature.from_json({"inputs": [{"name": n, "type": "float64"} for n in "abc"]})
IMAGE = Signature.from_json({"inputs": [{"name": "image", "type": "float32", "shape": [2, 2]}]})
ROWS = [
    {"age": 42, "height": 1.75, "visits": 3, "city": "Rome", "member": True, "born": "1984-02-29"},
    {"age": 7, "height": None, "visits": None, "city": "Zürich", "member": False, "born": None},
]
KINDS = {"int64": "INT64", "float64": "FP64", "int32": "INT32", "string": "BYTES",
         "boolean": "BOOL", "date": "BYTES", "float32": "FP32"}  # fmt: skip


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None, **more: Any):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data, **more}


def tensors(rows: list[dict[str, Any]] = ROWS, **changed: Any) -> list[dict[str, Any]]:
    found = [
        tensor(c["name"], KINDS[c["type"]], [row[c["name"]] for row in rows], [len(rows), 1])
        for c in INPUTS
    ]
    return [{**one, **changed.get(one["name"], {})} for one in found]


def packed(one: dict[str, Any], dtype: str | None = None) -> tuple[dict[str, Any], bytes]:
    """A JSON tensor as bytes."""
    data = np.array(one["data"], dtype=object).ravel().tolist()
    if one["datatype"] == "BYTES":
        texts = [b if isinstance(b, bytes) else ("" if b is None else b).encode() for b in data]
        content = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    else:
        content = np.array([np.nan if v is None else v for v in data]).astype(dtype).tobytes()
    entry = {key: value for key, value in one.items() if key != "data"}
    return entry | {"parameters": {"binary_data_size": len(content)}}, content


def binary(entries: list[tuple[dict[str, Any], bytes]], **members: Any) -> tuple[bytes, Head]:
    text = json.dumps({"inputs": [entry for entry, _ in entries], **members}).encode()
    head = Head(json_bytes=str(len(text)))
    return text + b"".join(content for _, content in entries), head


def read(
    inputs: Any,
    signature: Signature = SIGNATURE,
    head: Head = Head(),  # noqa: B008  # it is immutable
    **members: Any,
) -> Decoded:
    """The request read both ways, which must agree."""
    is_bytes = isinstance(inputs, bytes)
    body = inputs if is_bytes else json.dumps({"inputs": inputs, **members}).encode()
    return read_both_ways(open_inference, "read_infer", body, head, signature)


def values(decoded: Decoded, name: str) -> list[Any]:
    assert not decoded.validated.problems
    return decoded.validated.batch.column(name).to_pylist()


def codes(decoded: Decoded) -> list[tuple[int, str | None, str]]:
    return [(p.row, p.column, p.code) for p in decoded.validated.problems]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("shape", [[2, 1], [2]])
def test_one_tensor_per_column_in_any_order_makes_rows(order, shape):
    changed = {c["name"]: {"shape": shape} for c in INPUTS}
    decoded = read(tensors(**changed)[::order])
    assert values(decoded, "age") == [42, 7]
    assert values(decoded, "height") == [1.75, None]
    assert values(decoded, "visits") == [3, None]
    assert values(decoded, "city") == ["Rome", "Zürich"]
    assert values(decoded, "member") == [True, False]
    assert [None if day is None else day.isoformat() for day in values(decoded, "born")] == [
        "1984-02-29", None,
    ]  # fmt: skip


@pytest.mark.parametrize("n", [1, 30])
def test_usual_requests_take_the_short_way(n):
    signature = Signature.from_json({"inputs": INPUTS[:5]})
    rows = [dict(ROWS[0], city=f"town {at}") for at in range(n)]
    inputs = tensors(rows)[:5]
    text = json.dumps({"inputs": inputs, "id": "7", "parameters": {"x": 1}}).encode()
    assert read_infer(text, memoryview(b""), signature)
    dtypes = {"age": "<i8", "height": "<f8", "visits": "<i4", "member": "?"}
    body, head = binary([packed(one, dtypes.get(one["name"])) for one in inputs])
    length = int(head.json_bytes)
    assert read_infer(body[:length], memoryview(body)[length:], signature)


def test_nested_data_is_flat_data():
    inputs = tensors(age={"data": [[42], [7]]})
    assert values(read(inputs), "age") == [42, 7]


@pytest.mark.parametrize("n", [1, 2, 40])
def test_bytes_are_read_as_json_is(n):
    rows = [dict(ROWS[0], age=at, height=at / 7, city=f"town {at}") for at in range(n)]
    dtypes = {"age": "<i8", "height": "<f8", "visits": "<i4", "member": "?"}
    entries = [packed(one, dtypes.get(one["name"])) for one in tensors(rows)]
    body, head = binary(entries)
    assert told(read(body, head=head))[0] == told(read(tensors(rows)))[0]


@pytest.mark.parametrize("n", [2, 40])
def test_nan_among_bytes_is_null_where_null_is_taken(n):
    cells = [None, *[1.5] * (n - 1)]
    body, head = binary([packed(tensor("a", "FP64", cells), "<f8"),
                         packed(tensor("b", "INT64", [1] * n), "<i8")])  # fmt: skip
    assert values(read(body, NUMBERS, head), "a") == cells
    body, head = binary([packed(tensor("x", "FP64", [cells[0], 1.0, 2.0], [1, 3]), "<f8")])
    assert codes(read(body, FLOATS, head)) == [(0, "a", "null-not-allowed")]


@pytest.mark.parametrize(
    ("datatype", "dtype", "data"),
    [("INT32", "<i4", [1, 2]), ("INT8", "i1", [1, 2]), ("UINT32", "<u4", [1, 2])],
)
def test_a_narrower_integer_fits_a_wider_column(datatype, dtype, data):
    b = tensor("b", datatype, data)
    assert values(read([b], NUMBERS), "b") == data
    body, head = binary([packed(b, dtype)])
    assert values(read(body, NUMBERS, head), "b") == data


def test_fp32_is_taken_for_float64_and_fp64_for_nullable_integers():
    a = tensor("a", "FP32", [0.5, 0.1])
    b = packed(tensor("b", "INT64", [1, 2]), "<i8")
    body, head = binary([packed(a, "<f4"), b])
    assert values(read(body, NUMBERS, head), "a") == [0.5, float(np.float32(0.1))]
    inputs = tensors(visits={"datatype": "FP64", "data": [3.0, None]})
    assert values(read(inputs), "visits") == [3, None]
    wrong = tensors(visits={"datatype": "FP64", "data": [3.5, None]})
    assert codes(read(wrong)) == [(0, "visits", "not-an-integer")]


@pytest.mark.parametrize(
    ("name", "datatype"),
    [
        ("age", "FP64"), ("age", "UINT64"), ("age", "BOOL"), ("age", "BYTES"),
        ("visits", "INT64"), ("visits", "FP32"), ("height", "BOOL"), ("height", "BYTES"),
        ("member", "INT8"), ("city", "INT64"), ("born", "INT64"),
    ],
)  # fmt: skip
def test_a_datatype_that_could_lose_something_is_refused(name, datatype):
    with pytest.raises(InvalidField, match=f"`{name}` is .* not {datatype}") as refused:
        read(tensors(**{name: {"datatype": datatype}}))
    assert refused.value.pointer.endswith("/datatype")


def test_fp64_for_a_float32_column_is_refused():
    wide = tensor("image", "FP64", [1.0, 2.0, 3.0, 4.0], [1, 2, 2])
    with pytest.raises(InvalidField, match="takes FP32"):
        read([wide], IMAGE)


def test_whole_numbers_that_a_double_cannot_hold_are_refused():
    big = [2**53 + 1, 1, 2]
    assert codes(read([tensor("x", "INT64", big, [1, 3])], FLOATS)) == [(0, "a", "loses-precision")]
    entries = [packed(tensor(n, "INT64", [v]), "<i8") for n, v in zip("abc", big, strict=True)]
    body, head = binary(entries)
    assert codes(read(body, FLOATS, head)) == [(0, "a", "loses-precision")]


@pytest.mark.parametrize("n", [1, 3, 30])
@pytest.mark.parametrize(
    ("datatype", "dtype"), [("FP64", "<f8"), ("FP32", "<f4"), ("INT32", "<i4")]
)
def test_one_matrix_stands_for_all_columns_of_numbers(n, datatype, dtype):
    table = np.arange(3 * n).reshape(n, 3).astype(dtype)
    for data in (table.tolist(), table.ravel().tolist()):
        decoded = read([tensor("rows", datatype, data, [n, 3])], FLOATS)
        assert values(decoded, "b") == table[:, 1].tolist()
    body, head = binary([packed(tensor("rows", datatype, table.tolist(), [n, 3]), dtype)])
    assert values(read(body, FLOATS, head), "c") == table[:, 2].tolist()


def test_a_matrix_of_floats_fits_whole_columns_where_it_is_whole():
    assert values(read([tensor("x", "FP64", [[None, 2.0]], [1, 2])], NUMBERS), "b") == [2]
    wrong = read([tensor("x", "FP64", [[1.5, 2.5]], [1, 2])], NUMBERS)
    assert codes(wrong) == [(0, "b", "not-an-integer")]


def test_a_matrix_of_another_width_and_a_matrix_for_texts_are_refused():
    with pytest.raises(InvalidField, match="has 3 columns, the matrix has 2"):
        read([tensor("x", "FP64", [1, 2], [1, 2])], FLOATS)
    with pytest.raises(InvalidField, match="There is no input `x`"):
        read([tensor("x", "FP64", [1] * 6, [1, 6])])


@pytest.mark.parametrize("n", [1, 30])
def test_a_tensor_column_has_its_shape_behind_the_rows(n):
    cells = [[[1.0, 2.0], [3.0, float(at)]] for at in range(n)]
    assert values(read([tensor("image", "FP32", cells, [n, 2, 2])], IMAGE), "image") == cells
    body, head = binary([packed(tensor("image", "FP32", cells, [n, 2, 2]), "<f4")])
    assert values(read(body, IMAGE, head), "image") == cells
    with pytest.raises(InvalidField, match=r"has the shape \[-1, 2, 2\]"):
        read([tensor("image", "FP32", [1.0] * 4, [1, 4])], IMAGE)


@pytest.mark.parametrize(
    ("shape", "sent"),
    [([-1], [2, 0]), ([-1, 2], [2, 0, 2]), ([2, -1], [2, 2, 0]), ([-1, -1], [2, 1 << 39, 0])],
)
def test_a_row_of_no_elements_is_refused_where_a_dimension_is_free(shape, sent):
    signature = Signature.from_json(
        {"inputs": [{"name": "series", "type": "float64", "shape": shape}]}
    )
    one = {"name": "series", "datatype": "FP64", "shape": sent}
    body, head = binary([(one | {"parameters": {"binary_data_size": 0}}, b"")])
    for asked in ([[one | {"data": []}], signature], [body, signature, head]):
        with pytest.raises(InvalidField, match="no element in a row") as caught:
            read(*asked)
        assert caught.value.extra()["pointer"] == "/inputs/0/shape"


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_a_tensor_column_without_its_shape_is_refused(shape):
    signature = Signature.from_json({"inputs": [{"name": "t", "type": "float64", "shape": [2]}]})
    nested = [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(InvalidField):
        read([tensor("t", "FP64", nested, shape)], signature)


@pytest.mark.parametrize("n", [2, 13])
@pytest.mark.parametrize("byte", [2, 255])
def test_a_truth_of_another_byte_than_0_and_1_is_refused(n, byte):
    signature = Signature.from_json({"inputs": [{"name": "b", "type": "boolean"}]})
    one = {"name": "b", "datatype": "BOOL", "shape": [n], "parameters": {"binary_data_size": n}}
    body, head = binary([(one, bytes([1, byte] + [0] * (n - 2)))])
    with pytest.raises(MalformedBody, match="its bytes are 0 and 1"):
        read(body, signature, head)
    body, head = binary([(one, bytes([1, 0] * n)[:n])])
    assert values(read(body, signature, head), "b") == [True, False] * (n // 2) + [True] * (n % 2)


def test_all_problems_of_all_cells_are_found():
    rows = [dict(ROWS[0], age=20.5, member=1), dict(ROWS[1], age=None, born="soon")]
    assert codes(read(tensors(rows))) == [
        (0, "age", "not-an-integer"),
        (0, "member", "not-a-boolean"),
        (1, "age", "null-not-allowed"),
        (1, "born", "not-a-date"),
    ]
    decoded = read([one for one in tensors() if one["name"] != "age"])
    assert codes(decoded) == [(0, "age", "missing"), (1, "age", "missing")]


@pytest.mark.parametrize("n", [2, 30])
def test_bytes_that_are_no_utf8_are_a_bad_cell(n):
    cells = [b"Rome", b"\xff\xfe", *[b"Oslo"] * (n - 2)]
    entries = [packed(one, {"age": "<i8", "height": "<f8", "visits": "<i4", "member": "?"}.get(
        one["name"])) for one in tensors([dict(ROWS[0])] * n)]  # fmt: skip
    entries[3] = packed(tensor("city", "BYTES", cells))
    body, head = binary(entries)
    assert codes(read(body, head=head)) == [(1, "city", "bad-encoding")]


@pytest.mark.parametrize(
    "texts",
    [
        ["", ""], ["a\0\0\0b", "c"], ["\0", "\0\0"], ["x" * 300, "y"], ["é" * 200, "\x03\0\0\0"],
        ["\0\0\0\0", "\x01\0\0\0a"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("n", [2, 26])
def test_texts_of_any_kind_come_out_of_bytes(texts, n):
    signature = Signature.from_json({"inputs": [{"name": "t", "type": "string"}]})
    cells = texts * (n // 2)
    body, head = binary([packed(tensor("t", "BYTES", cells))])
    assert values(read(body, signature, head), "t") == cells


TOWNS = Signature.from_json({"inputs": [
    {"name": "x", "type": "float64", "nullable": True}, {"name": "y", "type": "float64"},
    {"name": "z", "type": "float64", "nullable": True}, {"name": "k", "type": "int64"},
    {"name": "from", "type": "string"}, {"name": "to", "type": "string"},
    {"name": "via", "type": "string", "nullable": True}]})  # fmt: skip


def journeys(n: int, **cells: list[Any]) -> list[tuple[dict[str, Any], bytes]]:
    """Tensors of ``TOWNS`` as bytes: several of one kind stand side by side."""
    usual = {"x": [0.5], "y": [1.5], "z": [2.5], "k": [7], "from": ["Rome"], "to": ["Zürich"],
             "via": ["Ulm"]}  # fmt: skip
    kinds = {"k": ("INT64", "<i8")} | dict.fromkeys(("from", "to", "via"), ("BYTES", None))
    return [
        packed(tensor(name, kinds.get(name, ("FP64",))[0], cells.get(name, cell * n), [n, 1]),
               kinds.get(name, ("", "<f8"))[1])
        for name, cell in usual.items()
    ]  # fmt: skip


@pytest.mark.parametrize("n", [1, 2, 12, 13, 200])
@pytest.mark.parametrize("order", [1, -1])
def test_tensors_side_by_side_keep_their_own_cells(n, order):
    cells = {"x": [at / 7 for at in range(n)], "y": [-float(at) for at in range(n)],
             "k": list(range(n)), "from": [f"from {at}" for at in range(n)],
             "to": [f"nach Zürich {at}" for at in range(n)], "via": ["ab" * 60] * n}  # fmt: skip
    body, head = binary(journeys(n, **cells)[::order])
    decoded = read(body, TOWNS, head)
    assert {name: values(decoded, name) for name in cells} == cells
    length = int(head.json_bytes)
    assert read_infer(body[:length], memoryview(body)[length:], TOWNS)


@pytest.mark.parametrize("n", [2, 30])
def test_a_gap_in_one_of_the_tensors_side_by_side_is_judged_by_its_column(n):
    gappy = [None, *[1.0] * (n - 1)]
    body, head = binary(journeys(n, z=gappy))
    assert values(read(body, TOWNS, head), "z") == gappy
    body, head = binary(journeys(n, y=gappy))
    assert codes(read(body, TOWNS, head)) == [(0, "y", "null-not-allowed")]
    body, head = binary(journeys(n, x=[float("inf"), *[1.0] * (n - 1)]))
    assert [code[:2] for code in codes(read(body, TOWNS, head))] == [(0, "x")]


@pytest.mark.parametrize("n", [3, 20])
def test_an_element_that_belongs_to_the_next_tensor_is_refused(n):
    entries = journeys(n)
    wrong = [packed(tensor("from", "BYTES", ["Rome"] * (n + 1), [n, 1])),
             packed(tensor("to", "BYTES", ["Rome"] * (n - 1), [n, 1]))]  # fmt: skip
    body, head = binary([*entries[:4], *wrong, entries[6]])
    with pytest.raises(MalformedBody, match="`from` has"):
        read(body, TOWNS, head)


@pytest.mark.parametrize("lengths", [(5, 5), (5, 3), (3, 5)])
def test_lengths_that_are_not_those_of_the_texts_are_refused(lengths):
    signature = Signature.from_json({"inputs": [{"name": "t", "type": "string"}]})
    content = b"".join(struct.pack("<I", length) + b"Rome" for length in lengths * 10)
    entry, _ = packed(tensor("t", "BYTES", ["Rome"] * 20))
    body, head = binary([(entry, content)])
    with pytest.raises(MalformedBody):
        read(body, signature, head)


@pytest.mark.parametrize("n", [3, 20])
def test_a_character_that_two_elements_share_is_a_bad_cell(n):
    cells = [b"R\xc3", b"\xbcgen", *[b"Rome"] * (n - 2)]
    body, head = binary(journeys(n, to=cells))
    assert codes(read(body, TOWNS, head)) == [(0, "to", "bad-encoding"), (1, "to", "bad-encoding")]


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (None, "`inputs` is a list"),
        ([], "`inputs` is a list"),
        (["x"], "An input is an object"),
        ([{"datatype": "INT64"}], "has a `name`"),
        ([tensor("b", "INT128", [1])], "`datatype` is one of"),
        ([tensor("b", "INT64", [1], [-1])], "`shape` is a list"),
        ([tensor("b", "INT64", [1], [True])], "`shape` is a list"),
        ([tensor("b", "INT64", [1], [2])], "has 1 values for the shape"),
        ([tensor("b", "INT64", [1, 2], [1, 2, 1])], "has the shape"),
        ([tensor("b", "INT64", [[1, 2], [3]], [2, 2])], "not nested like the shape"),
        ([{"name": "b", "datatype": "INT64", "shape": []} | {"data": [1]}], "begins with the rows"),
        ([{"name": "b", "datatype": "INT64", "shape": [1]}], "needs `data`"),
        ([tensor("b", "INT64", [1]), tensor("b", "INT64", [1])], "stands there twice"),
        ([tensor("bb", "INT64", [1])], "the nearest is `b`"),
        ([tensor("b", "INT64", [1]), tensor("a", "FP64", [1.0, 2.0])], "has 2 rows"),
        ([tensor("b", "INT64", [1], parameters={"shared_memory_region": "x"})], "Shared memory"),
        ([tensor("b", "INT64", [1], parameters={"binary_data_size": -1})], "number of bytes"),
        ([tensor("b", "INT64", [1], parameters=[])], "`parameters` is an object"),
    ],
)
def test_tensors_that_are_none_are_refused_with_their_place(inputs, match):
    with pytest.raises(InvalidField, match=match) as refused:
        read(inputs, NUMBERS)
    assert refused.value.pointer.startswith("/inputs")


def test_bytes_that_are_missing_or_left_over_are_refused():
    entry, content = packed(tensor("b", "INT64", [1, 2]), "<i8")
    for changed, match in (
        ([(entry, content[:-1])], "16 bytes; 15 are left"),
        ([(entry, content + b"x")], "1 bytes behind the JSON"),
        ([(entry | {"parameters": {"binary_data_size": 8}}, content[:8])], "has 8 bytes where"),
        ([(entry | {"data": [1, 2]}, content)], "`data` and `binary_data_size`"),
    ):
        body, head = binary(changed)
        with pytest.raises(DomainError, match=match):
            read(body, NUMBERS, head)
    flag = {"name": "member", "datatype": "BOOL", "shape": [1]}
    body, head = binary([(flag | {"parameters": {"binary_data_size": 1}}, b"\2")])
    with pytest.raises(MalformedBody, match="0 and 1"):
        read(body, head=head)


@pytest.mark.parametrize("length", ["", "x", "-1", "+5", "5_0", "٣", "999999", "9" * 5000])
def test_a_length_of_the_json_that_is_none_is_refused(length):
    with pytest.raises(MalformedParameter, match="Inference-Header-Content-Length"):
        read(json.dumps({"inputs": tensors()}).encode(), head=Head(json_bytes=length))


def test_a_body_has_its_cap():
    body = json.dumps({"inputs": tensors()}).encode()
    with pytest.raises(TooLarge):
        decode(body, Head(), SIGNATURE, limits=Limits(body_bytes=10))
    with pytest.raises(TooLarge):
        decode(body, Head(json_bytes="5"), SIGNATURE, limits=Limits(binary_body_bytes=10))
    with pytest.raises(InvalidField, match="1 rows at most"):
        decode(body, Head(), SIGNATURE, limits=Limits(rows=1))


def test_members_beside_the_inputs():
    decoded = read(
        tensors(),
        id="call 7",
        outputs=[{"name": "predict_proba", "parameters": {"binary_data": True}}],
        parameters={"depth": 5, "sequence_id": 9, "binary_data_output": False},
    )
    assert decoded.params == {"depth": 5}
    assert decoded.outputs == ("probabilities",)
    assert decoded.notes.id == "call 7"
    for members, match in (
        ({"id": 7}, "`id` is a text"),
        ({"output": []}, "the nearest is `outputs`"),
        ({"outputs": {}}, "`outputs` is a list"),
        ({"outputs": [{}]}, "with a `name`"),
        ({"outputs": [{"name": "predct"}]}, "the nearest is `predict`"),
        ({"outputs": [{"name": "predict", "parameters": {"binary_data": 1}}]}, "true or false"),
        ({"outputs": [{"name": "predict", "parameters": {"classification": 2}}]}, "classification"),
        ({"parameters": {"binary_data_output": "yes"}}, "true or false"),
        ({"parameters": {"depth": 0.5}}, "Expected int64"),
    ):
        with pytest.raises(InvalidField, match=match):
            read(tensors(), **members)


def test_names_that_stand_twice_are_refused():
    body = json.dumps({"inputs": tensors()}).encode()
    twice = body.replace(b'"datatype": "INT64"', b'"datatype": "FP64", "datatype": "INT64"', 1)
    with pytest.raises(MalformedBody, match="stands twice"):
        read(twice)


@pytest.mark.parametrize("n", [1, 30])
def test_tensors_in_any_order_and_of_any_datatype_that_fits_are_read_straight(n):
    signature = Signature.from_json({"inputs": INPUTS[:5]})
    inputs = tensors([ROWS[0]] * n)[:5]
    narrow = [inputs[0] | {"datatype": "INT32"}, *inputs[1:]]
    for given in (inputs, inputs[::-1], [*inputs[1:], inputs[0]], narrow, inputs[:1] + inputs[3:]):
        text = json.dumps({"id": "x" * 300, "inputs": given}).encode()
        assert read_infer(text, memoryview(b""), signature)
        assert values(read(given, signature), "age") == [42] * n


def test_tensors_alike_in_another_order_keep_their_names():
    signature = Signature.from_json({"inputs": [{"name": n, "type": "int64"} for n in "abc"]})
    inputs = [tensor(name, "INT64", [at]) for at, name in enumerate("acb")]
    assert [values(read(inputs, signature), name) for name in "abc"] == [[0], [2], [1]]


@pytest.mark.parametrize("name", ["größe", "a/b c", "n"])
def test_a_name_of_any_characters_is_found(name):
    signature = Signature.from_json({"inputs": [{"name": name, "type": "int64"}]})
    inputs = [tensor(name, "INT64", [1])]
    assert values(read(inputs, signature), name) == [1]
    body = json.dumps({"inputs": inputs}, ensure_ascii=False).encode()
    assert read_infer(body, memoryview(b""), signature)


def test_shapes_and_lengths_of_ordered_tensors_are_looked_at():
    for wrong in ({"shape": [1, 1]}, {"data": [1]}, {"shape": [2, 2]}, {"shape": []}):
        for name in ("age", "member"):
            with pytest.raises(InvalidField):
                read(tensors(**{name: wrong}))
    with pytest.raises(InvalidField, match="has 2 values for the shape"):
        read(tensors(**{c["name"]: {"shape": [2, 2]} for c in INPUTS}))


@pytest.mark.parametrize(
    ("names", "at", "match"),
    [
        (["predict", "predict_proba", "predict"], 2, "`predict` is asked for twice"),
        (["predict.y", "predict.z", "predict.y"], 2, "`predict.y` is asked for twice"),
        (["predict", "predict.y"], 1, "`predict.y` is asked for twice: it is one of `predict`"),
        (["predict.y", "predict"], 0, "`predict.y` is asked for twice: it is one of `predict`"),
    ],
)
def test_an_output_that_is_asked_for_twice_is_refused_by_its_name(names, at, match):
    with pytest.raises(InvalidField, match=match) as caught:
        read(tensors(), outputs=[{"name": name} for name in names])
    assert caught.value.extra()["pointer"] == f"/outputs/{at}/name"


# --- answers ------------------------------------------------------------------------------------

PROBA = (np.array([[0.25, 0.75], [1.0, np.nan]]), [0.25, 0.75, 1.0, None])
LEAN = LeanAnswer(
    2,
    (
        Part(PartLayout("prediction", None, None, ("no", "yes")), np.array([1, 0])),
        Part(PartLayout("probabilities", None, ("no", "yes")), PROBA[0]),
    ),
)
ARROW = Answer(2, LEAN.blocks)


def answered(answer: Answer, decoded: Decoded | None = None, **members: Any):
    decoded = decoded or read(tensors(), **members)
    kinds = decoded.outputs or tuple(dict.fromkeys(block.kind for block in answer.blocks))
    encoded = encode(
        Reply("churn", 3, "request-1", SIGNATURE, decoded.validated, answer, kinds,
              ref="churn@blue", notes=decoded.notes)
    )  # fmt: skip
    length = int(encoded.headers.get("Inference-Header-Content-Length", len(encoded.body)))
    return json.loads(encoded.body[:length]), encoded.body[length:], encoded


@pytest.mark.parametrize("answer", [LEAN, ARROW], ids=["lean", "arrow"])
def test_an_answer_is_tensors_in_json(answer):
    told, tail, encoded = answered(answer, id="call 7")
    assert told == {
        "model_name": "churn@blue",
        "model_version": "3",
        "id": "call 7",
        "outputs": [
            {"name": "predict", "datatype": "BYTES", "shape": [2], "data": ["yes", "no"]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [2, 2], "data": PROBA[1],
             "parameters": {"classes": ["no", "yes"]}},
        ],
    }  # fmt: skip
    assert (tail, encoded.content_type) == (b"", "application/json")


@pytest.mark.parametrize("answer", [LEAN, ARROW], ids=["lean", "arrow"])
def test_an_answer_is_bytes_where_they_are_asked_for(answer):
    told, tail, encoded = answered(answer, parameters={"binary_data_output": True})
    assert encoded.content_type == "application/octet-stream"
    predict, proba = told["outputs"]
    assert predict["parameters"] == {"binary_data_size": 13}
    assert proba["parameters"] == {"binary_data_size": 32, "classes": ["no", "yes"]}
    assert tail[:13] == b"\3\0\0\0yes\2\0\0\0no"
    np.testing.assert_array_equal(np.frombuffer(tail[13:]).reshape(2, 2), PROBA[0])
    assert told["id"] == "request-1"


def test_each_output_may_be_told_apart():
    wanted = [
        {"name": "predict_proba", "parameters": {"binary_data": True}},
        {"name": "predict", "parameters": {"binary_data": False}},
    ]
    told, tail, _ = answered(LEAN, outputs=wanted)
    assert [one["name"] for one in told["outputs"]] == ["predict_proba", "predict"]
    assert (len(tail), told["outputs"][1]["data"]) == (32, ["yes", "no"])


@pytest.mark.parametrize(
    ("array", "datatype", "data", "content"),
    [
        (pa.array([1, 2], pa.int32()), "INT64", [1, 2], np.array([1, 2], "<i8")),
        (pa.array([True, False]), "BOOL", [True, False], np.array([True, False])),
        (pa.array([1.5, float("inf")]), "FP64", [1.5, None], np.array([1.5, np.nan])),
        (pa.array([1.5, 2], pa.float32()), "FP64", [1.5, 2.0], np.array([1.5, 2.0])),
        (pa.array([1, None]), "FP64", [1.0, None], np.array([1, np.nan])),
        (pa.array([2**63, 1], pa.uint64()), "UINT64", [2**63, 1], np.array([2**63, 1], "<u8")),
    ],
)
def test_every_type_of_prediction(array, datatype, data, content):
    answer = Answer(2, (Block("prediction", None, None, (array,)),))
    told, _, _ = answered(answer)
    (one,) = told["outputs"]
    assert (one["datatype"], one["data"]) == (datatype, data)
    _, tail, _ = answered(answer, parameters={"binary_data_output": True})
    assert tail == content.tobytes()


@pytest.mark.parametrize("is_binary", [False, True])
@pytest.mark.parametrize(
    ("layout", "arrays"),
    [
        (PartLayout("prediction", None, None, ("no", "%b", 'ja \u00fc"')), [[0, 2, 1]]),
        (PartLayout("prediction", None, None, (3, 5, 7)), [[2, 0, 0]]),
        (PartLayout("prediction", None, None, (True, False)), [[1, 0, 1]]),
        (PartLayout("prediction", None, None, (1, 0)), [[1, 0, 1]]),
        (PartLayout("prediction", "%d", None, (0.5, 2.0)), [[1, 0, 1]]),
        (PartLayout("prediction", None, None), [[1.5, float("inf"), 0.1], [3, 4, 5]]),
        (PartLayout("prediction", None, None), [[True, False, True], ["a", "\u00fc", ""]]),
        (PartLayout("decision", None, None), [[1.5, -1.0, 0.1]]),
        (PartLayout("decision", None, (1, 0)), [[[1.0, 2.0], [float("nan"), 0.1], [3.0, 4.0]]]),
        (PartLayout("probabilities", "y", (True, False)), [[[0.1, 0.9], [1.0, 0.0], [0.5, 0.5]]]),
        (PartLayout("transform", None, ("a%", "b")), [[[1.0, 2.0], [-1.0, 0.1], [3.0, 4.0]]]),
    ],
    ids=str,
)
def test_what_is_written_ahead_says_what_the_general_way_says(layout, arrays, is_binary):
    for array in arrays:
        is_text = isinstance(array[0], str)
        whole = np.array(array, dtype=object if is_text else None)
        for cells in (whole, np.asfortranarray(whole), np.concatenate([whole] * 9), whole[:1]):
            lean = LeanAnswer(len(cells), (Part(layout, cells),))
            members = {"parameters": {"binary_data_output": is_binary}}
            told, tail, _ = answered(lean, **members)
            assert (told, tail) == answered(Answer(len(cells), lean.blocks), **members)[:2]
            again = answered(lean, **members)
            assert again[:2] == (told, tail)


def test_equal_classes_of_other_types_are_written_as_their_own(monkeypatch):
    monkeypatch.setattr("serving.protocols.open_inference_parts._KEPT", 1)
    for classes in [(1, 0), (True, False), (1.0, 0.0)] * 2:
        layout = PartLayout("prediction", None, None, classes)
        told, _, _ = answered(LeanAnswer(2, (Part(layout, np.array([0, 1])),)))
        assert list(map(repr, told["outputs"][0]["data"])) == list(map(repr, classes))


def test_several_outputs_are_named_after_the_kind_and_the_output():
    arrays = (pa.array([1, 2]), pa.array([3, 4]))
    answer = Answer(
        2, tuple(Block("prediction", n, None, (a,)) for n, a in zip("xy", arrays, strict=True))
    )
    told, _, _ = answered(answer)
    assert [one["name"] for one in told["outputs"]] == ["predict.x", "predict.y"]
    told, _, _ = answered(answer, outputs=[{"name": "predict.y"}])
    assert [one["data"] for one in told["outputs"]] == [[3, 4]]
    told, _, _ = answered(answer, outputs=[{"name": "predict"}])
    assert len(told["outputs"]) == 2
    with pytest.raises(InvalidField, match=r"no output `predict\.z`; the nearest"):
        answered(answer, outputs=[{"name": "predict.z"}])


def test_a_transformation_is_one_matrix_or_texts():
    numbers = Block("transform", None, ("u", "v"), (pa.array([1, 2]), pa.array([0.5, None])))
    told, _, _ = answered(Answer(2, (numbers,)))
    (one,) = told["outputs"]
    assert (one["name"], one["shape"], one["data"]) == ("transform", [2, 2], [1, 0.5, 2, None])
    assert one["parameters"] == {"columns": ["u", "v"]}
    mixed = Block("transform", None, ("u", "v"), (pa.array([1, 2]), pa.array(["a", None])))
    told, _, _ = answered(Answer(2, (mixed,)))
    assert (told["outputs"][0]["datatype"], told["outputs"][0]["data"]) == (
        "BYTES", ["1", "a", "2", None],
    )  # fmt: skip


def test_no_rows_have_outputs_without_elements():
    signature = Signature.from_json(
        {"inputs": INPUTS[:1], "outputs": [{"name": "prediction", "type": "string"}]}
    )
    for binary_output in (True, False):
        body = {"inputs": [tensor("age", "INT64", [], [0, 1])],
                "parameters": {"binary_data_output": binary_output}}  # fmt: skip
        decoded = decode(json.dumps(body).encode(), Head(), signature)
        reply = Reply("churn", 1, "r", signature, decoded.validated, Answer(0, ()),
                      ("prediction", "probabilities"), notes=decoded.notes)  # fmt: skip
        text = encode(reply).body
        predict, proba = json.loads(text)["outputs"]
        assert (predict["name"], predict["datatype"], predict["shape"]) == ("predict", "BYTES", [0])
        assert (proba["name"], proba["shape"]) == ("predict_proba", [0, 0])
