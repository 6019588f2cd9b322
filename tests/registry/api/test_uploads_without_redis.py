"""While Redis is away nothing is uploaded, and all else goes on; when it is back, so do uploads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from registry import limits
from registry.models import Dataset
from tests import people, things
from tests.services.processes import wait_until
from tests.services.valkey import ValkeyServer, running_valkey

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("only_our_files", "uploads_with_valkey"),
]


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ValkeyServer]:
    """A server that can be taken away."""
    with running_valkey() as started:
        settings.MODELYARD = settings.MODELYARD | {"REDIS_URL": started.url}
        monkeypatch.setattr(limits, "_limiter", limits._Limiter())
        yield started
        limits._limiter.is_away = False


def test_uploads_wait_for_redis_and_nothing_else_does(server: ValkeyServer) -> None:
    olga = people.owner()
    client, session = olga.client(), olga.session()
    olga.user.is_staff = True
    olga.user.save()
    things.a_model(olga)
    form = {"name": "customers", "classification": "internal", "tier": "raw"}

    def upload(name: str) -> Any:
        return client.post("/api/v1/datasets", {**form, "name": name, "file": things.table_file()})

    assert upload("before").status_code == 202
    server.kill()

    for path in ("datasets", "models/churn/versions"):
        refused = client.post(f"/api/v1/{path}", {**form, "file": things.table_file()})
        assert (refused.status_code, refused["Retry-After"]) == (503, "5"), path
        assert refused.json()["code"] == "overloaded"
    page = session.post(
        "/admin/registry/dataset/add/", {**form, "file": things.table_file()}, follow=True
    )
    assert b"What counts calls and queues work is away" in page.content
    assert list(Dataset.objects.values_list("name", flat=True)) == ["before"]
    assert things.scratch_files() == []
    assert client.get("/api/v1/datasets/before").status_code == 200
    assert client.post("/api/v1/models", {"name": "other"}, "application/json").status_code == 201

    server.restart()
    wait_until(lambda: not limits._limiter.is_away, 20, "Redis is back")
    assert upload("after").status_code == 202
