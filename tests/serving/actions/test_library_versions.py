"""Models that another version of scikit-learn has saved: the answers decide, and words help."""

from __future__ import annotations

from typing import Any

import pytest
import sklearn
import sklearn.base
from sklearn.linear_model import LogisticRegression

from registry.errors import CheckRefused
from registry.models import ModelVersion
from registry.signature.facts import ModelFacts
from serving.actions.library_versions import TrainedWith, other_version
from tests import people, things
from tests.serving.actions.conftest import ANSWERS, FRAME, Bench, fitted, saved

pytestmark = pytest.mark.django_db

OURS = sklearn.__version__
PATCH = ".".join([*OURS.split(".")[:2], "99"])
RIGHT = {"predictions": fitted().predict(FRAME).tolist()}
WRONG = {"predictions": ["no"] * 39 + ["maybe"]}


@pytest.fixture
def upload(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers a model that says it was saved by a version of scikit-learn."""
    owner = people.owner()

    def register(model: Any, saved_by: str, format: str = "joblib", **values: Any) -> ModelVersion:
        with monkeypatch.context() as patched:
            patched.setattr(sklearn.base, "__version__", saved_by)
            body = saved(model, format)
        bench.policy("gate")
        return bench.register(owner, things.a_model(owner), body, format, **values)

    return register


def verdict(version: ModelVersion, name: str) -> tuple[str, dict[str, Any], str]:
    check = version.checks.get(name=name)
    return check.verdict, check.evidence, check.summary


@pytest.mark.parametrize("format", ["joblib", "pickle", "skops"])
@pytest.mark.parametrize("saved_by", ["1.8.0", "0.24.2", "1.99.0", "2.0.1"])
def test_another_minor_version_is_taken_with_a_warning_where_the_answers_agree(
    upload: Any, saved_by: str, format: str
) -> None:
    version = upload(fitted(), saved_by, format, expected=RIGHT)

    stands, evidence, summary = verdict(version, "load")
    assert (version.status, stands) == ("ready", "warned")
    assert saved_by in summary
    assert OURS in summary
    assert evidence["trained_with"] == {"scikit-learn": saved_by}
    assert verdict(version, "golden")[1] == {"rows": 40, "compared_with_trainer": True}


@pytest.mark.parametrize("example", [True, False])
def test_without_the_trainers_answers_it_is_rejected_with_the_ways_out(
    upload: Any, example: bool
) -> None:
    model = LogisticRegression().fit(FRAME.to_numpy(), ANSWERS) if not example else fitted()
    version = upload(model, "1.7.2", example=example)

    stands, evidence, summary = verdict(version, "golden")
    assert (version.status, stands) == ("rejected", "failed")
    assert evidence["reason"] == "trained-with-other-version"
    for part in (
        "1.7.2", OURS, "pip install scikit-learn==1.7.2", "fit the model again", "ONNX", "expected",
    ):  # fmt: skip
        assert part in summary, part


def test_where_the_answers_differ_both_versions_are_named(upload: Any) -> None:
    version = upload(fitted(), "1.7.2", expected=WRONG)

    _, evidence, summary = verdict(version, "golden")
    assert (version.status, evidence["reason"]) == ("rejected", "differs-from-trainer")
    assert evidence["trained_with"] == {"scikit-learn": "1.7.2"}
    assert "pip install scikit-learn==1.7.2" in summary


def test_another_patch_is_only_noted(upload: Any) -> None:
    version = upload(fitted(), PATCH)

    stands, evidence, summary = verdict(version, "load")
    assert (version.status, stands) == ("ready", "passed")
    assert evidence["trained_with"] == {"scikit-learn": PATCH}
    assert PATCH in summary


def test_our_own_version_is_not_mentioned(upload: Any) -> None:
    version = upload(fitted(), OURS)

    assert version.status == "ready"
    assert "trained_with" not in verdict(version, "load")[1]


def test_a_model_that_raises_here_is_told_apart_by_its_version(upload: Any) -> None:
    model = fitted()
    del model.coef_
    version = upload(model, "1.7.2", expected=RIGHT)

    failed = version.checks.get(verdict="failed")
    assert version.status == "rejected"
    assert "1.7.2" in failed.summary, failed.summary


@pytest.mark.parametrize(
    ("scanned", "libraries", "other"),
    [
        ({}, {}, None),
        ({"trained_with": {"scikit-learn": "1.7.2"}}, {"scikit-learn": "1.9.1"}, ("1.7.2", True)),
        ({"trained_with": {"scikit-learn": "1.9.0"}}, {"scikit-learn": "1.9.1"}, ("1.9.0", False)),
        ({"trained_with": {"scikit-learn": "1.9.1"}}, {"scikit-learn": "1.9.1"}, None),
        ({}, {"scikit-learn": "1.9.1", "trained-with": "1.10.0"}, ("1.10.0", True)),
        ({"trained_with": {"numpy": "1"}}, {"scikit-learn": "1.9.1"}, None),
        ({"trained_with": "1.7.2"}, {"scikit-learn": "1.9.1"}, None),
    ],
)
def test_scan_and_object_both_say_who_saved_it(
    scanned: dict[str, Any], libraries: dict[str, str], other: tuple[str, bool] | None
) -> None:
    found = other_version(scanned, ModelFacts("sklearn.svm.SVC", libraries))

    assert (found and (found.theirs, found.is_far)) == other


def test_a_refusal_keeps_its_reason_and_its_evidence() -> None:
    blamed = TrainedWith("1.7.2", "1.9.1").blamed_for(CheckRefused("load-failed", "Broken.", a=1))

    assert (blamed.reason, blamed.evidence["a"]) == ("load-failed", 1)
    assert str(blamed).startswith("Broken. The model was saved by scikit-learn 1.7.2")
