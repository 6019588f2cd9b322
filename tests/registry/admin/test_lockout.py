"""Signing in and out with a password: what is written down, and who has to wait."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from registry.models import AuditEvent
from tests import people

pytestmark = pytest.mark.django_db
RIGHT = {"username": "olga", "password": "a-long-pass-word"}


def events() -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.order_by("id")
    return [(row.action, row.actor, row.object_name) for row in rows]


@pytest.fixture(autouse=True)
def memory(settings) -> None:
    """A cache of this process's own."""
    local = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {"default": {"BACKEND": local}}
    cache.clear()


def test_who_guesses_passwords_is_told_to_wait_by_our_own_page():
    people.owner()
    guesser = Client()
    form = {"username": "olga", "password": "wrong"}
    answers = [guesser.post("/admin/login/", form) for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert [a.status_code for a in answers[:-1]] == [200] * (len(answers) - 1)
    assert answers[-1].status_code == 429
    assert "registry/locked_out.html" in [t.name for t in answers[-1].templates]
    refused = ("user.sign_in_refused", "modelyard", "olga")
    assert events() == [refused] * 7 + [("user.lock_out", "modelyard", "olga")]

    assert guesser.post("/admin/login/", RIGHT).status_code == 429
    assert len(events()) == 8, "who goes on is written down once a minute"
    cache.clear()
    assert guesser.post("/admin/login/", RIGHT).status_code == 429
    assert events()[8:] == [("user.lock_out", "modelyard", "olga")]


def test_who_comes_and_goes_is_written_down_once():
    olga, browser = people.person("olga", is_staff=True), Client()

    came = browser.post("/admin/login/", RIGHT)
    gone = browser.post("/admin/logout/")
    again = browser.post("/admin/logout/")

    assert [came.status_code, gone.status_code, again.status_code] == [302, 200, 302]
    entered, left = AuditEvent.objects.order_by("id")
    for event, action in ((entered, "user.sign_in"), (left, "user.sign_out")):
        assert (event.action, event.actor, event.object_id) == (action, "olga", str(olga.user.pk))
        assert event.after["address"] == "127.0.0.1"
    assert entered.after["way"] == "password"
    assert (entered.request_id, left.request_id) == (came["X-Request-Id"], gone["X-Request-Id"])


def test_what_was_typed_for_a_name_is_not_written_down_and_an_empty_form_is_no_try():
    browser = Client()

    answer = browser.post("/admin/login/", {"username": "my-secret-word", "password": "x"})
    browser.post("/admin/login/", {"username": "olga"})

    event = AuditEvent.objects.get()
    assert (event.action, event.object_name) == (
        "user.sign_in_refused",
        "somebody who is not known",
    )
    assert event.request_id == answer["X-Request-Id"]


def test_who_may_not_open_the_pages_is_refused_once():
    tom = people.person("tom", is_staff=False)

    assert Client().post("/admin/login/", {**RIGHT, "username": "tom"}).status_code == 200

    event = AuditEvent.objects.get()
    assert (event.action, event.object_id) == ("user.sign_in_refused", str(tom.user.pk))
