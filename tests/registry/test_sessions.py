"""Sessions in the database: the cookie opens them, what stands in the row does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from registry.sessions import SessionStore
from tests import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept() -> str:
    """What the cookie of a session says that knows a word."""
    store = SessionStore()
    store["word"] = "xyzzy"
    store.save()
    assert store.session_key is not None
    return store.session_key


def test_the_cookie_finds_its_session_and_the_row_says_another_text(kept: str) -> None:
    row = Session.objects.get()

    assert SessionStore(kept)["word"] == "xyzzy"
    assert kept not in (row.session_key, row.session_data)
    assert SessionStore(row.session_key).load() == {}


def test_a_session_is_changed_renamed_and_taken_away(kept: str) -> None:
    store = SessionStore(kept)
    store["word"] = "plugh"
    store.save()
    assert Session.objects.count() == 1
    store.cycle_key()
    assert not SessionStore().exists(kept)
    assert store.session_key is not None
    assert SessionStore(store.session_key)["word"] == "plugh"
    store.flush()
    assert Session.objects.count() == 0
    SessionStore(kept).delete()


def test_one_that_has_ended_is_not_found(kept: str) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    assert SessionStore(kept).load() == {}


def test_what_a_backup_holds_signs_nobody_in() -> None:
    olga = people.owner()
    browser = olga.session()
    assert browser.get("/api/v1/me").status_code == 200
    thief = Client()
    for text in Session.objects.values_list("session_key", "session_data").get():
        thief.cookies[settings.SESSION_COOKIE_NAME] = text
        assert thief.get("/api/v1/me").status_code == 401
