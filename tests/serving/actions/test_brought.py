"""What an MLflow folder brings stands in for what nobody sent, and never against the model."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from registry.actions.second_looks import record_second_look
from registry.scan import Finding
from serving.actions.brought import Brought, brought_by, without_cells
from tests import people
from tests.serving.actions.conftest import FRAME, Bench, fitted, saved
from tests.things import a_model

pytestmark = pytest.mark.django_db

INPUTS = [{"name": name, "type": "double", "required": True} for name in FRAME.columns]


def folder(signature: Any = INPUTS, example: Any = None, kind: str = "skops") -> bytes:
    """A folder as MLflow leaves it, with the model as skops or pickle."""
    told = {
        "flavors": {"sklearn": {"pickled_model": f"m.{kind}", "serialization_format": kind}},
        "signature": {"inputs": json.dumps(signature)} if signature else None,
        "saved_input_example_info": {"artifact_path": "input_example.json"},
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("MLmodel", json.dumps(told))
        archive.writestr(f"m.{kind}", saved(fitted(), kind))
        if example is not None:
            archive.writestr("input_example.json", json.dumps(example))
    return file.getvalue()


@pytest.fixture
def owner() -> Any:
    return people.owner()


def rows(names: Any = FRAME.columns) -> dict[str, Any]:
    return {"columns": list(names), "data": FRAME.head(3).to_numpy().tolist()}


def evidence(version: Any, name: str) -> dict[str, Any]:
    return version.checks.get(name=name).evidence


def test_signature_and_example_of_the_folder_are_taken_over(bench: Bench, owner: Any) -> None:
    model = a_model(owner)
    version = bench.register(owner, model, folder(example=rows()), "mlflow", example=False)
    assert version.status == "ready", list(version.checks.values("name", "summary"))
    assert [column["type"] for column in version.signature["inputs"]] == ["float64"] * len(INPUTS)
    assert evidence(version, "signature")["example_rows"] == 3
    assert evidence(version, "golden")["rows"] == 3
    assert "taken_over" not in evidence(version, "scan")


def test_what_does_not_fit_the_model_is_left_out_with_a_note(bench: Bench, owner: Any) -> None:
    wrong = [{"name": "elsewhere", "type": "string", "required": True}]
    content = folder(signature=wrong, example=rows([f"z{i}" for i in range(len(INPUTS))]))
    version = bench.register(owner, a_model(owner), content, "mlflow", example=False)
    assert version.status == "ready"
    assert len([n for n in evidence(version, "signature")["notes"] if "not used" in n]) == 2
    assert evidence(version, "signature")["example_rows"] == 0


def test_what_was_sent_counts_more_than_what_the_folder_brings(bench: Bench, owner: Any) -> None:
    content = folder(example=rows())
    version = bench.register(owner, a_model(owner), content, "mlflow", example=True)
    assert version.status == "ready"
    assert evidence(version, "signature")["example_rows"] == len(FRAME)


def test_attempts_end_with_nothing_and_say_what_they_lack() -> None:
    told = {"signature": {"inputs": [{"name": "a", "type": "int64"}]}, "example": [{"a": 1}]}
    brought = brought_by(Finding("passed", "", "", {"taken_over": told}))
    tried = list(brought.attempts())
    assert [(t.signature is not None, t.example is not None, len(t.notes)) for t in tried] == [
        (True, True, 0),
        (True, False, 1),
        (False, True, 1),
        (False, False, 2),
    ]
    assert list(Brought().attempts()) == [Brought()]


def test_evidence_is_kept_without_the_cells_of_the_file() -> None:
    assert without_cells({"a": 1, "taken_over": {"example": [{"x": 1}]}}) == {"a": 1}


@pytest.mark.parametrize("told", [None, 3, {"signature": {"inputs": "x"}, "example": {}}])
def test_what_cannot_be_read_brings_nothing(told: Any) -> None:
    assert brought_by(Finding("passed", "", "", {"taken_over": told})) == Brought()


@pytest.mark.parametrize(
    ("kind", "policy", "status"),
    [
        ("skops", "approve", "ready"),
        ("skops", "refuse", "ready"),
        ("pickle", "gate", "ready"),
        ("pickle", "approve", "quarantined"),
        ("pickle", "refuse", "rejected"),
    ],
)
def test_the_policy_goes_by_the_file_in_the_folder(
    bench: Bench, owner: Any, kind: str, policy: str, status: str
) -> None:
    bench.policy(policy)
    version = bench.register(owner, a_model(owner), folder(kind=kind), "mlflow", example=False)
    assert version.status == status, list(version.checks.values("name", "summary"))


@pytest.mark.parametrize(("kind", "outcome"), [("skops", "ready"), ("pickle", "quarantined")])
def test_it_also_goes_by_that_file_when_a_later_gate_passes_it_again(
    bench: Bench, owner: Any, kind: str, outcome: str
) -> None:
    version = bench.register(owner, a_model(owner), folder(kind=kind), "mlflow", example=False)
    scanned = evidence(version, "scan")
    bench.policy("approve")
    for verdict in ("failed", "passed"):
        record_second_look(version, verdict=verdict, summary="looked", evidence=scanned)

    version.refresh_from_db()
    assert version.status == outcome
