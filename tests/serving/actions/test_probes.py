"""The checks of a version: what becomes of one whose checks do not come to an end."""

from __future__ import annotations

from typing import NoReturn

import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier

from registry.errors import Overloaded
from registry.models import AuditEvent
from serving.actions import probes
from tests import people, things
from tests.serving.actions.conftest import Bench, saved

pytestmark = pytest.mark.django_db


def breaking(error: Exception) -> object:
    """A model host that answers nothing but this error."""

    class Host:
        def inspect(self, *args: object) -> NoReturn:
            raise error

    return Host()


@pytest.fixture
def version():
    """A version that waits for its checks."""
    olga = people.owner()
    return things.a_version(things.a_model(olga), olga, status="pending")


def test_with_the_model_host_away_a_version_waits_for_another_pass(version, monkeypatch):
    monkeypatch.setattr(probes, "host", lambda: breaking(Overloaded("No model host answers.")))

    probes.check_version(version.pk)

    version.refresh_from_db()
    assert (version.status, version.check_attempts) == ("pending", 1)
    assert AuditEvent.objects.get(action="version.recheck").reason == "No model host answers."


def test_a_fault_of_our_own_is_raised_and_does_not_hold_the_version(version, monkeypatch):
    monkeypatch.setattr(probes, "host", lambda: breaking(TypeError("wrong argument")))

    with pytest.raises(TypeError):
        probes.check_version(version.pk)

    version.refresh_from_db()
    assert (version.status, version.check_attempts) == ("pending", 1)
    assert AuditEvent.objects.get(action="version.recheck").reason.endswith("TypeError.")


@pytest.mark.parametrize("names", [True, False])
def test_a_model_that_looks_at_no_input_takes_texts(bench: Bench, names: bool) -> None:
    olga = people.owner()
    films = pd.DataFrame({"text": ["good", "bad", "fine", "dull", "good"]})
    rows = films if names else films["text"]
    model = DummyClassifier(strategy="prior").fit(rows, ["pos", "neg", "pos", "neg", "pos"])

    version = bench.register(
        olga,
        things.a_model(olga),
        saved(model, "skops"),
        "skops",
        example=films.to_csv(index=False).encode(),
    )

    told = [(check.name, check.summary) for check in version.checks.all()]
    assert version.status == "ready", told
    inputs = version.parsed_signature.inputs
    assert [(column.name, column.type) for column in inputs] == [("text", "string")]
