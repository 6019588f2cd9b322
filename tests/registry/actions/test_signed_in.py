"""Who is signed in is remembered, and forgotten with whatever ends a session."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from registry import changes
from registry.actions.signed_in import SignedIn
from registry.changes import AGE_S, POLL_S
from registry.models import User
from tests import people

pytestmark = pytest.mark.django_db(transaction=True)

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore


class Browser:
    """Olga's browser session, and what is known of it."""

    def __init__(self) -> None:
        self.user = people.owner().user
        self.client = people.Person(self.user).session()
        self.key = self.client.cookies[settings.SESSION_COOKIE_NAME].value
        self.signed_in = SignedIn()

    def request(self) -> HttpRequest:
        request = RequestFactory().post("/")
        request.session = SessionStore(self.key)
        return request

    def asks(self) -> User | None:
        return self.signed_in.user_of(self.request())

    def queries(self) -> int:
        with CaptureQueriesContext(connection) as asked:
            self.asks()
        return len(asked)

    def sets_a_password(self) -> None:
        self.user.set_password("another-long-pass-word")
        self.user.save(update_fields=["password"])


@pytest.fixture
def browser(only_our_news: None) -> Browser:
    """Then only what a test writes, and age, make anybody ask again."""
    return Browser()


def test_a_session_that_is_known_costs_no_query(browser: Browser) -> None:
    assert browser.queries() > 0
    assert browser.queries() == 0
    assert browser.asks() == browser.user


def test_an_answer_from_memory_still_depends_on_the_cookie(browser: Browser) -> None:
    browser.asks()
    request = browser.request()

    browser.signed_in.user_of(request)

    assert request.session.accessed
    assert not request.session.modified


ENDS: dict[str, Callable[[Browser], object]] = {
    "signs out": lambda b: b.client.logout(),
    "is signed out by an administrator": lambda b: Session.objects.all().delete(),
    "has a session that ends earlier": lambda b: Session.objects.update(
        expire_date="2000-01-01T00:00:00Z"
    ),
    "leaves": lambda b: User.objects.update(is_active=False),
    "is deleted": lambda b: User.objects.filter(pk=b.user.pk).delete(),
    "has a new password": Browser.sets_a_password,
}


@pytest.mark.parametrize("what", ENDS)
def test_nobody_is_signed_in_after_somebody(browser: Browser, what: str) -> None:
    assert browser.asks() == browser.user

    ENDS[what](browser)

    assert browser.asks() is None
    assert browser.asks() is None


def test_a_session_is_not_remembered_beyond_its_end(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.asks()
    later_s = time.time() + settings.SESSION_COOKIE_AGE + 1
    monkeypatch.setattr(time, "time", lambda: later_s)

    assert browser.queries() > 0


@pytest.mark.parametrize(("is_in_touch", "age_s"), [(True, AGE_S), (False, POLL_S)])
def test_what_is_old_is_asked_for_again(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, is_in_touch: bool, age_s: float
) -> None:
    monkeypatch.setattr(changes, "is_in_touch", lambda now_s=None: is_in_touch)
    browser.asks()
    later_s = time.monotonic() + age_s
    monkeypatch.setattr(time, "monotonic", lambda: later_s)

    assert browser.queries() > 0


def test_nothing_puts_the_end_of_a_session_off(browser: Browser) -> None:
    ends = Session.objects.get().expire_date
    for _ in range(3):
        browser.asks()

    assert Session.objects.get().expire_date == ends


def test_what_a_transaction_sees_is_not_remembered(browser: Browser) -> None:
    with transaction.atomic():
        browser.asks()

    assert browser.queries() > 0


def test_a_change_while_it_was_read_is_not_overlooked(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.actions import signed_in

    found = signed_in.get_user

    def slow(request: HttpRequest) -> object:
        user = found(request)
        Session.objects.all().delete()
        return user

    monkeypatch.setattr(signed_in, "get_user", slow)
    assert browser.asks() == browser.user
    monkeypatch.undo()

    assert browser.asks() is None


def test_a_cookie_without_a_session_is_nobody(browser: Browser) -> None:
    for key in (None, "", "short", "a" * 32, "x" * 5000):
        browser.key = key
        assert browser.asks() is None


def test_those_read_longest_ago_are_forgotten_first(browser: Browser) -> None:
    browser.signed_in = SignedIn(size=2)
    keys = [browser.key]
    for name in ("tariq", "tess"):
        other = Client()
        other.force_login(people.person(name).user, backend=settings.AUTHENTICATION_BACKENDS[1])
        keys.append(other.cookies[settings.SESSION_COOKIE_NAME].value)
    for browser.key in keys:
        browser.asks()

    asked = []
    for browser.key in reversed(keys):
        asked.append(browser.queries() > 0)
    assert asked == [False, False, True]
