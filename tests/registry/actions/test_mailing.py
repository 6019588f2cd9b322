"""Mails about approvals: who gets which, and that a server that is away loses none."""

from __future__ import annotations

import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from registry.actions import mailing
from registry.actions.aliases import move_alias
from registry.actions.approvals import approve, reject
from registry.models import ApprovalRequest
from tests import people, things

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(settings):
    settings.MODELYARD = settings.MODELYARD | {
        "SENDS_MAIL": True,
        "PUBLIC_URL": "https://models.example.org/yard",
    }
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()


@pytest.fixture
def olga():
    return people.person("olga", role="publisher", email="olga@example.org")


@pytest.fixture
def anna():
    return people.person("anna", role="approver", email="anna@example.org")


@pytest.fixture
def request_(olga):
    version = things.a_version(things.a_model(olga, approval_required=True), olga)
    asked = move_alias(by=olga.by, version=version, alias="champion", reason="Better since May.")
    assert isinstance(asked, ApprovalRequest)
    return asked


def test_only_those_who_may_decide_are_asked(request_, anna):
    people.person("paul", role="publisher", email="paul@example.org")
    people.person("gone", role="manager", email="gone@example.org", is_active=False)
    people.person("mute", role="approver")
    people.person("odd", role="approver", email="no address")
    tariq = people.person("tariq", email="tariq@example.org")
    people.grant(tariq, request_.model, "approver")
    other = people.person("otto", email="otto@example.org")
    people.grant(other, things.a_model(anna_owner(), "other"), "approver")
    people.person("root", is_superuser=True, email="root@example.org")

    assert mailing.send_due_mails() == 1

    (asking,) = mail.outbox
    assert sorted(asking.bcc) == ["anna@example.org", "root@example.org", "tariq@example.org"]
    assert (asking.to, asking.cc) == ([], [])
    assert asking.subject == "Approval asked for: Move churn@champion to version 1"
    assert "olga asks" in asking.body
    assert "Better since May." in asking.body
    page = f"https://models.example.org/yard/admin/registry/approvalrequest/{request_.pk}/"
    assert page in asking.body


def anna_owner():
    return people.person("olaf", role="publisher")


def test_nobody_is_asked_twice_and_the_requester_is_told_how_it_ended(request_, anna):
    mailing.send_due_mails()
    approve(by=anna.by, request=request_, reason="The figures\nhold.")
    mailing.send_due_mails()
    mailing.send_due_mails()

    asked, told = mail.outbox
    assert asked.bcc == ["anna@example.org"]
    assert told.bcc == ["olga@example.org"]
    assert told.subject == "Approved: Move churn@champion to version 1"
    assert "anna has approved" in told.body
    assert "hold." in told.body
    request_.refresh_from_db()
    assert request_.asked_by_mail_at
    assert request_.told_by_mail_at
    assert not mailing.is_any_mail_due()


def test_a_quarantined_version_is_asked_about_too(olga, anna):
    things.a_quarantined_version(things.a_model(olga), olga)

    mailing.send_due_mails()

    assert mail.outbox[0].subject == "Approval asked for: Release churn version 1"


def test_what_is_decided_before_the_mail_went_is_not_asked_any_more(request_, anna):
    reject(by=anna.by, request=request_, reason="no")

    mailing.send_due_mails()

    (told,) = mail.outbox
    assert told.subject.startswith("Rejected: ")


class Away(BaseEmailBackend):
    """A server that nobody reaches."""

    def open(self):
        raise ConnectionRefusedError(111, "refused")


class Choosy(BaseEmailBackend):
    """A server that refuses whoever reads."""

    def send_messages(self, messages):
        raise smtplib.SMTPRecipientsRefused({"anna@example.org": (550, b"no such user")})


class Dying(BaseEmailBackend):
    """A server that goes away in the middle."""

    def send_messages(self, messages):
        raise smtplib.SMTPServerDisconnected("gone")


@pytest.mark.parametrize("backend", [Away, Choosy, Dying])
def test_a_server_that_takes_nothing_loses_nothing(request_, anna, monkeypatch, backend):
    with monkeypatch.context() as patched:
        patched.setattr(mailing, "get_connection", backend)
        assert mailing.send_due_mails() == 0
    assert mailing.is_any_mail_due()

    # Its pause is over.
    cache.clear()
    assert mailing.send_due_mails() == 1
    assert len(mail.outbox) == 1


def test_while_one_sender_is_at_it_another_one_leaves_it_alone(request_, anna, monkeypatch):
    others = []

    class Slow(BaseEmailBackend):
        def send_messages(self, messages):
            monkeypatch.undo()
            others.append(mailing.send_due_mails())

    monkeypatch.setattr(mailing, "get_connection", Slow)
    assert mailing.send_due_mails() == 1
    assert others == [0]
    assert mail.outbox == []


def test_somebody_who_becomes_an_approver_later_is_still_asked(request_):
    assert mailing.send_due_mails() == 0
    people.person("late", role="approver", email="late@example.org")
    cache.clear()

    assert mailing.send_due_mails() == 1


def test_decisions_of_before_there_was_a_mail_server_are_not_told(request_, anna):
    approve(by=anna.by, request=request_, reason="fine")
    ApprovalRequest.objects.update(decided_at=timezone.now() - timedelta(days=8))

    assert mailing.send_due_mails() == 0
    assert not mailing.is_any_mail_due()


def test_without_a_mail_server_nothing_is_looked_at(request_, anna, settings):
    settings.MODELYARD = settings.MODELYARD | {"SENDS_MAIL": False}

    assert mailing.send_due_mails() == 0
    assert not mailing.is_any_mail_due()


def test_a_mail_goes_out_when_the_request_is_kept(olga, anna, django_capture_on_commit_callbacks):
    version = things.a_version(things.a_model(olga, approval_required=True), olga)
    with django_capture_on_commit_callbacks(execute=True):
        move_alias(by=olga.by, version=version, alias="champion")

    assert [message.bcc for message in mail.outbox] == [["anna@example.org"]]
