"""Pushing estimators and files: what is saved, what goes along, what is waited for."""

from __future__ import annotations

import io
import json
import warnings

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from modelyard import ModelyardWarning, UsageError, VersionRejected, WaitTimedOut
from modelyard.errors import CannotSave
from sklearn.cluster import DBSCAN
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.client.stand_in import BREAK_AFTER, problem

FRAME = pd.DataFrame(
    {
        "age": pd.array([20, 30, None, 50], dtype="Int64"),
        "city": pd.Categorical(["Rome", "Oslo", "Rome", "Oslo"]),
    }
)
CHECKS = [{"name": "scan", "verdict": "passed", "summary": "Nothing found.", "evidence": {}}]


class Slotted:
    """A class that neither skops nor joblib can write."""

    def __reduce__(self):
        raise TypeError("it refuses to be written")


@pytest.fixture(scope="module")
def pipeline():
    """A classifier on a number and a category."""
    frame = pd.DataFrame({"age": [20.0, 30, 40, 50], "city": ["Rome", "Oslo", "Rome", "Oslo"]})
    columns = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    made = make_pipeline(columns, DecisionTreeClassifier(random_state=0))
    return made.fit(frame, ["no", "yes", "no", "yes"]), frame


def form(service):
    return service.of("POST", "/versions")[0].named_parts()


def expected(service):
    return json.loads(form(service)["expected"][1])


def test_an_estimator_goes_as_skops_with_example_and_own_answers(client, service, pipeline):
    model, frame = pipeline
    client.push(model, "churn", example=frame, wait=False)
    request = service.of("POST", "/versions")[0]
    assert request.path == "/api/v1/models/churn/versions"
    assert request.query == {"create": "true"}
    parts = form(service)
    assert list(parts) == ["format", "artifact", "example", "expected"]
    assert parts["format"][1] == b"skops"
    filename, content = parts["artifact"]
    assert filename == "churn.skops"
    trusted = skops.io.get_untrusted_types(data=content)
    assert skops.io.loads(content, trusted=trusted).predict(frame).tolist() == ["no", "yes"] * 2
    assert pq.read_table(io.BytesIO(parts["example"][1])).to_pydict() == frame.to_dict("list")
    assert expected(service) == {
        "predictions": ["no", "yes", "no", "yes"],
        "probabilities": [{"no": 1.0, "yes": 0.0}, {"no": 0.0, "yes": 1.0}] * 2,
    }


def test_an_example_keeps_its_types(client, service):
    model = LinearRegression().fit([[1.0]], [1.0])
    client.push(model, "m", example=FRAME, expected={"predictions": [1] * 4}, wait=False)
    schema = pq.read_schema(io.BytesIO(form(service)["example"][1]))
    assert str(schema.field("age").type) == "int64"
    assert pa.types.is_dictionary(schema.field("city").type)
    assert expected(service) == {"predictions": [1, 1, 1, 1]}


def test_what_skops_cannot_save_goes_as_joblib_with_the_reason(client, service, monkeypatch):
    def refuse(*args, **kwargs):
        raise TypeError("Objects of type Generator are not supported yet.\nmore")

    monkeypatch.setattr("skops.io.dump", refuse)
    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    with pytest.warns(ModelyardWarning, match="Generator are not supported yet.*reviewer"):
        client.push(model, "price", wait=False)
    filename, content = form(service)["artifact"]
    assert filename == "price.joblib"
    assert form(service)["format"][1] == b"joblib"
    assert joblib.load(io.BytesIO(content)).predict([[3.0]])[0] == pytest.approx(3.0)


def test_skops_that_writes_what_it_cannot_read_is_not_trusted(client, service, monkeypatch):
    def refuse(*args, **kwargs):
        raise ValueError("cannot be read")

    monkeypatch.setattr("skops.io.load", refuse)
    with pytest.warns(ModelyardWarning, match="cannot be read"):
        client.push(LinearRegression().fit([[1.0]], [1.0]), "price", wait=False)
    assert form(service)["artifact"][0] == "price.joblib"


def test_without_skops_the_warning_names_the_package(client, service, monkeypatch):
    monkeypatch.setattr("modelyard.artifacts.have", lambda name: False)
    with pytest.warns(ModelyardWarning, match="skops is not installed"):
        client.push(LinearRegression().fit([[1.0]], [1.0]), "price", wait=False)


def test_a_format_that_was_asked_for_is_kept_to(client, service):
    model = LinearRegression().fit([[1.0]], [1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.push(model, "price", format="joblib", wait=False)
    assert form(service)["artifact"][0] == "price.joblib"


@pytest.mark.parametrize(
    ("model", "format", "message"),
    [
        (FunctionTransformer(lambda x: x), None, "joblib cannot save it"),
        (FunctionTransformer(Slotted()), None, "refuses to be written"),
        (FunctionTransformer(Slotted()), "skops", "skops cannot save it"),
        (LinearRegression(), "onnx", "not written as 'onnx' here"),
        (7, None, "neither an estimator nor a path"),
    ],
)
def test_what_cannot_be_saved_is_refused_with_the_remedy(client, service, model, format, message):
    with pytest.raises(UsageError, match=message):
        client.push(model, "m", format=format, wait=False)
    assert service.received == []


def test_cannot_save_is_a_usage_error():
    assert issubclass(CannotSave, UsageError)


def test_own_classes_are_warned_of(client, service):
    model = make_pipeline(OwnScaler(), LinearRegression()).fit([[1.0], [2.0]], [1.0, 2.0])
    with pytest.warns(ModelyardWarning, match=r"OwnScaler, which the service.*ONNX"):
        client.push(model, "m", wait=False)


class OwnScaler(StandardScaler):
    """A class of the user's own."""


def test_an_onnx_object_goes_as_onnx(client, service):
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([node], "g", [value], [output]))
    client.push(model, "m", wait=False)
    assert form(service)["artifact"] == ("m.onnx", model.SerializeToString())
    assert form(service)["format"][1] == b"onnx"


def test_a_file_goes_as_it_is(client, service, tmp_path):
    model, rows = tmp_path / "über.onnx", tmp_path / "rows.csv"
    model.write_bytes(b"model bytes\r\n--\x00")
    rows.write_bytes(b"age\n42\n")
    client.push(str(model), "churn", example=str(rows), wait=False)
    parts = form(service)
    assert list(parts) == ["artifact", "example"]
    assert parts["artifact"][1] == b"model bytes\r\n--\x00"
    assert parts["example"] == ("rows.csv", b"age\n42\n")


@pytest.mark.parametrize("missing", ["model", "example"])
def test_a_file_that_is_not_there_is_named(client, service, tmp_path, missing):
    there = tmp_path / "there.csv"
    there.write_bytes(b"a\n1\n")
    gone = tmp_path / "gone.csv"
    model, example = (gone, there) if missing == "model" else (there, gone)
    with pytest.raises(UsageError, match=r"gone\.csv"):
        client.push(model, "m", example=example, wait=False)
    assert service.received == []


def test_an_estimator_that_refuses_its_example_is_found_before_the_upload(client, service):
    model = LinearRegression().fit([[1.0, 2.0]], [1.0])
    with pytest.raises(UsageError, match="cannot answer its own example"):
        client.push(model, "m", example=[[1.0]], wait=False)
    assert service.received == []


def test_a_model_that_cannot_score_is_left_to_the_service(client, service):
    model = DBSCAN().fit([[1.0], [2.0]])
    client.push(model, "m", example=np.array([[1.0]]), wait=False)
    assert list(form(service)) == ["format", "artifact", "example"]


def test_description_tags_metrics_and_source_go_along(client, service, tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"x")
    version = client.push(
        model,
        "churn",
        description="More rows",
        tags={"team": "growth"},
        metrics={"auc": np.float64(0.5)},
        source="git:abc",
        training_dataset="customers@3",
        wait=False,
    )
    parts = {name: content.decode() for name, (_, content) in form(service).items()}
    assert json.loads(parts["tags"]) == {"team": "growth"}
    assert json.loads(parts["metrics"]) == {"auc": 0.5}
    assert (parts["description"], parts["source"]) == ("More rows", "git:abc")
    assert parts["training_dataset"] == "customers@3"
    assert version.description == "More rows"
    assert version.tags == {"team": "growth"}


def test_tags_must_be_texts(client, service, tmp_path):
    with pytest.raises(UsageError, match="'team'"):
        client.push(tmp_path, "m", tags={"team": 7})


def test_a_broken_upload_makes_one_version(client, service, pipeline):
    service.script = [BREAK_AFTER]
    client.push(pipeline[0], "churn", wait=False)
    first, second = service.of("POST", "/versions")
    assert first.body == second.body
    assert len(service.versions["churn"]) == 1


def test_the_end_of_the_checks_is_waited_for(client, service, tmp_path, clock):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"x")
    service.check_states = [
        {"status": "pending"},
        {"status": "checking"},
        {"status": "ready", "checks": CHECKS},
    ]
    version = client.push(model, "churn")
    assert version.is_ready
    assert str(version) == "churn version 1: ready\n  scan: passed - Nothing found."
    assert clock.slept == [0.25, 0.375]


def test_a_rejected_version_comes_back_with_its_reasons(client, service, tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"x")
    errors = [{"row": 7, "column": "age", "code": "not-a-number", "received": "old"}]
    failed = {"name": "signature", "verdict": "failed", "summary": "The example does not fit."}
    failed["evidence"] = {"errors": errors}
    service.check_states = [{"status": "rejected", "checks": [*CHECKS, failed]}]
    version = client.push(model, "churn")
    assert version.status == "rejected"
    with pytest.raises(VersionRejected) as caught:
        version.raise_if_rejected()
    assert "The example does not fit." in str(caught.value)
    assert "row 7, column 'age': not-a-number, received old" in str(caught.value)
    assert "Nothing found" not in str(caught.value)


def test_checks_that_take_too_long_are_not_waited_for_for_ever(client, service, tmp_path, clock):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"x")
    with pytest.raises(WaitTimedOut, match=r"churn version 1 was not finished after 20 s"):
        client.push(model, "churn", timeout_s=20)
    assert clock.now() == 20


def test_an_upload_that_is_refused_says_why(client, service, tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"x")
    service.script = [problem(422, "unreadable-artifact", detail="No format begins with 'x'.")]
    with pytest.raises(Exception, match="No format begins with 'x'"):
        client.push(model, "churn")


TWO = np.array([[0, 1], [1, 0], [0, 1], [1, 0]])
X = np.array([[0.0], [1.0], [0.0], [1.0]])


@pytest.mark.parametrize(
    ("model", "example", "answers"),
    [
        (
            LogisticRegression(C=1e9).fit(X, [False, True, False, True]),
            X[:1],
            {"predictions": [False], "keys": ["false", "true"]},
        ),
        (
            DecisionTreeClassifier().fit(X, TWO),
            X[:1],
            {
                "predictions": [{"y0": 0, "y1": 1}],
                "probabilities": [{"y0": {"0": 1.0, "1": 0.0}, "y1": {"0": 0.0, "1": 1.0}}],
            },
        ),
        (
            MultiOutputClassifier(DecisionTreeClassifier()).fit(X, TWO),
            X[:1],
            {
                "predictions": [{"y0": 0, "y1": 1}],
                "probabilities": [{"y0": {"0": 1.0, "1": 0.0}, "y1": {"0": 0.0, "1": 1.0}}],
            },
        ),
        (
            LinearRegression().fit(X, X),
            X[:2],
            {"predictions": [pytest.approx(0.0), pytest.approx(1.0)]},
        ),
        (
            CountVectorizer().fit(["a cat", "the dog"]),
            ["the cat"],
            {"predictions": [{"cat": 1, "dog": 0, "the": 1}]},
        ),
        (
            StandardScaler().fit(X).set_output(transform="pandas"),
            pd.DataFrame({"x0": [0.5]}),
            {"predictions": [0.0]},
        ),
        (
            StandardScaler().fit(np.hstack([X, X])).set_output(transform="pandas"),
            pd.DataFrame({"x0": [0.5], "x1": [1.5]}),
            {"predictions": [{"x0": 0.0, "x1": 2.0}]},
        ),
        (
            MultiOutputClassifier(DecisionTreeClassifier()).fit(X, TWO[:, :1]),
            X[:1],
            {"predictions": [0], "probabilities": [{"0": 1.0, "1": 0.0}]},
        ),
        (FunctionTransformer().fit(np.hstack([X, X])), np.hstack([X, X]), None),
    ],
)
def test_own_answers_have_the_shape_of_the_service(client, service, model, example, answers):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        warnings.filterwarnings("ignore", message="X has feature names")
        client.push(model, "m", example=example, wait=False)
    if answers is None:
        assert "expected" not in form(service)
        return
    sent = expected(service)
    if keys := answers.pop("keys", None):
        assert list(sent.pop("probabilities")[0]) == keys
    assert sent == answers


def test_a_multi_label_matrix_holds_the_probability_of_label_1(client, service):
    model = MLPClassifier((2,), max_iter=300, tol=1e9, random_state=0).fit(X, TWO)
    client.push(model, "m", example=X[:1], wait=False)
    (row,) = expected(service)["probabilities"]
    assert row == {
        "y0": {"1": pytest.approx(model.predict_proba(X[:1])[0, 0])},
        "y1": {"1": pytest.approx(model.predict_proba(X[:1])[0, 1])},
    }


@pytest.mark.parametrize(
    ("example", "rows"),
    [
        (np.array([[1.0, 2.0]]), [{"x0": 1.0, "x1": 2.0}]),
        (pd.DataFrame([[1.0, 2.0]]), [{"x0": 1.0, "x1": 2.0}]),
        ([[1.0, 2.0]], [{"x0": 1.0, "x1": 2.0}]),
        ([{"a": 1, "b": None}], [{"a": 1, "b": None}]),
        (["some text"], [{"x0": "some text"}]),
        (pd.Series(["some text"], name="text"), [{"text": "some text"}]),
        (pa.table({"a": [1]}), [{"a": 1}]),
    ],
)
def test_an_example_of_any_form_becomes_named_columns(client, service, example, rows):
    model = FunctionTransformer()
    client.push(model, "m", example=example, expected={"predictions": [0]}, wait=False)
    assert pq.read_table(io.BytesIO(form(service)["example"][1])).to_pylist() == rows


def test_without_pyarrow_the_example_goes_as_json(client, service, monkeypatch):
    monkeypatch.setattr("modelyard.examples.have", lambda name: False)
    client.push(
        LinearRegression(), "m", example=FRAME, expected={"predictions": [0] * 4}, wait=False
    )
    filename, content = form(service)["example"]
    assert filename == "example.json"
    assert json.loads(content)[2] == {"age": None, "city": "Rome"}


def test_a_text_pipeline_answers_each_row_of_a_frame_of_one_column():
    import pandas as pd
    from modelyard.answers import local_answers
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    frame = pd.DataFrame({"review": ["good", "bad", "good fun"]})
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    model.fit(frame["review"], ["yes", "no", "yes"])

    answers = local_answers(model, frame)

    assert answers["predictions"] == model.predict(frame["review"]).tolist()
    assert len(answers["probabilities"]) == 3
