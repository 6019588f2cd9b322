"""Whatever holds rows becomes a body whose types and missing values are the user's own."""

from __future__ import annotations

import datetime as dt
import decimal
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from modelyard import UsageError
from modelyard.cells import json_cell, label_text
from modelyard.rows import ARROW_STREAM, scoring_body


def sent_json(rows, **asked):
    body = scoring_body(rows, **asked)
    assert body.media_type == "application/json"
    return json.loads(b"".join(body.source.chunks()))


def sent_table(rows):
    body = scoring_body(rows)
    assert body.media_type == ARROW_STREAM
    with pa.ipc.open_stream(b"".join(body.source.chunks())) as reader:
        return reader.read_all()


NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.timezone(dt.timedelta(hours=1)))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, None),
        (True, True),
        (np.True_, True),
        (np.int8(7), 7),
        (2**63 + 1, 2**63 + 1),
        (np.float32(0.5), 0.5),
        (float("nan"), None),
        (np.float64("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
        (np.datetime64("NaT"), None),
        (np.str_("Rome"), "Rome"),
        (dt.date(2026, 1, 31), "2026-01-31"),
        (np.datetime64("2026-01-31"), "2026-01-31"),
        (NOON, "2026-01-31T12:00:00+01:00"),
        (pd.Timestamp(NOON), "2026-01-31T12:00:00+01:00"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ({"a": np.int64(1)}, {"a": 1}),
    ],
)
def test_a_cell_becomes_what_json_has_for_it(value, cell):
    done = json_cell(value)
    assert done == cell
    assert type(done) is type(cell)


@pytest.mark.parametrize(
    "value",
    [
        float("inf"),
        dt.datetime(2026, 1, 31, 12),
        pd.Timestamp("2026-01-31"),
        np.datetime64("2026-01-31T12:00"),
        np.timedelta64(3, "s"),
        decimal.Decimal("1.5"),
        object(),
        b"bytes",
    ],
)
def test_what_json_has_no_sure_form_for_is_refused(value):
    with pytest.raises(UsageError):
        json_cell(value)


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("yes", "yes"),
        (1, "1"),
        (np.int64(1), "1"),
        (True, "true"),
        (1.0, "1.0"),
        (np.False_, "false"),
    ],
)
def test_a_label_is_keyed_as_json_prints_it(label, key):
    assert label_text(label) == key


def test_row_objects_and_row_lists_go_as_instances():
    assert sent_json([{"age": 42}]) == {"instances": [{"age": 42}]}
    assert sent_json([[42, "Rome"]]) == {"instances": [[42, "Rome"]]}
    assert sent_json(np.array([[1.5, 2.0]])) == {"instances": [[1.5, 2.0]]}
    assert sent_json([]) == {"instances": []}


def test_a_dict_of_lists_goes_as_columns():
    rows = {"age": [42, float("nan")], "city": pd.Series(["Rome", None])}
    assert sent_json(rows) == {"columns": {"age": [42, None], "city": ["Rome", None]}}


def test_one_row_as_a_bare_dict_is_refused_with_the_remedy():
    with pytest.raises(UsageError, match=r"\[\{\.\.\.\}\]"):
        scoring_body({"age": 42})


@pytest.mark.parametrize("rows", ["text", 7, [7], ["text"], np.array([1, 2])])
def test_what_is_no_table_is_refused(rows):
    with pytest.raises(UsageError):
        scoring_body(rows)


def test_a_bad_cell_is_named_by_row_and_column():
    with pytest.raises(UsageError, match="Column 'age', row 1"):
        scoring_body({"age": [1.0, float("inf")]})
    with pytest.raises(UsageError, match="Row 1"):
        scoring_body([[1.0], [float("inf")]])


def test_outputs_and_params_make_it_json():
    frame = pd.DataFrame({"age": [42]})
    sent = sent_json(frame, outputs=["decision"], params={"top": np.int64(3)})
    assert sent == {"columns": {"age": [42]}, "outputs": ["decision"], "params": {"top": 3}}


def test_a_frame_goes_as_arrow_with_its_types():
    frame = pd.DataFrame(
        {
            "small": np.array([1, 2], dtype="int8"),
            "maybe": pd.array([1, None], dtype="Int64"),
            "flag": pd.array([True, None], dtype="boolean"),
            "gap": [1.5, np.nan],
            "city": ["Rome", None],
            "half": np.array([0.5, 1], dtype="float16"),
            "kind": pd.Categorical(["a", "b"], categories=["a", "b", "c"]),
            "level": pd.Categorical([1, None]),
            "when": pd.to_datetime(["2026-01-31T12:00:00+01:00", None]),
            "day": [dt.date(2026, 1, 31), None],
            "pixels": [[1.0, 2.0], [3.0, 4.0]],
            "grid": [np.array([[1, 2]]), np.array([[3, 4]])],
            "rare": pd.arrays.SparseArray([0, 1]),
        }
    )
    table = sent_table(frame)
    assert table.to_pylist()[1] == {
        "small": 2,
        "maybe": None,
        "flag": None,
        "gap": None,
        "city": None,
        "half": 1.0,
        "kind": "b",
        "level": None,
        "when": None,
        "day": None,
        "pixels": [3.0, 4.0],
        "grid": [[3, 4]],
        "rare": 1,
    }
    types = {field.name: str(field.type) for field in table.schema}
    assert types["small"] == "int8"
    assert types["maybe"] == "int64"
    assert types["flag"] == "bool"
    assert types["half"] == "float"
    assert (types["kind"], types["city"]) == ("string", "string")
    assert types["when"] == "timestamp[us, tz=UTC]"
    assert types["day"] == "date32[day]"
    assert table["when"][0].as_py() == NOON


def test_the_index_is_never_a_column():
    frame = pd.DataFrame({"age": [1, 2]}, index=pd.Index(["a", "b"], name="customer"))
    assert sent_table(frame).column_names == ["age"]
    assert list(sent_json(frame, outputs=["prediction"])["columns"]) == ["age"]


def test_a_named_series_is_a_column_and_an_unnamed_one_a_row_of_one_cell_each():
    assert sent_table(pd.Series(["a", "b"], name="text")).to_pydict() == {"text": ["a", "b"]}
    assert sent_json(pd.Series(["a", "b"])) == {"instances": [["a"], ["b"]]}


def test_a_frame_without_names_goes_in_the_order_of_the_signature():
    assert sent_json(pd.DataFrame([[1, "a"], [2, None]])) == {"instances": [[1, "a"], [2, None]]}


def test_arrow_tables_and_batches_go_as_they_are():
    batch = pa.record_batch({"age": [1, None]})
    assert sent_table(batch).to_pydict() == {"age": [1, None]}
    assert sent_table(pa.table([batch["age"]], names=["age"])).to_pydict() == {"age": [1, None]}


def test_a_frame_of_another_library_goes_through_arrow():
    class Speaker:
        def __arrow_c_stream__(self, requested_schema=None):
            return pa.table({"age": [1], "city": pa.array(["Rome"], pa.string_view())})\
                .__arrow_c_stream__(requested_schema)  # fmt: skip

    assert sent_table(Speaker()).to_pydict() == {"age": [1], "city": ["Rome"]}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"when": pd.to_datetime(["2026-01-31"])}), "'when' holds times without"),
        (pd.DataFrame({"when": [dt.datetime(2026, 1, 31)]}, dtype=object), "'when' holds times"),
        (pd.DataFrame({"took": pd.to_timedelta([3], "s")}), "'took' is of the type duration"),
        (pd.DataFrame({"price": [decimal.Decimal("1.5")]}), "'price' is of the type decimal"),
        (pd.DataFrame({"mix": [1, "a"]}, dtype=object), "'mix' has no one type"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' stands in the table more than once"),
        (pa.table([[1], [2]], names=["a", "a"]), "'a' stands in the table more than once"),
        (pd.DataFrame({"big": [2**70]}), "'big' has no one type"),
        (pd.DataFrame([[1, 2]], columns=["a", 7]), "7 is not"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "must be texts"),
        (
            pd.DataFrame({"when": pd.to_datetime(["2026-01-31T12:00:00.123456789Z"])}),
            "finer than a microsecond",
        ),
    ],
)
def test_a_column_that_cannot_be_sent_is_named_with_the_reason(frame, message):
    with pytest.raises(UsageError, match=message):
        scoring_body(frame)


def test_without_pyarrow_a_frame_goes_as_json_columns(monkeypatch):
    monkeypatch.setattr("modelyard.rows.have", lambda name: False)
    frame = pd.DataFrame(
        {
            "age": pd.array([1, None], dtype="Int64"),
            "kind": pd.Categorical(["a", None]),
            "when": pd.to_datetime(["2026-01-31T12:00:00+01:00", None]),
            "gap": [1.5, np.nan],
        }
    )
    assert sent_json(frame) == {
        "columns": {
            "age": [1, None],
            "kind": ["a", None],
            "when": ["2026-01-31T12:00:00+01:00", None],
            "gap": [1.5, None],
        }
    }
