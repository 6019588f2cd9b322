"""Stories: scoring in every form, strictly, and what a bad row is told."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.flows.conftest import People
from tests.flows.stories import (
    ARROW,
    CUSTOMERS,
    PARQUET,
    ROW,
    as_csv,
    as_skops,
    checked,
    churn,
    ok,
    plain,
    problem,
    refused_field,
    registered,
    upload,
)

JSON = "application/json"
CSV = "text/csv"
ROWS = [
    {name: None if value != value else value for name, value in row.items()}
    for row in CUSTOMERS.to_dict("records")
]
COLUMNS = {name: [row[name] for row in ROWS] for name in CUSTOMERS}


def arrow_of(table: pa.Table) -> bytes:
    written = io.BytesIO()
    with pa.ipc.new_stream(written, table.schema) as writer:
        writer.write_table(table)
    return written.getvalue()


def parquet_of(table: pa.Table) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


TABLE = pa.Table.from_pylist(ROWS)
BODIES: dict[str, tuple[bytes, str]] = {
    "rows": (json.dumps({"instances": ROWS}).encode(), JSON),
    "lists": (json.dumps({"instances": [list(row.values()) for row in ROWS]}).encode(), JSON),
    "columns": (json.dumps({"columns": COLUMNS}).encode(), JSON),
    "csv": (as_csv(), CSV),
    "csv with a byte order mark": (b"\xef\xbb\xbf" + as_csv(), CSV),
    "arrow": (arrow_of(TABLE), ARROW),
    "parquet": (parquet_of(TABLE), PARQUET),
}


def predict(
    http: httpx.Client,
    model: str,
    body: Any,
    media: str = JSON,
    accept: str = JSON,
    query: str = "",
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": media, "Accept": accept}
    return http.post(f"/models/{model}/predict{query}", content=content, headers=headers)


def table_in(answer: httpx.Response) -> pa.Table:
    """A table answer as Arrow."""
    assert answer.status_code == 200, answer.text
    media = answer.headers["Content-Type"].partition(";")[0]
    if media == CSV:
        from pyarrow import csv

        return csv.read_csv(io.BytesIO(answer.content))
    if media == ARROW:
        return pa.ipc.open_stream(answer.content).read_all()
    return pq.read_table(io.BytesIO(answer.content))


@pytest.mark.parametrize("accept", [CSV, ARROW, PARQUET])
@pytest.mark.parametrize("form", BODIES)
def test_every_form_of_rows_gets_the_same_answer_in_every_form(
    olga: httpx.Client, model: str, form: str, accept: str
) -> None:
    body, media = BODIES[form]

    as_json = ok(predict(olga, model, body, media))
    as_table = predict(olga, model, body, media, accept)

    assert as_json["predictions"] == churn().predict(CUSTOMERS).tolist()
    probabilities = [list(p.values()) for p in as_json["probabilities"]]
    np.testing.assert_array_equal(probabilities, churn().predict_proba(CUSTOMERS))
    assert list(as_json["probabilities"][0]) == ["no", "yes"]
    table = table_in(as_table)
    assert table.column_names == ["prediction", "probability_no", "probability_yes"]
    assert table["prediction"].to_pylist() == as_json["predictions"]
    assert [list(p) for p in zip(*table.columns[1:], strict=True)] != []
    assert table["probability_yes"].to_pylist() == [p["yes"] for p in as_json["probabilities"]]
    assert as_table.headers["X-Modelyard-Model-Version"] == f"{model}/1"
    if accept == ARROW:
        assert table.schema.metadata[b"modelyard.version"] == b"1"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", JSON),
        ("text/*", CSV),
        (f"{CSV};q=0.5, {ARROW}", ARROW),
        ("image/png, application/json;q=0.1", JSON),
    ],
)
def test_accept_chooses_the_form(olga: httpx.Client, model: str, accept: str, media: str) -> None:
    answer = predict(olga, model, {"instances": ROWS}, accept=accept)

    assert answer.headers["Content-Type"].startswith(media)


def test_a_form_that_is_not_written_here_is_not_acceptable(olga: httpx.Client, model: str) -> None:
    refused = predict(olga, model, {"instances": ROWS}, accept="image/png")

    assert CSV in problem(refused, 406, "not-acceptable")["detail"]


def test_a_form_that_is_not_read_here_names_those_that_are(olga: httpx.Client, model: str) -> None:
    refused = problem(
        predict(olga, model, b"<row/>", "application/xml"), 415, "unsupported-media-type"
    )

    assert refused["accepted"] == [JSON, CSV, ARROW, PARQUET]


def cell(value: Any) -> dict[str, Any]:
    return {"instances": [ROW | {"age": value}]}


@pytest.mark.parametrize("age", [20, 21.0, 2.2e1, -3])
def test_an_integer_column_takes_whole_numbers(olga: httpx.Client, model: str, age: Any) -> None:
    ok(predict(olga, model, cell(age)))


@pytest.mark.parametrize(
    ("age", "code", "received"),
    [
        (20.5, "not-an-integer", "20.5"),
        (True, "not-an-integer", "true"),
        ("20", "not-an-integer", "20"),
        (None, "null-not-allowed", "null"),
        ([20], "not-an-integer", "[20]"),
        ({"a": 1}, "not-an-integer", None),
        (2**63, "out-of-range", str(2**63)),
        (1e30, "out-of-range", "1e+30"),
    ],
)
def test_an_integer_column_takes_nothing_else(
    olga: httpx.Client, model: str, age: Any, code: str, received: str | None
) -> None:
    refused = problem(predict(olga, model, cell(age)), 422, "invalid-rows")

    [error] = refused["errors"]
    assert (error["row"], error["column"], error["code"]) == (0, "age", code)
    assert received is None or error["received"] == received
    assert refused["error_count"] == 1


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("income", "2.5", "not-a-number"),
        ("income", True, "not-a-number"),
        ("city", 5, "not-a-string"),
        ("city", False, "not-a-string"),
    ],
)
def test_other_columns_take_their_type_alone(
    olga: httpx.Client, model: str, column: str, value: Any, code: str
) -> None:
    body = {"instances": [ROW, ROW | {column: value}]}

    [error] = problem(predict(olga, model, body), 422, "invalid-rows")["errors"]

    assert (error["row"], error["column"], error["code"]) == (1, column, code)


def test_null_and_an_absent_column_stand_for_missing_where_it_is_nullable(
    olga: httpx.Client, model: str
) -> None:
    with_null = ok(predict(olga, model, {"instances": [ROW | {"income": None}]}))
    absent = ok(predict(olga, model, {"instances": [{"age": 42, "city": "Rome"}]}))

    assert with_null["probabilities"] == absent["probabilities"]


def test_a_missing_column_is_named(olga: httpx.Client, model: str) -> None:
    by_row = predict(olga, model, {"instances": [{"income": 1.5, "city": "Rome"}]})
    by_column = predict(olga, model, {"columns": {"income": [1.5], "city": ["Rome"]}})
    by_csv = predict(olga, model, b"income,city\n1.5,Rome\n", CSV)

    for answer in (by_row, by_column, by_csv):
        [error] = problem(answer, 422, "invalid-rows")["errors"]
        assert (error["column"], error["code"]) == ("age", "missing")


def test_an_unknown_column_names_the_nearest_known_one(olga: httpx.Client, model: str) -> None:
    by_row = predict(olga, model, {"instances": [ROW | {"incomee": 5}]})
    by_column = predict(olga, model, {"columns": {**COLUMNS, "incomee": [5] * 6}})
    by_csv = predict(olga, model, b"age,income,incomee,city\n1,2,3,Rome\n", CSV)

    for answer in (by_row, by_column, by_csv):
        error = problem(answer, 422, "invalid-rows")["errors"][0]
        assert (error["column"], error["code"]) == ("incomee", "unknown-column")
        assert error["expected"] == "income"


def test_every_problem_of_every_row_is_found_and_a_hundred_are_shown(
    olga: httpx.Client, model: str
) -> None:
    bad = {"age": 20.5, "income": "x", "city": 5}

    refused = problem(predict(olga, model, {"instances": [bad] * 50 + [ROW]}), 422, "invalid-rows")

    assert (len(refused["errors"]), refused["error_count"]) == (100, 150)
    assert [(e["row"], e["column"]) for e in refused["errors"][:4]] == [
        (0, "age"), (0, "income"), (0, "city"), (1, "age"),
    ]  # fmt: skip
    assert refused["detail"] == "50 of 51 rows were refused."


def test_received_shows_forty_characters_at_most(olga: httpx.Client, model: str) -> None:
    [error] = problem(predict(olga, model, cell("x" * 500)), 422, "invalid-rows")["errors"]

    assert 0 < len(error["received"]) <= 40


def test_a_confidential_model_does_not_repeat_cells(people: People) -> None:
    registered(people.olga, "score-secret")
    patched = people.marie.patch("/models/score-secret", json={"classification": "confidential"})
    assert ok(patched)["classification"] == "confidential"

    refused = predict(people.olga, "score-secret", cell("hush"))

    [error] = problem(refused, 422, "invalid-rows")["errors"]
    assert "received" not in error
    assert "hush" not in refused.text


def test_skip_answers_the_good_rows_and_says_why_not_the_others(
    olga: httpx.Client, model: str
) -> None:
    body = {"instances": [ROW, ROW | {"age": 20.5}, ROW]}

    answer = ok(predict(olga, model, body, query="?on_row_error=skip"))

    assert answer["predictions"][1] is None
    assert answer["probabilities"][1] is None
    assert answer["predictions"][0] == answer["predictions"][2] in ("no", "yes")
    assert [(e["row"], e["column"]) for e in answer["errors"]] == [(1, "age")]
    assert answer["error_count"] == 1
    in_csv = predict(olga, model, body, accept=CSV, query="?on_row_error=skip")
    assert table_in(in_csv)["prediction"].to_pylist()[1] in (None, "")
    assert in_csv.headers["X-Modelyard-Row-Errors"] == "1"
    problem(predict(olga, model, body, query="?on_row_error=fail"), 422, "invalid-rows")
    problem(predict(olga, model, body, query="?on_row_error=no"), 400, "malformed-parameter")


def test_skip_answers_even_if_all_rows_are_bad(olga: httpx.Client, model: str) -> None:
    body = {"instances": [ROW | {"age": "x"}] * 2}

    answer = ok(predict(olga, model, body, query="?on_row_error=skip"))

    assert (answer["predictions"], answer["probabilities"]) == ([None, None], [None, None])
    assert answer["error_count"] == 2


def test_no_rows_get_empty_lists(olga: httpx.Client, model: str) -> None:
    answer = ok(predict(olga, model, {"instances": []}))

    assert (answer["predictions"], answer["probabilities"]) == ([], [])
    table = table_in(predict(olga, model, {"instances": []}, accept=ARROW))
    assert table.num_rows == 0
    assert table.column_names == ["prediction", "probability_no", "probability_yes"]
    assert ok(predict(olga, model, b"age,income,city\n", CSV))["predictions"] == []


def test_outputs_are_those_that_are_asked_for(olga: httpx.Client, model: str) -> None:
    only = ok(predict(olga, model, {"instances": ROWS, "outputs": ["prediction"]}))
    decision = ok(predict(olga, model, {"instances": ROWS, "outputs": ["decision"]}))
    by_query = predict(olga, model, as_csv(), CSV, CSV, "?outputs=decision")

    assert "probabilities" not in only
    assert "predictions" not in decision
    expected = churn().decision_function(CUSTOMERS)
    np.testing.assert_allclose(decision["decision"], expected, rtol=1e-9, atol=1e-12)
    assert table_in(by_query).column_names == ["decision"]
    refused = predict(olga, model, {"instances": ROWS, "outputs": ["prediction", "transform"]})
    refused_field(refused, "/outputs/1")
    refused_field(predict(olga, model, {"instances": ROWS, "outputs": []}), "/outputs")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ({}, ""),
        ({"instances": {}}, "/instances"),
        ({"instances": [], "columns": {}}, "/columns"),
        ({"columns": []}, "/columns"),
        ({"columns": {"age": 5}}, "/columns/age"),
        ({"instance": []}, "/instance"),
        ({"instances": [], "outputs": "prediction"}, "/outputs"),
        ({"instances": [], "params": []}, "/params"),
        ({"instances": [], "params": {"depth": 3}}, "/params/depth"),
    ],
)
def test_a_wrong_shape_of_the_whole_is_pointed_at(
    olga: httpx.Client, model: str, body: Any, pointer: str
) -> None:
    refused_field(predict(olga, model, body), pointer)


def test_a_row_of_another_length_or_kind_is_named(olga: httpx.Client, model: str) -> None:
    body = {"instances": [[42, 2.5, "Rome"], [42, 2.5], 5, None]}

    errors = problem(predict(olga, model, body), 422, "invalid-rows")["errors"]

    assert [(e["row"], e["column"], e["code"]) for e in errors] == [
        (1, None, "wrong-length"), (2, None, "not-an-object"), (3, None, "not-an-object"),
    ]  # fmt: skip


def test_csv_tells_null_from_the_empty_string_and_names_lines(
    olga: httpx.Client, model: str
) -> None:
    fine = b'city,income,age\n"",NA,42\n,2.5,42\n'
    broken = b'age,income,city\n42,2.5,"Rome\nor so"\n4 2,2.5,Oslo\n42,much,Bern\n'

    ok(predict(olga, model, fine, CSV))
    errors = problem(predict(olga, model, broken, CSV), 422, "invalid-rows")["errors"]

    assert [(e["row"], e["line"], e["column"]) for e in errors] == [
        (1, 4, "age"), (2, 5, "income"),
    ]  # fmt: skip


def test_labels_keep_their_type_and_clusters_and_transforms_answer(olga: httpx.Client) -> None:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    x = np.random.default_rng(1).normal(size=(20, 3))
    flags = LogisticRegression().fit(x, x[:, 0] > 0)
    taken = {
        "score-bool": upload(olga, "score-bool", as_skops(flags)),
        "score-pca": upload(olga, "score-pca", as_skops(PCA(2).fit(x))),
        "score-number": upload(olga, "score-number", as_skops(plain())),
    }
    for accepted in taken.values():
        assert checked(olga, accepted)["status"] == "ready"

    flag = ok(predict(olga, "score-bool", {"instances": [[1, 0, 0]]}))
    assert flag["predictions"] == [True]
    assert list(flag["probabilities"][0]) == ["false", "true"]
    components = ok(predict(olga, "score-pca", {"instances": [[1, 0, 0]]}))
    assert list(components["predictions"][0]) == ["pca0", "pca1"]
    number = ok(predict(olga, "score-number", {"instances": [[1, 0, 0]]}))
    assert number["predictions"] == plain().predict([[1, 0, 0]]).tolist()
    assert "probabilities" not in number
