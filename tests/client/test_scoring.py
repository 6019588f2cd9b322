"""Scoring calls and what their answers become."""

from __future__ import annotations

import pandas as pd
import pytest
from modelyard import RowError, UsageError

from tests.client.stand_in import Reply


def answering(service, **document):
    service.predict = lambda request: Reply(
        200, {"model": "churn", "version": 3, "request_id": "req-1", **document}
    )


@pytest.mark.parametrize(
    ("ref", "version", "path"),
    [
        ("churn", None, "/models/churn/predict"),
        ("churn@challenger", None, "/models/churn@challenger/predict"),
        ("churn/versions/3", None, "/models/churn/versions/3/predict"),
        ("churn", 3, "/models/churn/versions/3/predict"),
        ("churn/versions/3", 3, "/models/churn/versions/3/predict"),
    ],
)
def test_a_ref_leads_to_its_path(client, service, ref, version, path):
    client.score(ref, [[1]], version=version)
    assert service.received[0].path == "/api/v1" + path


@pytest.mark.parametrize(("ref", "version"), [("a/b", None), ("", None), ("churn/versions/3", 4)])
def test_what_is_no_ref_is_refused(client, service, ref, version):
    with pytest.raises(UsageError):
        client.score(ref, [[1]], version=version)
    assert service.received == []


def test_an_answer_keeps_the_types_of_its_predictions(client, service):
    answering(service, predictions=[1, True, "1", None], probabilities=[{"0": 0.25, "1": 0.75}] * 4)
    result = client.score("churn", [[1]] * 4)
    assert [type(p).__name__ for p in result.predictions] == ["int", "bool", "str", "NoneType"]
    assert result.probabilities[0] == {"0": 0.25, "1": 0.75}
    assert (result.model, result.version, result.request_id, len(result)) == (
        "churn",
        3,
        "req-1",
        4,
    )


def test_bad_rows_may_be_skipped(client, service):
    error = {"row": 1, "column": "age", "code": "missing"}
    answering(service, predictions=["yes", None], errors=[error], error_count=1)
    result = client.score("churn", [{"age": 1}, {}], on_row_error="skip")
    assert service.received[0].query == {"on_row_error": "skip"}
    assert result.predictions == ["yes", None]
    assert result.errors == (RowError(1, "age", "missing"),)


def test_answers_come_back_under_the_index_of_the_frame(client, service):
    answering(
        service,
        predictions=["yes", None],
        probabilities=[{"no": 0.2, "yes": 0.8}, None],
        errors=[{"row": 1, "code": "missing"}],
    )
    frame = pd.DataFrame({"age": [1, None]}, index=["ann", "bob"])
    table = client.score("churn", frame, on_row_error="skip").to_pandas()
    assert list(table.columns) == ["prediction", "probability_no", "probability_yes"]
    assert table.loc["ann", "probability_yes"] == 0.8
    assert table["prediction"].isna().tolist() == [False, True]
    assert frame.join(table).shape == (2, 4)


def test_several_outputs_are_columns_of_their_own(client, service):
    answering(
        service,
        predictions=[{"y0": 1, "y1": "a"}],
        probabilities=[{"y0": {"0": 0.5, "1": 0.5}, "y1": {"a": 1.0}}],
    )
    table = client.score("churn", [[1]]).to_pandas()
    assert list(table.columns) == [
        "y0",
        "y1",
        "probability_y0_0",
        "probability_y0_1",
        "probability_y1_a",
    ]


def test_decisions_and_transforms_are_read(client, service):
    answering(service, decision=[0.5, -1.5], transform=[{"a": 1.0}, {"a": 2.0}])
    result = client.score("churn", [[1], [2]], outputs=["decision", "transform"])
    assert service.received[0].json["outputs"] == ["decision", "transform"]
    assert result.predictions is None
    assert result.columns() == {"decision": [0.5, -1.5], "a": [1.0, 2.0]}


def test_no_rows_give_no_answers(client, service):
    answering(service, predictions=[], probabilities=[])
    result = client.score("churn", [])
    assert len(result) == 0
    assert result.to_pandas().empty
