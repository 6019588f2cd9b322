"""The two sides and everybody, made once; what a test changes is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from serving.actions import scoring
from tests.permissions.world import World, make_world
from tests.serving.batch import ledger


@pytest.fixture(scope="module")
def _made(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


@pytest.fixture
def world(_made: World, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """Both sides; the model host obeys, and webhooks may be sent to this machine."""
    settings.MODELYARD = settings.MODELYARD | {"OUTGOING_HOSTS": ("127.0.0.1",)}
    monkeypatch.setattr(scoring, "host", ledger.ObedientHost)
    monkeypatch.setattr("registry.limits._limiter.spend", lambda *_: None)
    monkeypatch.setattr("registry.queue._ring", lambda *_: None)
    # It is long in the making, and holds nobody's things.
    monkeypatch.setattr(SchemaGenerator, "get_schema", lambda *_, **__: {"openapi": "3.1.0"})
    return _made
