"""Fixtures of the doors' tests: a model host that obeys, and the model churn with its owner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core import signals
from django.db import close_old_connections

from serving.actions import scoring
from serving.api import express
from tests.serving.batch import ledger


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ledger.ObedientHost:
    """What answers instead of the model host."""
    obedient = ledger.ObedientHost()
    monkeypatch.setattr(scoring, "host", lambda: obedient)
    return obedient


@pytest.fixture
def one_connection(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test's transaction goes on from request to request; they would end its connection."""
    monkeypatch.setattr(express, "close_old_connections", lambda: None)
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)
