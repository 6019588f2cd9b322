"""Fixtures of the ledger's tests: an owner, and a model host that obeys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry import queue
from registry.principals import Principal
from serving.actions import scoring
from serving.batch import failpoints
from tests.serving.batch import ledger


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ledger.ObedientHost:
    """What answers instead of the model host."""
    obedient = ledger.ObedientHost()
    monkeypatch.setattr(scoring, "host", lambda: obedient)
    return obedient


@pytest.fixture
def ana(db: None) -> Principal:
    """Owns the model churn, version 1, champion."""
    owner = ledger.person("ana")
    ledger.ready_version(owner)
    return owner


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm(None)


@pytest.fixture
def transactional_ana(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """The same owner where transactions are real: on PostgreSQL, where a test is marked so.

    Nobody is rung for: a commit would otherwise run the job right here, before the test does.
    """
    monkeypatch.setattr(queue, "_ring", lambda name, ids: None)
    if not request.node.get_closest_marker("postgres"):
        request.getfixturevalue("transactional_db")
    owner = ledger.person("ana")
    ledger.ready_version(owner)
    return owner
