"""Fixtures of the attacks: a model host that obeys, and addresses that webhooks may have."""

from __future__ import annotations

from typing import Any

import pytest

from registry import queue
from serving.actions import scoring
from tests.serving.batch import ledger


@pytest.fixture(autouse=True)
def _around(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MODELYARD = settings.MODELYARD | {"OUTGOING_HOSTS": ("hooks.example.org",)}
    monkeypatch.setattr(scoring, "host", ledger.ObedientHost)
    # Nobody is rung for: what an action asks for would run in the middle of an attack.
    monkeypatch.setattr(queue, "_ring", lambda name, ids: None)
