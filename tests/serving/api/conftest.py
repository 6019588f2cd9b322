"""Fixtures of the doors' tests: a model host that obeys, the model churn, and keys for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.core import signals
from django.db import close_old_connections
from django.utils import timezone

from registry.actions.access import create_api_key, revoke_api_key
from registry.models import ApiKey, ModelVersion, RegisteredModel
from registry.principals import Principal
from serving.actions import passes, scoring
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
    monkeypatch.setattr(passes, "note_use_later", lambda key: None)
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def keys(db: None) -> dict[str, str]:
    """The texts of keys of ana, who owns churn, and of a stranger."""
    ana, sam = ledger.person("ana"), ledger.person("sam")
    churn = ledger.ready_version(ana)
    ModelVersion.objects.create(
        **{
            name: getattr(churn, name)
            for name in ("model", "format", "artifact", "runtime", "created_by")
        },
        number=2,
        status="archived",
    )
    secret = ledger.ready_version(ana, "secret").model
    RegisteredModel.objects.filter(pk=secret.pk).update(classification="confidential")
    ledger.ready_version(sam, "hidden")

    def key(by: Principal, **options: Any) -> tuple[ApiKey, str]:
        return create_api_key(by=by, user=by.user, name="doors", **options)

    revoked, revoked_text = key(ana)
    revoke_api_key(by=ana, key=revoked)
    expired, expired_text = key(ana)
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    left = ledger.person("left")
    ledger.grant(left, "scorer", churn.model)
    gone_text = key(left)[1]
    left.user.is_active = False
    left.user.save()
    score = key(ana)[1]
    return {
        "score": score,
        "wrong": score[:-1] + ("A" if score[-1] != "A" else "B"),
        "read": key(ana, scopes=["read"])[1],
        "elsewhere": key(ana, models=["secret"])[1],
        "expired": expired_text,
        "revoked": revoked_text,
        "gone": gone_text,
        "stranger": key(sam)[1],
    }


@pytest.fixture
def failing_host(host: ledger.ObedientHost) -> ledger.ObedientHost:
    """Its model dies at age 13; at 99 something happens that nobody expected."""
    host.poison = {13}
    answer = host.score

    def score(spec: Any, open_artifact: Any, batch: pa.RecordBatch, *rest: Any, **more: Any) -> Any:
        if 99 in batch.column("age").to_pylist():
            raise RuntimeError("a bug")
        return answer(spec, open_artifact, batch, *rest, **more)

    host.score = score  # type: ignore[method-assign]
    return host
