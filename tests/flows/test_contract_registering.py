"""Stories: registering a model, what becomes of it, and what every rejection says."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.flows.conftest import People
from tests.flows.stories import (
    CUSTOMERS,
    as_csv,
    as_joblib,
    as_onnx,
    as_skops,
    checked,
    checks_of,
    churn,
    example,
    failed_check,
    ok,
    plain,
    problem,
    refused_field,
    registered,
    settled,
    upload,
)


def expected_answers() -> dict[str, Any]:
    """What the trainer's own process says of the example, as /predict would."""
    probabilities = churn().predict_proba(CUSTOMERS)
    return {
        "predictions": churn().predict(CUSTOMERS).tolist(),
        "probabilities": [dict(zip(("no", "yes"), row, strict=True)) for row in probabilities],
    }


def test_a_skops_file_is_taken_at_once_and_becomes_ready(olga: httpx.Client) -> None:
    body = as_skops(churn())

    taken = upload(olga, "reg-skops", body, metrics={"auc": 0.9}, source="a notebook", **example())

    first = ok(taken, 202)
    assert taken.headers["Location"] == first["url"]
    assert (first["number"], first["status"], first["format"]) == (1, "pending", "skops")
    assert (first["sha256"], first["size_bytes"]) == (hashlib.sha256(body).hexdigest(), len(body))
    version = settled(olga, taken.headers["Location"])
    assert version["status"] == "ready"
    assert {name: c["verdict"] for name, c in checks_of(version).items()} == {
        "scan": "passed",
        "load": "passed",
        "signature": "passed",
        "golden": "passed",
        "compile": "passed",
    }
    assert [(c["name"], c["type"], c["nullable"]) for c in version["signature"]["inputs"]] == [
        ("age", "int64", False),
        ("income", "float64", True),
        ("city", "string", True),
    ]
    assert version["signature"]["outputs"][0]["enum"] == ["no", "yes"]
    assert (version["runtime"], version["pinned_to"]) == ("onnx", None)
    assert version["metrics"] == {"auc": 0.9}
    assert (version["source"], version["created_by"]) == ("a notebook", "olga")
    # The first version that becomes ready is the champion: the endpoint answers at once.
    assert version["aliases"] == ["champion"]
    answer = ok(olga.post("/models/reg-skops/predict", json={"instances": [[42, 2.5, "Rome"]]}))
    assert (answer["model"], answer["version"]) == ("reg-skops", 1)
    artifact = olga.get(version["links"]["artifact"])
    assert artifact.content == body
    assert "attachment" in artifact.headers["Content-Disposition"]


def test_later_versions_never_move_an_alias_by_themselves(olga: httpx.Client) -> None:
    registered(olga, "reg-later")

    second = registered(olga, "reg-later")

    assert (second["number"], second["aliases"]) == (2, [])
    assert ok(olga.get("/models/reg-later"))["aliases"] == {"champion": 1}


def test_an_onnx_file_becomes_ready_and_answers(olga: httpx.Client) -> None:
    version = checked(olga, upload(olga, "reg-onnx", as_onnx(), "model.onnx"))

    assert (version["status"], version["format"], version["runtime"]) == ("ready", "onnx", "onnx")
    assert [c["name"] for c in version["signature"]["inputs"]] == ["x0", "x1", "x2"]
    answer = ok(olga.post("/models/reg-onnx/predict", json={"instances": [[1.5, 0.5, -0.25]]}))
    assert answer["predictions"] == [1]
    assert list(answer["probabilities"][0]) == ["0", "1"]


def test_without_an_example_a_model_of_numbers_takes_floats_and_has_no_golden_rows(
    olga: httpx.Client,
) -> None:
    version = checked(olga, upload(olga, "reg-numbers", as_skops(plain())))

    assert version["status"] == "ready"
    assert version["signature"]["inputs"] == [
        {"name": name, "type": "float64", "nullable": False} for name in ("x0", "x1", "x2")
    ]
    assert checks_of(version)["golden"]["verdict"] == "skipped"


def test_the_trainers_own_answers_are_compared_with_ours(olga: httpx.Client) -> None:
    agreeing = checked(
        olga,
        upload(olga, "reg-agree", as_skops(churn()), expected=expected_answers(), **example()),
    )

    assert agreeing["status"] == "ready"
    assert checks_of(agreeing)["golden"]["evidence"]["compared_with_trainer"] is True


@pytest.mark.parametrize(
    ("member", "value", "where"),
    [
        ("predictions", "maybe", "predictions"),
        ("probabilities", {"no": 0.5, "yes": 0.5}, "probabilities.no"),
    ],
)
def test_a_trainer_who_answers_differently_names_the_row(
    olga: httpx.Client, member: str, value: Any, where: str
) -> None:
    expected = expected_answers()
    expected[member][4] = value

    version = checked(
        olga, upload(olga, "reg-differ", as_skops(churn()), expected=expected, **example())
    )

    golden = failed_check(version)
    assert (golden["name"], golden["evidence"]["reason"]) == ("golden", "differs-from-trainer")
    assert golden["evidence"]["differences"][0]["row"] == 4
    assert golden["evidence"]["differences"][0]["where"] == where
    assert "row 4" in golden["summary"]


def test_differences_within_a_millionth_are_none(olga: httpx.Client) -> None:
    expected = expected_answers()
    for row in expected["probabilities"]:
        row["no"] *= 1 + 5e-7

    version = checked(
        olga, upload(olga, "reg-close", as_skops(churn()), expected=expected, **example())
    )

    assert version["status"] == "ready"


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_an_example_may_be_json_or_parquet(olga: httpx.Client, suffix: str, tmp_path: Any) -> None:
    frame = CUSTOMERS.assign(age=CUSTOMERS["age"].astype("int32"))
    path = tmp_path / f"example.{suffix}"
    if suffix == "json":
        frame.to_json(path, orient="records")
    else:
        frame.to_parquet(path, index=False)

    version = registered(olga, f"reg-{suffix}", example=(path.name, path.read_bytes()))

    # Parquet keeps its types; whole JSON numbers are int64, with a note how to widen.
    age = version["signature"]["inputs"][0]
    assert age["type"] == ("int64" if suffix == "json" else "int32")
    notes = checks_of(version)["signature"]["evidence"]["notes"]
    assert any("`age`" in note for note in notes) == (suffix == "json")


def test_extra_columns_of_an_example_are_dropped_with_a_warning_that_names_them(
    olga: httpx.Client,
) -> None:
    frame = CUSTOMERS.assign(shoe_size=40)

    version = registered(olga, "reg-extra", **example(as_csv(frame)))

    signature = checks_of(version)["signature"]
    assert signature["verdict"] == "warned"
    assert any("shoe_size" in note for note in signature["evidence"]["notes"])
    assert [c["name"] for c in version["signature"]["inputs"]] == list(CUSTOMERS)


def test_a_declared_signature_stands_and_a_wrong_one_is_corrected_by_a_new_version(
    olga: httpx.Client,
) -> None:
    column = {"type": "float64", "nullable": True}
    inputs = [{"name": "age", **column}, {"name": "income", **column}]
    wrong = checked(
        olga, upload(olga, "reg-correct", as_skops(churn()), signature={"inputs": inputs})
    )
    assert failed_check(wrong)["name"] == "signature"
    assert "city" in failed_check(wrong)["summary"]

    right = {"inputs": [*inputs, {"name": "city", "type": "string", "enum": ["Rome", "Oslo"]}]}
    body = {"from_version": 1, "signature": right}
    version = checked(olga, olga.post("/models/reg-correct/versions", json=body))

    assert (version["number"], version["status"], version["from_version"]) == (2, "ready", 1)
    assert version["sha256"] == wrong["sha256"]
    assert version["signature"]["inputs"][2]["enum"] == ["Rome", "Oslo"]
    refused = olga.post("/models/reg-correct/predict", json={"instances": [[1, 2, "Bern"]]})
    assert problem(refused, 422, "invalid-rows")["errors"][0]["code"] == "not-in-enum"


def test_a_corrected_version_is_refused_without_its_signature_or_its_original(
    olga: httpx.Client, model: str
) -> None:
    versions = f"/models/{model}/versions"

    refused_field(olga.post(versions, json={"from_version": 1}), "/signature")
    missing = {"from_version": 99, "signature": {"inputs": [{"name": "a", "type": "int64"}]}}
    problem(olga.post(versions, json=missing), 404, "version-not-found")
    bad = {"from_version": 1, "signature": {"inputs": [{"name": "a", "type": "int"}]}}
    refused_field(olga.post(versions, json=bad), "/signature/inputs/0/type")


@pytest.mark.parametrize(
    ("part", "text", "pointer"),
    [
        ("signature", "{nope", "/signature"),
        ("signature", '{"inputs": [{"name": "a", "type": "int65"}]}', "/signature/inputs/0/type"),
        ("metrics", "[1", "/metrics"),
        ("metrics", '{"auc": "high"}', "/metrics/auc"),
        ("tags", '{"a": 1}', "/tags/a"),
        ("format", "excel", "/format"),
        ("artefact", "x", "/artefact"),
    ],
)
def test_parts_that_do_not_parse_are_refused_at_once(
    olga: httpx.Client, part: str, text: str, pointer: str
) -> None:
    refused_field(upload(olga, "reg-none", as_skops(plain()), **{part: text}), pointer)

    problem(olga.get("/models/reg-none"), 404, "model-not-found")


REJECTED: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "clustering without predict": (
        lambda: DBSCAN().fit([[1.0], [2.0]]), {}, "load", "no-scoring-method",
    ),
    "a dict": (lambda: {"a": 1}, {}, "load", "no-scoring-method"),
    "strings and no example": (churn, {}, "signature", "example-needed"),
    "an example without a column": (
        churn, example(b"age,city\n1,Rome\n"), "signature", "example-does-not-fit",
    ),
    "an example without rows": (
        churn, example(b"age,income,city\n"), "signature", "example-needed",
    ),
    "expected that is no JSON": (
        churn, {**example(), "expected": "{nope"}, "golden", "expected-unreadable",
    ),
}  # fmt: skip


def test_what_needs_the_file_opened_ends_as_rejected_with_its_reason(olga: httpx.Client) -> None:
    taken = {
        what: upload(olga, "reg-rejected", as_skops(make()), **parts)
        for what, (make, parts, _, _) in REJECTED.items()
    }

    for what, (_, _, check, reason) in REJECTED.items():
        failed = failed_check(checked(olga, taken[what]))
        assert failed["name"] == check, what
        assert failed["evidence"]["reason"] == reason, (what, failed)
        assert len(failed["summary"]) > 20, what
    refused = olga.post("/models/reg-rejected/versions/1/predict", json={"instances": []})
    problem(refused, 409, "version-not-servable")


def test_a_model_that_raises_on_an_example_row_names_the_row(olga: httpx.Client) -> None:
    known = make_pipeline(OneHotEncoder(), LogisticRegression())
    known.fit(CUSTOMERS[["city"]], [0, 0, 0, 1, 1, 1])
    signature = {"inputs": [{"name": "city", "type": "string"}]}
    body = b"city\nRome\nOslo\nRome\nOslo\nLima\nBern\n"

    version = checked(
        olga,
        upload(olga, "reg-raises", as_skops(known), signature=signature, **example(body)),
    )

    golden = failed_check(version)
    assert (golden["name"], golden["evidence"]["reason"]) == ("golden", "model-failed")
    assert golden["evidence"]["errors"] == [{"row": 4, "column": None, "code": "model-failed"}]
    assert golden["evidence"]["exception"] == "ValueError"
    assert "row 4" in golden["summary"]


def test_a_ragged_example_names_the_line(olga: httpx.Client) -> None:
    body = b'age,income,city\n1,2,"Rome\nor so"\n1,2\n3,4,Oslo\n'

    failed = failed_check(
        checked(olga, upload(olga, "reg-ragged", as_skops(churn()), **example(body)))
    )

    assert failed["evidence"]["reason"] == "ragged-rows"
    assert failed["evidence"]["errors"] == [
        {"row": 1, "column": None, "code": "ragged-row", "expected": "3 fields",
         "received": "2 fields", "line": 4},
    ]  # fmt: skip


def test_a_model_waits_for_its_first_version_and_its_name_is_never_given_again(
    olga: httpx.Client, people: People
) -> None:
    body = {"name": "reg-Made", "description": "*first*", "tags": {"team": "risk"}}

    made = olga.post("/models", json=body)

    assert ok(made, 201)["owner"] == "olga"
    assert made.headers["Location"] == made.json()["url"]
    assert made.json()["latest_version"] is None
    waiting = olga.post("/models/reg-made/predict", json={"instances": []})
    problem(waiting, 409, "version-not-ready")
    problem(people.anna.post("/models", json={"name": "REG-MADE"}), 409, "name-taken")
    changed = olga.patch("/models/reg-made", json={"description": "second", "tags": {}})
    assert (ok(changed)["description"], ok(changed)["tags"]) == ("second", {})
    refused_field(olga.patch("/models/reg-made", json={"name": "other"}), "/name")


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "x" * 64, "naïve", 5, None])
def test_a_name_that_is_none_is_refused(olga: httpx.Client, name: Any) -> None:
    refused_field(olga.post("/models", json={"name": name}), "/name")


def test_without_create_a_version_needs_its_model(olga: httpx.Client) -> None:
    missing = upload(olga, "reg-nowhere", as_skops(plain()), query="")

    problem(missing, 404, "model-not-found")


def test_what_may_change_on_a_version_and_how_it_is_archived(olga: httpx.Client) -> None:
    registered(olga, "reg-archive")
    second = registered(olga, "reg-archive")["url"]

    patched = ok(olga.patch(second, json={"description": "d", "metrics": {"auc": 1}, "tags": {}}))
    assert (patched["description"], patched["metrics"]) == ("d", {"auc": 1})
    refused_field(olga.patch(second, json={"status": "ready"}), "/status")
    first = olga.post("/models/reg-archive/versions/1/archive")
    assert "champion" in problem(first, 409, "state-conflict")["detail"]
    assert ok(olga.post(f"{second}/archive"))["status"] == "archived"
    problem(olga.post(f"{second}/archive"), 409, "state-conflict")
    problem(olga.post(f"{second}/predict", json={"instances": []}), 409, "version-not-servable")
    aliased = olga.put("/models/reg-archive/aliases/old", json={"version": 2})
    problem(aliased, 409, "version-not-servable")


def test_a_joblib_file_of_an_ordinary_model_is_ready_without_asking_anybody(
    olga: httpx.Client, people: People
) -> None:
    body = as_joblib(churn())
    version = checked(olga, upload(olga, "reg-joblib", body, "model.joblib", **example()))

    assert (version["status"], version["format"]) == ("ready", "joblib"), checks_of(version)
    assert version["aliases"] == ["champion"]
    scan = checks_of(version)["scan"]
    assert scan["verdict"] == "passed"
    assert scan["evidence"]["gate_version"] == version["gate_version"]
    assert scan["evidence"]["estimator"] == "sklearn.pipeline.Pipeline"
    assert all(count > 0 for count in scan["evidence"]["globals"].values())
    assert ok(people.anna.get("/approvals?model=reg-joblib"))["count"] == 0
    assert ok(olga.post("/models/reg-joblib/predict", json={"instances": []}))["version"] == 1


def test_a_pickle_that_calls_something_is_rejected_and_nobody_can_approve_it(
    olga: httpx.Client, people: People
) -> None:
    # Two texts, STACK_GLOBAL, a text, a tuple of it, REDUCE: assembled, never loaded here.
    body = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
    version = checked(olga, upload(olga, "reg-hostile", body, "model.pkl"))

    failed = failed_check(version)
    assert failed["name"] == "scan"
    assert "posix.system" in failed["summary"]
    assert failed["evidence"]["global"] == "posix.system"
    assert ok(people.anna.get("/approvals?model=reg-hostile"))["count"] == 0


def test_a_differing_float32_input_is_held_to_its_type(olga: httpx.Client) -> None:
    body = as_csv(pd.DataFrame(np.eye(3), columns=["x0", "x1", "x2"]))
    name = "reg-onnx-example"
    version = checked(olga, upload(olga, name, as_onnx(), "model.onnx", **example(body)))
    assert version["status"] == "ready"
    assert checks_of(version)["golden"]["verdict"] == "passed"

    refused = olga.post(f"/models/{name}/predict", json={"instances": [[0.1, 16777217, 1e300]]})

    errors = problem(refused, 422, "invalid-rows")["errors"]
    assert [(e["column"], e["code"]) for e in errors] == [
        ("x1", "loses-precision"), ("x2", "out-of-range"),
    ]  # fmt: skip
