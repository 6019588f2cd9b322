"""Scoring in a browser session: the answer of a key, no query for a session that is known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from registry import limits
from registry.models import User
from tests.serving.api.doors import Asked, django_door, express_door
from tests.serving.batch import ledger

pytestmark = pytest.mark.django_db(transaction=True)

PATHS = {
    "/api/v1/models/churn/predict": {"instances": [{"age": 42, "city": "Rome"}]},
    "/api/v1/models/churn/versions/1/predict": {"instances": [{"age": 42, "city": "Rome"}]},
    "/endpoints/churn/invocations": {"dataframe_records": [{"age": 42, "city": "Rome"}]},
}
PREDICT = next(iter(PATHS))
TOKEN = "a" * 32
# What an answer has for itself, and what a cookie adds.
OWN = ("X-Request-Id", "Vary")


@pytest.fixture
def browser(keys: dict[str, str], host: ledger.ObedientHost, only_our_news: None) -> Client:
    """Ana, signed in; news would come at once."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(User.objects.get(username="ana"), settings.AUTHENTICATION_BACKENDS[1])
    client.cookies[settings.CSRF_COOKIE_NAME] = TOKEN
    return client


def ask(client: Client, path: str = PREDICT, **headers: str) -> HttpResponse:
    sent = {"X-CSRFToken": TOKEN, "X-Request-Id": "one"} | headers
    answer: Any = client.post(path, PATHS[path], content_type="application/json", headers=sent)
    return answer


@pytest.mark.parametrize("path", PATHS)
def test_a_session_is_answered_as_a_key_is(
    browser: Client, keys: dict[str, str], path: str
) -> None:
    by_key = ask(Client(), path, Authorization=f"Bearer {keys['score']}")

    for answer in (ask(browser, path), ask(browser, path)):
        assert (answer.status_code, answer.content) == (200, by_key.content)
        assert answer["Vary"] == "Cookie"
        assert not answer.cookies
        alike = [{k: v for k, v in one.items() if k not in OWN} for one in (answer, by_key)]
        assert alike[0] == alike[1]


def test_a_session_that_is_known_is_scored_without_a_query(browser: Client) -> None:
    ask(browser)

    with CaptureQueriesContext(connection) as asked:
        answer = ask(browser)

    assert answer.status_code == 200
    assert [query["sql"] for query in asked] == []


@pytest.mark.parametrize("token", ["", "b" * 32, "no token"])
def test_a_session_that_is_known_still_needs_its_token(browser: Client, token: str) -> None:
    ask(browser)

    answer = ask(browser, **{"X-CSRFToken": token})

    assert (answer.status_code, json.loads(answer.content)["code"]) == (403, "not-allowed")


def test_another_site_may_not_use_a_session_that_is_known(browser: Client) -> None:
    ask(browser)

    assert ask(browser, Origin="https://elsewhere.example").status_code == 403
    assert ask(browser, Origin="http://testserver").status_code == 200


def test_an_ended_session_scores_nothing_and_loses_its_cookie(browser: Client) -> None:
    ask(browser)
    Session.objects.all().delete()

    answer = ask(browser)

    assert answer.status_code == 401
    assert answer.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 0


def test_who_has_left_scores_nothing(browser: Client) -> None:
    ask(browser)
    User.objects.filter(username="ana").update(is_active=False)

    assert ask(browser).status_code == 401


CASES: dict[str, tuple[int, bool, dict[str, Any], dict[str, str]]] = {
    # status, whether the express lane answers, what of the request is different
    "rows": (200, True, {}, {}),
    "a version": (200, True, {"path": "/api/v1/models/churn/versions/1/predict"}, {}),
    "skipping": (200, True, {"query": "on_row_error=skip"}, {}),
    "bad rows": (422, True, {"body": b'{"instances": [{"age": "x"}]}'}, {}),
    "broken JSON": (400, True, {"body": b"{"}, {}),
    "the same site": (200, True, {}, {"Origin": "http://localhost:8000"}),
    "another site": (403, False, {}, {"Origin": "https://elsewhere.example"}),
    "https without a referer": (403, False, {"scheme": "https"}, {}),
    "https": (200, True, {"scheme": "https"}, {"Referer": "https://localhost:8000/admin/"}),
    "another host": (400, False, {}, {"Host": "elsewhere.example"}),
    "no token": (403, False, {}, {"X-CSRFToken": ""}),
    "another token": (403, False, {}, {"X-CSRFToken": "b" * 32}),
    "no cookie": (401, False, {}, {"Cookie": ""}),
    "a session that is none": (401, False, {}, {"Cookie": "modelyard-session=" + "a" * 32}),
    "another query": (400, False, {"query": "nonsense=1"}, {}),
    "a form": (415, False, {}, {"Content-Type": "application/x-www-form-urlencoded"}),
    "an unknown model": (404, False, {"path": "/api/v1/models/none/predict"}, {}),
    "chunks": (200, True, {"chunked": True}, {}),
}


def as_sent(browser: Client, headers: dict[str, str], **different: Any) -> Asked:
    cookies = "; ".join(f"{name}={held.value}" for name, held in browser.cookies.items())
    sent = {"Content-Type": "application/json", "X-CSRFToken": TOKEN, "Cookie": cookies}
    return Asked(headers=sent | {"X-Request-Id": "one"} | headers, **different)


@pytest.mark.parametrize("name", CASES)
def test_both_doors_answer_a_session_alike(browser: Client, name: str) -> None:
    status, is_express, different, headers = CASES[name]
    ask(browser)
    asked = as_sent(browser, headers, **different)
    door, behind = express_door()
    # What nobody has asked for yet goes through Django once.
    door.ask(asked)
    before = behind.requests

    told = door.ask(asked)

    assert told == django_door().ask(asked)
    assert (told.code, behind.requests == before) == (status, is_express)


def test_an_ended_session_is_none_of_the_express_lane_s(browser: Client) -> None:
    door, behind = express_door()
    asked = as_sent(browser, {})
    assert [door.ask(asked).code for _ in range(2)] == [200, 200]
    assert behind.requests == 1

    Session.objects.all().delete()

    assert door.ask(asked).code == 401


def test_sessions_are_limited_by_user_in_both_doors(
    browser: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = as_sent(browser, {})
    express = express_door()[0]
    express.ask(asked)
    settings.MODELYARD = settings.MODELYARD | {"RATE_LIMIT": (2, 3600.0)}
    told = []
    for door in (express, django_door()):
        monkeypatch.setattr(limits, "_limiter", limits._Limiter())
        monkeypatch.setattr(limits._limiter, "is_away", True)
        told.append([door.ask(asked) for _ in range(3)])

    assert [one.code for one in told[0]] == [200, 200, 429]
    assert told[0] == told[1]
