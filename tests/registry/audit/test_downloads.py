"""Whoever takes data or a model file along leaves one event: who, what, in which format."""

from __future__ import annotations

import pytest

from registry.models import AuditEvent
from tests import people, things

pytestmark = pytest.mark.django_db


def downloads() -> list[tuple[str, str, str, dict | None]]:
    rows = AuditEvent.objects.filter(action__endswith=".download").order_by("id")
    return [(row.action, row.actor, row.object_name, row.after) for row in rows]


def take(client, path: str, *parameters: str, **options):
    answer = client.get(f"/api/v1/{path}", *parameters, **options)
    if answer.streaming:
        b"".join(answer.streaming_content)
    return answer


@pytest.fixture
def olga() -> people.Person:
    return people.owner()


def test_rows_and_the_file_as_it_came_are_both_downloads(olga):
    things.a_dataset_version(olga)
    client = olga.client()

    assert take(client, "datasets/customers/download").status_code == 200
    for format in ("parquet", "original"):
        path = f"datasets/customers/versions/1/download?format={format}"
        assert take(client, path).status_code == 200

    name = "customers@1"
    assert downloads() == [
        ("dataset.download", "olga", name, {"format": "csv"}),
        ("dataset.download", "olga", name, {"format": "parquet"}),
        ("dataset.download", "olga", name, {"format": "original"}),
    ]


def test_a_model_file_is_a_download_and_what_the_caller_has_already_is_none(olga):
    version = things.a_version(things.a_model(olga), olga)
    client = olga.client()

    first = take(client, "models/churn/versions/1/artifact")
    again = take(
        client, "models/churn/versions/1/artifact", headers={"If-None-Match": first["ETag"]}
    )

    assert (first.status_code, again.status_code) == (200, 304)
    assert downloads() == [
        ("version.download", "olga", str(version), {"sha256": version.artifact.sha256})
    ]


def test_headers_alone_are_no_download(olga):
    things.a_dataset_version(olga)

    answer = olga.client().head("/api/v1/datasets/customers/download")

    assert answer.status_code == 200
    assert downloads() == []


def test_what_is_refused_or_cannot_be_read_is_no_download(olga):
    version = things.a_dataset_version(olga)
    things.a_dataset_version(olga, "later", is_read=False)
    sam = people.stranger().session()
    marie = people.manager().client()

    assert take(sam, "datasets/customers/download").status_code == 404
    assert take(marie, "datasets/later/versions/1/download").status_code == 409
    assert take(marie, "datasets/customers/download?format=xlsx").status_code == 400
    from registry import storage

    storage.remove(version.parts[0]["name"])
    assert take(marie, "datasets/customers/download").status_code >= 500

    assert downloads() == []


def test_the_key_and_the_request_stand_in_the_event(olga):
    things.a_dataset_version(olga)
    key, text = olga.key()

    answer = take(people.client_with(text), "datasets/customers/download")

    event = AuditEvent.objects.get(action="dataset.download")
    assert (event.key_id, event.request_id) == (key.public_id, answer["X-Request-Id"])
