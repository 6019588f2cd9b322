"""A forgotten password: a link by mail, which says nothing to those whom it is not for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core import mail
from django.test import Client, override_settings

from registry.actions import passwords
from registry.models import AuditEvent
from tests import people

ASK = "/sign-in/forgotten"
PUBLIC = "https://models.example.org/yard"
NEW = {"new_password1": "a-better-pass-word", "new_password2": "a-better-pass-word"}
_HANDLER = Client().handler

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("mails")]


@pytest.fixture
def mails(valkey: redis.Redis) -> Iterator[None]:
    """A mail server is named, and the service has a public address."""
    told = {**settings.MODELYARD, "SENDS_MAIL": True, "PUBLIC_URL": PUBLIC}
    with override_settings(MODELYARD=told):
        yield


def a_browser(**options: Any) -> Client:
    """A browser without a session."""
    client = Client(**options)
    client.handler = _HANDLER
    return client


def link_of(message: mail.EmailMessage) -> str:
    """The path of the link in a mail, as the service sees it behind its proxy."""
    found = re.search(rf"^{re.escape(PUBLIC)}(/\S+)$", str(message.body), re.MULTILINE)
    assert found, message.body
    return found[1]


def test_the_link_of_the_mail_leads_to_another_password() -> None:
    olga = people.person("olga", email="olga@example.org", is_staff=True)
    elsewhere = olga.session()
    asked = a_browser().post(ASK, {"email": "Olga@Example.org"}, headers={"Host": "localhost"})
    assert asked["Location"] == "/sign-in/forgotten/asked"
    [message] = mail.outbox
    assert message.to == ["olga@example.org"]
    browser = a_browser()
    page = browser.get(link_of(message))
    assert page["Location"].endswith("/set-password")
    assert browser.get(page["Location"]).status_code == 200
    assert browser.post(page["Location"], NEW)["Location"] == "/sign-in/new-password"
    assert browser.get("/sign-in/new-password").status_code == 200
    olga.user.refresh_from_db()
    assert olga.user.check_password("a-better-pass-word")
    assert elsewhere.get("/admin/").status_code == 302
    event = AuditEvent.objects.get(action="user.password")
    assert (event.actor, event.object_name, event.reason) == ("olga", "olga", "a link by mail")
    again = a_browser().get(link_of(message))
    assert b"of no use any more" in again.content


def test_a_weak_password_is_not_taken_and_the_link_stays_good() -> None:
    people.person("olga", email="olga@example.org")
    a_browser().post(ASK, {"email": "olga@example.org"})
    browser = a_browser()
    page = browser.get(link_of(mail.outbox[0]))["Location"]
    weak = {"new_password1": "12345", "new_password2": "12345"}
    refused = browser.post(page, weak)
    assert refused.status_code == 200
    assert b"too short" in refused.content
    assert browser.post(page, NEW).status_code == 302


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("nobody@example.org", {}),
        ("olga@example.org", {"is_active": False}),
        ("", {"email": ""}),
    ],
)
def test_whoever_may_have_no_link_is_answered_alike_and_gets_none(
    address: str, fields: dict[str, Any]
) -> None:
    people.person("olga", **{"email": "olga@example.org", **fields})
    answer = a_browser().post(ASK, {"email": address})
    assert answer.status_code == (302 if address else 200)
    assert mail.outbox == []


def test_somebody_of_single_sign_on_gets_no_password_here() -> None:
    nora = people.person("nora", email="nora@example.org").user
    nora.set_unusable_password()
    nora.save()
    assert a_browser().post(ASK, {"email": "nora@example.org"}).status_code == 302
    assert mail.outbox == []


def test_one_person_gets_one_mail_however_often_it_is_asked_for() -> None:
    people.person("olga", email="olga@example.org")
    for _ in range(5):
        assert a_browser().post(ASK, {"email": "olga@example.org"}).status_code == 302
    assert len(mail.outbox) == 1


def test_who_asks_all_day_is_told_to_wait() -> None:
    answers = [
        a_browser().post(ASK, {"email": f"a{i}@example.org"})
        for i in range(passwords.ASKED_FROM_ONE_ADDRESS + 1)
    ]
    assert [a.status_code for a in answers[:-1]] == [302] * passwords.ASKED_FROM_ONE_ADDRESS
    assert b"Too many questions" in answers[-1].content
    elsewhere = a_browser(REMOTE_ADDR="203.0.113.9").post(ASK, {"email": "a@example.org"})
    assert elsewhere.status_code == 302


def test_a_new_password_opens_what_wrong_ones_had_locked() -> None:
    people.person("olga", email="olga@example.org", is_staff=True)
    for _ in range(settings.AXES_FAILURE_LIMIT):
        a_browser().post("/admin/login/", {"username": "olga", "password": "wrong"})
    a_browser().post(ASK, {"email": "olga@example.org"})
    browser = a_browser()
    browser.post(browser.get(link_of(mail.outbox[0]))["Location"], NEW)
    form = {"username": "olga", "password": "a-better-pass-word"}
    assert a_browser().post("/admin/login/", form).status_code == 302


def test_without_a_mail_server_the_page_says_who_can_help() -> None:
    with override_settings(MODELYARD={**settings.MODELYARD, "SENDS_MAIL": False}):
        page = a_browser().get(ASK)
        a_browser().post(ASK, {"email": "olga@example.org"})
    assert b"No mails are sent from here." in page.content
    assert b"Send the link" not in page.content
    assert mail.outbox == []


def test_where_nobody_has_a_password_there_is_nothing_to_forget() -> None:
    with override_settings(MODELYARD={**settings.MODELYARD, "PASSWORD_SIGN_IN": False}):
        for path in (ASK, f"{ASK}/asked", "/sign-in/new-password", "/sign-in/new-password/x/y"):
            assert a_browser().get(path).status_code == 404


@pytest.mark.parametrize("uid", ["x", "AAAA", "%00", "MDE5MzU", "a" * 3000])
def test_a_made_up_link_is_of_no_use(uid: str) -> None:
    assert b"of no use any more" in a_browser().get(f"/sign-in/new-password/{uid}/abc-def").content


def test_ones_own_change_is_written_down() -> None:
    olga = people.person("olga", is_staff=True)
    browser = olga.session()
    form = {"old_password": "a-long-pass-word", **NEW}
    answer = browser.post("/admin/password_change/", form)
    assert answer["Location"] == "/admin/password_change/done/"
    assert browser.get("/admin/").status_code == 200
    assert AuditEvent.objects.get(action="user.password").actor == "olga"
