"""Fixtures of the webhook tests: people, a model, and a site that may call this machine."""

from __future__ import annotations

from typing import Any

import pytest

from registry.models import RegisteredModel
from tests import people, things
from tests.people import Person


@pytest.fixture(autouse=True)
def _listed(settings: Any) -> None:
    settings.MODELYARD = settings.MODELYARD | {
        "OUTGOING_HOSTS": ("127.0.0.1", "hooks.example.org", "hooks.inner.test")
    }


@pytest.fixture
def olga() -> Person:
    return people.owner()


@pytest.fixture
def churn(olga: Person) -> RegisteredModel:
    return things.a_model(olga)
