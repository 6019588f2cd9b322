"""What an alias pointed to at a time, and what that version answered then: walked by links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from registry.actions.aliases import place_alias, remove_alias
from registry.models import AliasChange, ModelVersion
from serving.models import BatchJob, PredictionRecord
from tests import people, things
from tests.cards import CARD
from tests.people import Person

pytestmark = pytest.mark.django_db

ALIAS = "/api/v1/models/churn/aliases/champion"
PAGE = "/admin/registry/registeredmodel/{}/alias-history/champion/"


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2026, 1, number, hour, tzinfo=UTC)


@pytest.fixture
def olga() -> Person:
    return people.person("olga", role="publisher", is_staff=True)


@pytest.fixture
def versions(olga: Person) -> list[ModelVersion]:
    """Version 1 was champion from 1 January on, version 2 from the 3rd, none from the 5th."""
    model = things.a_model(olga)
    made = [things.a_version(model, olga), things.a_version(model, olga, seed="two")]
    for version in made:
        place_alias(by=olga.by, version=version, alias="champion")
    remove_alias(by=olga.by, model=model, alias="champion")
    for move, on in zip(AliasChange.objects.order_by("id"), (1, 3, 5), strict=True):
        AliasChange.objects.filter(pk=move.pk).update(at=day(on))
    return made


def answered(version: ModelVersion, at: datetime) -> PredictionRecord:
    return PredictionRecord.objects.create(
        model=version.model, version=version, request_id=f"r-{version.number}-{at:%d-%H}", by="x",
        rows=1, latency_ms=1.0, created_at=at,
    )  # fmt: skip


def followed(client: Client, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    answer = client.get(f"{parts.path}?{parts.query}")
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def test_each_move_says_until_when_it_held(olga: Person, versions: list[ModelVersion]) -> None:
    moves = olga.client().get(f"{ALIAS}/history").json()["results"]

    assert [(m["to"], m["at"], m["until"]) for m in moves] == [
        (None, "2026-01-05T00:00:00Z", None),
        (2, "2026-01-03T00:00:00Z", "2026-01-05T00:00:00Z"),
        (1, "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
    ]
    assert moves[0]["links"] == {"version": None, "records": None, "batch_jobs": None}


def test_moves_at_the_very_same_time_follow_each_other(
    olga: Person, versions: list[ModelVersion]
) -> None:
    AliasChange.objects.update(at=day(1))

    moves = olga.client().get(f"{ALIAS}/history").json()["results"]

    assert [(m["to"], m["until"]) for m in moves] == [
        (None, None), (2, "2026-01-01T00:00:00Z"), (1, "2026-01-01T00:00:00Z"),
    ]  # fmt: skip


def test_the_links_of_a_move_lead_to_what_it_answered(
    olga: Person, versions: list[ModelVersion]
) -> None:
    first, second = versions
    for version, at in ((first, day(1)), (first, day(2, 23)), (first, day(3)), (second, day(2))):
        answered(version, at)
    client = olga.client()

    (then,) = client.get(f"{ALIAS}/history?at=2026-01-02T00:00:00Z").json()["results"]

    assert followed(client, then["links"]["version"])["number"] == 1
    records = followed(client, then["links"]["records"])["results"]
    assert [record["request_id"] for record in records] == ["r-1-02-23", "r-1-01-00"]
    assert followed(client, then["links"]["batch_jobs"])["count"] == 0


def test_jobs_are_those_asked_for_in_that_time(olga: Person, versions: list[ModelVersion]) -> None:
    first, second = versions
    data = things.a_dataset_version(olga)
    for version, at in ((first, day(1)), (first, day(3)), (second, day(2)), (first, day(2))):
        job = BatchJob.objects.create(
            model=version.model,
            version=version,
            version_sha256=version.artifact.sha256,
            model_ref="churn",
            dataset=data.dataset,
            dataset_version=data,
            chunk_rows=100,
            created_by=olga.user,
        )
        BatchJob.objects.filter(pk=job.pk).update(created_at=at)
    client = olga.client()

    (then,) = client.get(f"{ALIAS}/history?at=2026-01-02T00:00:00Z").json()["results"]

    jobs = followed(client, then["links"]["batch_jobs"])["results"]
    assert {job["created_at"][:10] for job in jobs} == {"2026-01-01", "2026-01-02"}
    assert {job["version"] for job in jobs} == {1}


def test_the_way_back_is_the_same_put(olga: Person, versions: list[ModelVersion]) -> None:
    client = olga.client()
    for version in versions:
        place_alias(by=olga.by, version=version, alias="challenger")
    address = "/api/v1/models/churn/aliases/challenger"

    before = client.get(address).json()
    back = client.put(
        address, {"version": before["previous_version"]}, content_type="application/json"
    ).json()

    assert (before["version"], before["previous_version"]) == (2, 1)
    assert (back["version"], back["previous_version"]) == (1, 2)
    assert place_alias(by=olga.by, version=versions[0], alias="lonely")
    assert client.get("/api/v1/models/churn/aliases/lonely").json()["previous_version"] is None


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-01-02T12:00:00", "version 1</a>"),
        ("2026-01-03T01:00:00+02:00", "version 1</a>"),
        ("2026-01-04T12:00", "version 2</a>"),
        ("2026-01-06T00:00:00", "none: it had been taken away"),
        ("2025-12-31T00:00:00", "did not exist yet"),
        ("yesterday", "is no time"),
        ("2026-13-45T00:00:00", "is no time"),
        ("0001-01-01T00:00:00+05:00", "is no time"),
        ("9999-12-31T23:59:59-05:00", "is no time"),
    ],
)
def test_the_page_goes_back_to_a_time(
    olga: Person, versions: list[ModelVersion], at: str, words: str, settings: Any
) -> None:
    settings.TIME_ZONE = "UTC"
    page = olga.session().get(PAGE.format(versions[0].model_id), {"at": at})

    assert page.status_code == 200
    assert words in page.content.decode()


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B05:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_that_is_none_in_utc_is_refused(
    olga: Person, versions: list[ModelVersion], at: str
) -> None:
    answer = olga.client().get(f"{ALIAS}/history?at={at}")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-parameter")


def test_the_page_shows_what_was_answered_then_to_managers(
    olga: Person, versions: list[ModelVersion]
) -> None:
    answered(versions[0], day(2))
    address = PAGE.format(versions[0].model_id)
    tariq = people.person("tariq", is_staff=True)
    people.grant(tariq, versions[0].model, "scorer")

    shown = olga.session().get(address, {"at": "2026-01-02T12:00:00Z"}).content.decode()
    hidden = tariq.session().get(address, {"at": "2026-01-02T12:00:00Z"}).content.decode()

    assert "r-1-02-00" in shown
    assert "r-1-02-00" not in hidden
    assert "managers of the model read them" in hidden


def test_one_click_leads_back_and_a_guarded_alias_asks(
    olga: Person, versions: list[ModelVersion]
) -> None:
    model = versions[0].model
    for version in versions:
        place_alias(by=olga.by, version=version, alias="champion")
    session = olga.session()
    page = f"/admin/registry/registeredmodel/{model.pk}/"
    assert "Yes, point “champion” to version 1" in session.get(page).content.decode()
    form = {"alias": "champion", "version": str(versions[0].pk), "reason": "Back to version 1."}

    session.post(f"{page}aliases/", form)

    assert model.aliases.get(name="champion").version == versions[0]
    model.approval_required, model.card = True, CARD
    model.save()
    assert "Ask for the way back" in session.get(page).content.decode()
    session.post(f"{page}aliases/", {**form, "version": str(versions[1].pk)})
    assert model.aliases.get(name="champion").version == versions[0]
    assert model.approval_requests.pending().get().version == versions[1]


def test_there_is_no_way_back_to_what_cannot_be_called(
    olga: Person, versions: list[ModelVersion]
) -> None:
    for version in versions:
        place_alias(by=olga.by, version=version, alias="champion")
    ModelVersion.objects.filter(pk=versions[0].pk).update(status="archived")

    page = f"/admin/registry/registeredmodel/{versions[0].model_id}/"

    assert "Back to version" not in olga.session().get(page).content.decode()


def test_a_span_is_no_wider_than_it_is_asked_for(
    olga: Person, versions: list[ModelVersion]
) -> None:
    record = answered(versions[0], day(2))
    rows = PredictionRecord.objects.all()

    assert list(rows.answered(since=day(2), until=day(3))) == [record]
    assert list(rows.answered(until=day(2))) == []
    # Before the time that ids begin with.
    assert list(rows.answered(since=datetime(96, 10, 4, tzinfo=UTC))) == [record]
    assert list(rows.answered(since=day(2) + timedelta(microseconds=1))) == []
