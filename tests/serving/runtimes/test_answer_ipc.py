"""The answer crosses a process boundary unchanged, and a damaged one is refused."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from serving.runtimes.base import (
    LAYOUT_KEY,
    Answer,
    Block,
    answer_from_ipc,
    answer_to_ipc,
    batch_to_ipc,
)


def answer() -> Answer:
    return Answer(
        2,
        (
            Block("prediction", None, None, (pa.array(["a", "b"]),)),
            Block(
                "probabilities",
                None,
                (True, 1, 1.5, "x"),
                tuple(pa.array([0.1, float("nan")]) for _ in range(4)),
            ),
        ),
    )


def test_an_answer_comes_back_with_labels_of_their_own_types() -> None:
    got = answer_from_ipc(answer_to_ipc(answer()))
    assert got.blocks[1].labels == (True, 1, 1.5, "x")
    assert [type(label) for label in got.blocks[1].labels] == [bool, int, float, str]
    assert got.blocks[0].arrays[0].to_pylist() == ["a", "b"]


def test_nan_stays_nan() -> None:
    got = answer_from_ipc(answer_to_ipc(answer())).of("probabilities")[0].arrays[0]
    assert got.null_count == 0
    assert str(got.to_pylist()[1]) == "nan"


def test_an_answer_without_blocks_keeps_its_row_count() -> None:
    assert answer_from_ipc(answer_to_ipc(Answer(5, ()))) == Answer(5, ())


def test_an_array_of_another_length_is_no_answer() -> None:
    with pytest.raises(ValueError, match="3 answers for 2 rows"):
        Answer(2, (Block("prediction", None, None, (pa.array([1, 2, 3]),)),))


@pytest.mark.parametrize(
    "layout",
    [
        {"n_rows": 3, "blocks": [{"kind": "prediction", "output": None, "labels": None}]},
        {"n_rows": 2, "blocks": []},
        {"n_rows": 2, "blocks": [{"kind": "prediction", "output": None, "labels": ["a", "b"]}]},
        {"n_rows": 2, "blocks": [{"kind": "secrets", "output": None, "labels": None}]},
        {"n_rows": 2, "blocks": [{"kind": "prediction", "output": 7, "labels": None}]},
        {"n_rows": 2, "blocks": [{"kind": "prediction", "output": None, "labels": [None]}]},
        {"n_rows": 2},
        [],
    ],
)
def test_a_layout_that_does_not_fit_its_columns_is_refused(layout: object) -> None:
    schema = pa.schema([("c0", pa.int64())], metadata={LAYOUT_KEY: json.dumps(layout).encode()})
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2])], schema=schema)
    with pytest.raises(ValueError, match="answer"):
        answer_from_ipc(batch_to_ipc(batch))


def layout_of(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the layout of a single prediction."""
    layout = {
        "n_rows": batch.num_rows,
        "blocks": [{"kind": "prediction", "output": None, "labels": None}],
    }
    return batch.replace_schema_metadata({LAYOUT_KEY: json.dumps(layout).encode()})


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1.0], [2.0]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array(["a", "a"]).dictionary_encode(),
        pa.array([b"a", b"b"]),
        pa.array([1, 2], pa.duration("s")),
    ],
    ids=["list", "struct", "dictionary", "bytes", "duration"],
)
def test_a_column_that_is_not_plain_is_refused(column: pa.Array) -> None:
    batch = layout_of(pa.RecordBatch.from_arrays([column], ["c0"]))
    with pytest.raises(ValueError, match="a column of type"):
        answer_from_ipc(batch_to_ipc(batch))


def test_an_answer_of_very_many_columns_is_neither_given_nor_read() -> None:
    wide = pa.RecordBatch.from_arrays([pa.array([1])] * 100_000, [f"c{i}" for i in range(100_000)])
    block = Block("transform", None, tuple(wide.schema.names), tuple(wide.columns))
    with pytest.raises(ValueError, match="100000 columns, at most 20000"):
        answer_to_ipc(Answer(1, (block,)))
    with pytest.raises(ValueError, match="too many columns"):
        answer_from_ipc(batch_to_ipc(layout_of(wide)))


def test_a_compressed_answer_is_refused_before_it_is_unpacked() -> None:
    batch = layout_of(pa.RecordBatch.from_arrays([pa.array([0.0] * 100_000)], ["c0"]))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    with pytest.raises(ValueError, match="compressed"):
        answer_from_ipc(sink.getvalue())


def test_half_a_character_in_a_label_is_refused() -> None:
    layout = {
        "n_rows": 1,
        "blocks": [{"kind": "probabilities", "output": None, "labels": ["\ud800"]}],
    }
    schema = pa.schema([("c0", pa.int64())], metadata={LAYOUT_KEY: json.dumps(layout).encode()})
    batch = pa.RecordBatch.from_arrays([pa.array([1])], schema=schema)
    with pytest.raises(ValueError, match="surrogates"):
        answer_from_ipc(batch_to_ipc(batch))


def test_truncated_bytes_are_refused() -> None:
    whole = answer_to_ipc(answer()).to_pybytes()
    for cut in (0, 7, 60, len(whole) // 2, len(whole) - 40):
        with pytest.raises(ValueError, match=r"answer|damaged"):
            answer_from_ipc(whole[:cut])
