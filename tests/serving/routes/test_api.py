"""The doors of routes and records, as the owner, a team-mate and a stranger meet them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from registry.models import RegisteredModel
from serving.actions import after_scoring
from serving.actions.routes import set_route
from serving.models import MirroredAnswer, PredictionRecord
from tests.people import grant, manager, person, stranger
from tests.serving.routes.conftest import HostByVersion, Shop

pytestmark = pytest.mark.django_db
ROUTE = "/api/v1/models/churn/route"
SPLIT = [{"alias": "champion", "weight": 90}, {"alias": "challenger", "weight": 10}]
BODY = {"targets": SPLIT, "mirror": [{"version": 3}]}


def put(client: Client, body: Any = BODY) -> Any:
    return client.put(ROUTE, body, content_type="application/json")


def test_a_route_is_put_and_got_as_it_was_sent(shop: Shop) -> None:
    client = shop.olga.client()
    answer = put(client)
    body = answer.json()
    assert answer.status_code == 200
    assert {key: body[key] for key in BODY} == BODY
    assert body["now"] == {
        "targets": [
            {"version": 1, "status": "ready", "percent": 90.0},
            {"version": 2, "status": "ready", "percent": 10.0},
        ],
        "mirror": [{"version": 3, "status": "ready", "percent": 0.0}],
    }
    assert (body["model"], body["updated_by"]) == ("churn", "olga")
    assert client.get(ROUTE).json() == body
    assert client.get(body["links"]["comparisons"]).json()["count"] == 0
    again = {key: body[key] for key in BODY}
    assert put(client, again).json()["targets"] == SPLIT


def test_without_a_route_both_lists_are_empty(shop: Shop) -> None:
    client = shop.olga.client()
    unset = client.get(ROUTE).json()
    assert (unset["targets"], unset["mirror"], unset["updated_at"]) == ([], [], None)
    assert client.get("/api/v1/models/churn").json()["links"]["route"] == unset["url"]
    put(client)
    assert client.delete(f"{ROUTE}?reason=over").status_code == 204
    assert client.delete(ROUTE).status_code == 204
    assert client.get(ROUTE).json() == unset
    assert put(client, {"targets": [], "mirror": []}).json() == unset


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ([], 422, "invalid-field", ""),
        ({}, 422, "invalid-field", "/targets"),
        ({"targets": None}, 422, "invalid-field", "/targets"),
        ({"targets": SPLIT, "mirror": None}, 422, "invalid-field", "/mirror"),
        ({"targets": SPLIT, "mirrors": []}, 422, "invalid-field", "/mirrors"),
        ({"targets": SPLIT[:1]}, 422, "invalid-field", "/targets"),
        ({"targets": [SPLIT[0], SPLIT[0]]}, 422, "invalid-field", "/targets/1"),
        (
            {"targets": [{"version": 9, "weight": 100}]},
            404,
            "version-not-found",
            "/targets/0/version",
        ),
        ({"targets": [{"alias": "x", "weight": 100}]}, 404, "alias-not-found", "/targets/0/alias"),
    ],
)
def test_errors_name_where(shop: Shop, body: Any, status: int, code: str, pointer: str) -> None:
    answer = put(shop.olga.client(), body)
    said = answer.json()
    assert (answer.status_code, said["code"], said["pointer"]) == (status, code, pointer), said


def test_each_of_the_people_at_each_door(shop: Shop) -> None:
    put(shop.olga.client())
    tariq = person("tariq")
    grant(tariq, shop.model, "scorer")
    mate, sam = tariq.client(), stranger().client()
    doors = [("get", ROUTE, 200), ("put", ROUTE, 403), ("delete", ROUTE, 403)]
    doors += [("get", f"{ROUTE}/comparisons", 403), ("get", "/api/v1/models/churn/records", 403)]
    doors += [("get", "/api/v1/models/churn/records/x", 403)]
    for method, path, status in doors:
        body = {"data": BODY, "content_type": "application/json"} if method == "put" else {}
        assert getattr(mate, method)(path, **body).status_code == status, (method, path)
        answer = getattr(sam, method)(path, **body)
        assert (answer.status_code, answer.json()["code"]) == (404, "model-not-found")
    narrow = shop.olga.client(scopes=["read", "score"])
    assert put(narrow).status_code == 403
    assert shop.olga.client(models=["churn"]).get(ROUTE).status_code == 200


# --- scoring by a route ---------------------------------------------------------------------------


def predict(client: Client, key: str = "") -> Any:
    headers = {"X-Modelyard-Route-Key": key} if key else {}
    body = {"instances": [{"age": 44, "city": "Rome"}]}
    return client.post(
        "/api/v1/models/churn/predict", body, content_type="application/json", headers=headers
    )


def test_callers_are_split_by_their_route_key_and_told_who_answered(
    shop: Shop, host: HostByVersion
) -> None:
    client = shop.olga.client()
    targets = [{"alias": "champion", "weight": 50}, {"version": 3, "weight": 50}]
    put(client, {"targets": targets})
    first = {key: predict(client, key) for key in (f"k{n}" for n in range(12))}
    answered = {key: answer.json()["version"] for key, answer in first.items()}
    assert set(answered.values()) == {1, 3}
    for key, answer in first.items():
        assert answer["X-Modelyard-Model-Version"] == f"churn/{answered[key]}"
        assert predict(client, key).json()["version"] == answered[key]


def test_without_a_route_key_the_request_id_decides(shop: Shop, host: HostByVersion) -> None:
    client = shop.olga.client()
    targets = [{"alias": "champion", "weight": 50}, {"version": 3, "weight": 50}]
    put(client, {"targets": targets})
    body = {"instances": [{"age": 44, "city": "Rome"}]}
    for n in range(8):
        versions = {
            client.post(
                "/api/v1/models/churn/predict",
                body,
                content_type="application/json",
                headers={"X-Request-Id": f"r{n}"},
            ).json()["version"]
            for _ in range(2)
        }
        assert len(versions) == 1


# --- comparisons and records ----------------------------------------------------------------------


def add_records(shop: Shop, count: int, **values: Any) -> list[PredictionRecord]:
    return [
        PredictionRecord.objects.create(
            model=shop.model,
            version=shop.versions[1 + n % 2],
            request_id=f"r{n}",
            by="key:abc",
            rows=1,
            **{"inputs": [[44, "Rome"]], "answers": {"predictions": ["yes"]}, **values},
            latency_ms=1.5,
            created_at=timezone.now(),
        )
        for n in range(count)
    ]


def test_records_are_read_newest_first_by_managers_of_the_model(
    shop: Shop, django_assert_max_num_queries: Any
) -> None:
    made = add_records(shop, 5)
    client = shop.olga.client()
    with django_assert_max_num_queries(12):
        page = client.get("/api/v1/models/churn/records?page_size=2").json()
    assert (page["count"], [r["request_id"] for r in page["results"]]) == (5, ["r4", "r3"])
    record = page["results"][0]
    assert record["inputs"] == [[44, "Rome"]]
    assert record["answers"] == {"predictions": ["yes"]}
    assert client.get(record["url"]).json() == record
    of_second = client.get("/api/v1/models/churn/records?version=2").json()
    assert [r["request_id"] for r in of_second["results"]] == ["r3", "r1"]
    expanded = client.get(f"{record['url']}?expand=version").json()
    assert expanded["version"]["number"] == 1
    assert client.get("/api/v1/models/churn/records/nothing").status_code == 404
    assert manager().client().get(f"/api/v1/models/churn/records/{made[0].pk}").status_code == 200


def test_cells_are_not_shown_once_the_model_hides_them(shop: Shop) -> None:
    """Neither inputs nor outputs that may repeat them, whenever they were kept."""
    both = {"predictions": ["yes"], "transform": [{"age": 44}]}
    add_records(shop, 1, answers=both)
    example = {"row": 0, "inputs": [44, "Rome"], "served": both, "mirror": {"transform": [44]}}
    MirroredAnswer.objects.create(**_pair(shop), rows=1, requests=1, examples=[example])
    RegisteredModel.objects.update(classification="confidential")
    client = shop.olga.client()
    record = client.get("/api/v1/models/churn/records").json()["results"][0]
    assert (record["inputs"], record["answers"]) == (None, {"predictions": ["yes"]})
    shown = client.get(f"{ROUTE}/comparisons").json()["results"][0]
    assert shown["examples"] == [
        {"row": 0, "inputs": None, "served": {"predictions": ["yes"]}, "mirror": None}
    ]


def _pair(shop: Shop) -> dict[str, Any]:
    return {
        "model": shop.model,
        "served": shop.versions[1],
        "mirror": shop.versions[2],
        "day": date(2026, 3, 1),
    }


def test_comparisons_are_for_publishers_and_their_examples_for_managers(
    shop: Shop, django_assert_max_num_queries: Any
) -> None:
    MirroredAnswer.objects.create(
        **_pair(shop),
        requests=4,
        rows=8,
        rows_differ=1,
        numbers=16,
        difference_sum=0.8,
        difference_max=0.5,
        served_seconds=0.004,
        mirror_seconds=0.008,
        examples=[{"row": 3}],
    )
    client = shop.olga.client()
    with django_assert_max_num_queries(10):
        shown = client.get(f"{ROUTE}/comparisons").json()["results"][0]
    expected = {
        "model": "churn",
        "served": 1,
        "mirror": 2,
        "day": "2026-03-01",
        "requests": 4,
        "rows": 8,
        "rows_differ": 1,
        "difference_max": 0.5,
        "difference_mean": 0.05,
        "failed": 0,
        "dropped": 0,
        "served_ms": 1.0,
        "mirror_ms": 2.0,
        "examples": [{"row": 3}],
    }
    assert {key: shown[key] for key in expected} == expected
    pavel = person("pavel")
    grant(pavel, shop.model, "publisher")
    client = pavel.client()
    assert client.get(f"{ROUTE}/comparisons").json()["results"][0]["examples"] is None
    assert client.get(f"{ROUTE}/comparisons?mirror=3").json()["count"] == 0
    assert client.get(f"{ROUTE}/comparisons?served=1&mirror=2").json()["count"] == 1


def test_the_captured_share_is_set_by_managers(shop: Shop) -> None:
    pavel = person("pavel")
    grant(pavel, shop.model, "publisher")

    def patch(client: Client, percent: Any) -> Any:
        body = {"capture_percent": percent}
        return client.patch("/api/v1/models/churn", body, content_type="application/json")

    client = shop.olga.client()
    for percent in (0, 5, 100.0):
        assert patch(client, percent).json()["capture_percent"] == percent
    for percent in (-1, 101, 5.5, True, "5", None):
        answer = patch(client, percent)
        assert (answer.status_code, answer.json()["pointer"]) == (422, "/capture_percent")
    assert patch(pavel.client(), 7).status_code == 403
    assert shop.model.capture_percent == 100


def test_a_failure_behind_the_answer_is_not_the_callers(
    shop: Shop,
    host: HostByVersion,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    RegisteredModel.objects.update(capture_percent=100)
    set_route(by=shop.olga.by, model=shop.model, **BODY)

    def break_down(scored: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(after_scoring.records, "capture", break_down)
    monkeypatch.setattr(after_scoring, "_telling", after_scoring.Seldom())
    client = shop.olga.client()
    failed = after_scoring._failed_total._value.get()
    assert [predict(client).status_code for _ in range(3)] == [200, 200, 200]
    assert after_scoring._failed_total._value.get() == failed + 3
    assert caplog.text.count("could not be watched") == 1
