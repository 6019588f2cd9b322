"""Routes, tallies and records on a real PostgreSQL: what is read, added up at once, and swept."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from registry.models import RegisteredModel
from serving.actions import records, tallies
from serving.actions.routes import set_route
from serving.actions.targets import resolve
from serving.models import MirroredAnswer, PredictionRecord
from tests.people import manager
from tests.serving.routes.conftest import Shop
from tests.serving.routes.test_records import add

pytestmark = pytest.mark.postgres


def test_routes_tallies_and_records(shop: Shop, settings: Any) -> None:
    client, marie = shop.olga.client(), manager().client()
    targets = [{"alias": "champion", "weight": 90}, {"version": 3, "weight": 10}]
    set_route(by=shop.olga.by, model=shop.model, targets=targets, mirror=[{"alias": "challenger"}])
    assert [t.number for t in resolve(shop.olga.by, "churn").targets] == [1, 3]

    day = timezone.now().date()
    pair = (shop.model.pk, shop.versions[1].pk, shop.versions[2].pk, day)
    _at_once(8, lambda: tallies.add_to_row(*pair, tallies.Tally(requests=1, rows=3)))
    row = MirroredAnswer.objects.get()
    assert (row.requests, row.rows) == (8, 24)
    shown = client.get("/api/v1/models/churn/route/comparisons?served=1").json()["results"]
    assert [(one["rows"], one["examples"]) for one in shown] == [(24, [])]

    add(shop, 3, days=8)
    add(shop, 4)
    for who in (client, marie):
        page = who.get("/api/v1/models/churn/records?version=1&page_size=2").json()
        assert (page["count"], len(page["results"])) == (7, 2)
    RegisteredModel.objects.update(capture_percent=1)
    settings.MODELYARD = {**settings.MODELYARD, "CAPTURE_DAYS": 7, "CAPTURE_RECORDS": 2}
    assert records.sweep_records(budget_s=60) == 5
    assert PredictionRecord.objects.count() == 2


def _at_once(count: int, work: Any) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
