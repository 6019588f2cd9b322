"""What the express lane does by itself: no query, counts and log lines as ever, limits."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from registry import limits
from registry.api.metrics import request_seconds, requests_total
from registry.metering import meter
from registry.models import ApiKey
from serving.actions import passes
from tests.services.processes import wait_until
from tests.serving.api.doors import Asked, Door, django_door, express_door
from tests.serving.api.requests import PREDICT, TENSORS, with_key
from tests.serving.batch import ledger

ROUTE = "/api/v1/models/<str:ref>/predict"


def counted(status: int) -> tuple[float, float]:
    """How many such answers were counted and timed."""
    meter.flush()
    answers = requests_total.labels("POST", ROUTE, str(status))._value.get()
    return answers, sum(bucket.get() for bucket in request_seconds.labels("POST", ROUTE)._buckets)


@pytest.mark.django_db(transaction=True)
def test_a_warm_call_asks_no_query_and_nothing_of_django(
    keys: dict[str, str], host: ledger.ObedientHost, only_our_news: None
) -> None:
    door, behind = express_door()
    asked = with_key(Asked(), keys)
    first = door.ask(asked)

    with CaptureQueriesContext(connection) as queries:
        again = [door.ask(asked) for _ in range(3)]

    assert first.code == 200
    assert again == [first] * 3
    assert [query["sql"] for query in queries] == []
    assert behind.requests == 0


@pytest.mark.django_db(transaction=True)
def test_a_session_s_door_uses_passes_too(
    keys: dict[str, str], host: ledger.ObedientHost, only_our_news: None
) -> None:
    door = django_door()
    asked = with_key(Asked(), keys)
    door.ask(asked)

    with CaptureQueriesContext(connection) as queries:
        assert door.ask(asked).code == 200

    assert ["registry_apikey" in query["sql"] for query in queries] == [True]


@pytest.mark.django_db(transaction=True)
def test_the_use_of_a_key_is_written_down_behind_the_call(
    keys: dict[str, str], host: ledger.ObedientHost
) -> None:
    door, _ = express_door()
    key = ApiKey.objects.get(public_id=keys["score"][3:11])
    assert key.last_used_at is None

    assert door.ask(with_key(Asked(), keys)).code == 200

    wait_until(
        lambda: ApiKey.objects.get(pk=key.pk).last_used_at is not None, 20, "it is written down"
    )


@pytest.mark.usefixtures("one_connection")
def test_what_is_not_ours_reaches_django_whole(keys: dict[str, str]) -> None:
    seen: list[tuple[str, bytes]] = []

    def django(environ: dict[str, Any], start: Any) -> list[bytes]:
        seen.append(
            (environ["PATH_INFO"], environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        )
        start("418 I'm a teapot", [("Content-Length", "0")])
        return [b""]

    from config.problems import as_domain_error
    from serving.api.express import Express

    door = Door(Express(django, as_domain_error=as_domain_error))
    others = [
        Asked(query="page=2"),
        Asked(headers={"Authorization": "Bearer {wrong}"}),
        Asked(headers={"Cookie": "a=b"}),
        Asked(path="/api/v1/models/nobody/predict", chunked=True),
        Asked(headers={"Content-Type": "multipart/form-data; boundary=x"}),
        Asked(path="/api/v1/models"),
        # Django has other plans than to ask for a key here.
        Asked(),
    ]
    for asked in others:
        assert door.ask(with_key(asked, keys)).code == 418
    assert seen[-1] == (PREDICT, Asked().body)
    assert [body for path, body in seen if body] == [Asked().body] * len(others)


@pytest.mark.usefixtures("one_connection")
def test_answers_are_counted_under_the_same_route(
    keys: dict[str, str], failing_host: ledger.ObedientHost
) -> None:
    bad = with_key(Asked(body=b"{"), keys)
    for door in (express_door()[0], django_door()):
        door.ask(bad)
        before = counted(400)
        door.ask(bad)
        assert counted(400) == (before[0] + 1, before[1] + 1)


@pytest.mark.usefixtures("one_connection")
def test_the_lane_s_own_question_to_django_is_not_counted(
    keys: dict[str, str], host: ledger.ObedientHost
) -> None:
    before = counted(401)[0]

    express_door()[0].ask(with_key(Asked(), keys))

    assert counted(401)[0] == before


@pytest.mark.usefixtures("one_connection")
def test_a_bug_is_logged_with_the_request_s_name_and_told_to_nobody(
    keys: dict[str, str], failing_host: ledger.ObedientHost, caplog: pytest.LogCaptureFixture
) -> None:
    from config.request_id import RequestIdFilter

    caplog.handler.addFilter(RequestIdFilter())
    body = b'{"instances": [[99, "a"]]}'
    with caplog.at_level(logging.ERROR):
        told = express_door()[0].ask(with_key(Asked(body=body), keys))

    assert told.code == 500
    assert b"a bug" not in told.body
    (record,) = [one for one in caplog.records if one.name == "serving.api.express"]
    assert record.request_id == told["X-Request-Id"] == "both-doors"  # type: ignore[attr-defined]
    assert record.exc_info is not None
    assert "a bug" in str(record.exc_info[1])


@pytest.mark.usefixtures("one_connection")
def test_a_request_without_a_name_gets_one(keys: dict[str, str], host: ledger.ObedientHost) -> None:
    door, _ = express_door()
    one, other = (door.ask(with_key(Asked(headers={"X-Request-Id": ""}), keys)) for _ in range(2))

    assert len(one["X-Request-Id"]) == 32
    assert one["X-Request-Id"].encode() in one.body
    assert one["X-Request-Id"] != other["X-Request-Id"]


@pytest.mark.usefixtures("one_connection")
def test_both_doors_refuse_what_is_too_much_alike(
    keys: dict[str, str],
    host: ledger.ObedientHost,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.MODELYARD = settings.MODELYARD | {"RATE_LIMIT": (2, 3600.0)}
    asked = with_key(Asked(), keys)
    told = []
    for door in (express_door()[0], django_door()):
        monkeypatch.setattr(limits, "_limiter", limits._Limiter())
        monkeypatch.setattr(limits._limiter, "is_away", True)
        told.append([door.ask(asked) for _ in range(3)])

    assert [one.code for one in told[0]] == [200, 200, 429]
    assert told[0] == told[1]
    assert int(told[0][-1]["Retry-After"]) > 1700


@pytest.mark.usefixtures("one_connection")
def test_both_doors_limit_what_one_key_scores_with_one_model(
    keys: dict[str, str],
    host: ledger.ObedientHost,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.MODELYARD = settings.MODELYARD | {"MODEL_RATE_LIMIT": (3, 3600.0)}
    # However it is called it is the same model.
    paths = ("models/churn", "models/Churn@champion", "models/churn/versions/1", "models/CHURN")
    asked = [with_key(Asked(path=f"/api/v1/{path}/predict"), keys) for path in paths]
    asked.append(with_key(Asked(path="/v2/models/churn/infer", body=TENSORS), keys))
    told = []
    for door in (express_door()[0], django_door()):
        monkeypatch.setattr(limits, "_limiter", limits._Limiter())
        monkeypatch.setattr(limits._limiter, "is_away", True)
        told.append([door.ask(one) for one in asked])
        # What is no scoring goes on.
        assert limits._limiter._shares[f"key:{keys['score'][3:11]}"].level > 10_000

    assert [one.code for one in told[0]] == [200, 200, 200, 429, 429]
    assert told[0] == told[1]
    assert "3 calls in 3600 s with one key to the model “churn”" in told[0][3].body.decode()
    assert int(told[0][3]["Retry-After"]) > 1100


@pytest.mark.django_db
def test_who_has_no_key_is_limited_by_address(settings: Any, client: Any) -> None:
    settings.MODELYARD = settings.MODELYARD | {"ADDRESS_RATE_LIMIT": (2, 3600.0)}
    for _ in range(2):
        assert client.get("/api/v1/me", REMOTE_ADDR="203.0.113.9").status_code == 401

    told = client.get("/api/v1/me", REMOTE_ADDR="203.0.113.9")
    assert (told.status_code, told.json()["code"]) == (429, "rate-limited")
    assert client.get("/api/v1/me", REMOTE_ADDR="203.0.113.10").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_many_threads_wait_for_one_reading(
    keys: dict[str, str],
    host: ledger.ObedientHost,
    monkeypatch: pytest.MonkeyPatch,
    only_our_news: None,
) -> None:
    door, _ = express_door()
    asked = with_key(Asked(), keys)
    start, read = threading.Barrier(12), []
    resolve = passes.resolve

    def counting(by: Any, ref: str) -> Any:
        read.append(ref)
        return resolve(by, ref)

    monkeypatch.setattr(passes, "resolve", counting)
    told: list[int] = []

    def ask() -> None:
        start.wait()
        told.append(door.ask(asked).code)
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert told == [200] * 12
    assert read == ["churn"]
