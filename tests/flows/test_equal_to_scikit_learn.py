"""Every way of scoring answers what scikit-learn itself answers, on a table of pipelines."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import modelyard
import numpy as np
import pandas as pd
import pytest

from serving.demo.training import DEMO, fitted
from serving.runtimes.golden import ATOL, RTOL
from tests.flows.pipelines import CASES, Case

ARROW = "application/vnd.apache.arrow.stream"


@pytest.mark.parametrize("name", CASES)
def test_every_way_of_scoring_answers_what_scikit_learn_answers(
    name: str, client: modelyard.Client, http: httpx.Client
) -> None:
    case = CASES[name]()
    own = {"predictions": case.estimator.predict(case.x).tolist()} if case.naive_times else None
    pushed = client.push(case.estimator, name, example=case.frame, expected=own)
    assert pushed.status == "ready", [c.summary for c in pushed.checks if c.verdict == "failed"]

    assert_every_way_answers(case, name, client, http)


@pytest.mark.parametrize("name", DEMO)
def test_the_demo_answers_what_its_models_answer(
    name: str, client: modelyard.Client, http: httpx.Client
) -> None:
    assert_every_way_answers(Case(*fitted(name)), name, client, http)


def assert_every_way_answers(
    case: Case, name: str, client: modelyard.Client, http: httpx.Client
) -> None:
    expected = answers_of(case)
    ways: dict[str, Callable[[], pd.DataFrame]] = {
        "rows": lambda: by_rows(http, name, case.frame),
        "columns": lambda: by_columns(http, name, case.frame),
        "csv": lambda: by_csv(http, name, case.frame),
        "arrow": lambda: by_arrow(http, name, case.frame),
        "client": lambda: client.score(name, case.frame).to_pandas(),
        "batch": lambda: by_batch(client, name, case.frame),
    }
    for way, score in ways.items():
        assert_same(expected, score(), f"{name} by {way}")


def answers_of(case: Case) -> pd.DataFrame:
    """scikit-learn's own answers, in the columns of a table answer."""
    estimator, x = case.estimator, case.x
    if not hasattr(estimator, "predict"):
        made = estimator.transform(x)
        dense = made.toarray() if hasattr(made, "toarray") else made
        return pd.DataFrame(dense, columns=list(estimator.get_feature_names_out()))
    predicted = np.asarray(estimator.predict(x))
    if predicted.ndim == 2:
        columns = {f"y{i}": predicted[:, i] for i in range(predicted.shape[1])}
        return pd.DataFrame(columns)
    columns = {"prediction": predicted}
    if hasattr(estimator, "predict_proba"):
        for label, values in zip(estimator.classes_, estimator.predict_proba(x).T, strict=True):
            columns[f"probability_{as_json(label)}"] = values
    return pd.DataFrame(columns)


def as_json(label: Any) -> str:
    plain = label.item() if hasattr(label, "item") else label
    return plain if isinstance(plain, str) else json.dumps(plain)


def by_rows(http: httpx.Client, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    rows = json_rows(frame)
    return from_json(ok(http.post(f"/models/{name}/predict", json={"instances": rows})).json())


def by_columns(http: httpx.Client, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    rows = json_rows(frame)
    columns = {column: [row[column] for row in rows] for column in frame.columns}
    return from_json(ok(http.post(f"/models/{name}/predict", json={"columns": columns})).json())


def by_csv(http: httpx.Client, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    answer = ok(http.post(f"/models/{name}/predict", content=exact_csv(frame), headers=headers))
    return pd.read_csv(io.BytesIO(answer.content))


def by_arrow(http: httpx.Client, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    headers = {"Content-Type": ARROW, "Accept": ARROW}
    answer = ok(http.post(f"/models/{name}/predict", content=sink.getvalue(), headers=headers))
    return pa.ipc.open_stream(answer.content).read_all().to_pandas()


def by_batch(client: modelyard.Client, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    dataset = f"rows-of-{name.replace('_', '-')}"
    job = client.batch(name, frame, dataset_name=dataset, keep_columns=[], chunk_rows=25)
    job.wait(timeout_s=60).raise_if_failed()
    assert job.rows_rejected == 0
    return job.results()


def json_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{k: plain(v) for k, v in row.items()} for row in frame.to_dict("records")]


def plain(value: Any) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def exact_csv(frame: pd.DataFrame) -> bytes:
    """RFC 4180 with unquoted empty for null and every text quoted."""
    lines = [",".join(f'"{name}"' for name in frame.columns)]
    lines += [",".join(csv_cell(v) for v in row.values()) for row in json_rows(frame)]
    return "\r\n".join(lines).encode()


def csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return json.dumps(value)


def from_json(answer: dict[str, Any]) -> pd.DataFrame:
    """A JSON answer in the columns of a table answer."""
    predictions = answer["predictions"]
    if isinstance(predictions[0], dict):
        return pd.DataFrame(predictions)
    columns = {"prediction": predictions}
    for row in answer.get("probabilities", [])[:1]:
        for label in row:
            columns[f"probability_{label}"] = [p[label] for p in answer["probabilities"]]
    return pd.DataFrame(columns)


def assert_same(expected: pd.DataFrame, got: pd.DataFrame, what: str) -> None:
    """Labels equal, numbers as close as a compiled graph may be, however it was asked.

    Probabilities of single outputs are there in every way.
    """
    missing = [c for c in expected.columns if c not in got.columns]
    assert not missing, f"{what}: no {missing} in {list(got.columns)}"
    assert len(got) == len(expected), what
    for column in expected.columns:
        left, right = expected[column].to_numpy(), got[column].to_numpy()
        if left.dtype.kind == "f":
            np.testing.assert_allclose(
                right.astype(float), left, rtol=RTOL, atol=ATOL, err_msg=f"{what}: {column}"
            )
        else:
            assert left.tolist() == right.tolist(), f"{what}: {column}"


def ok(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 200, answer.text
    return answer
