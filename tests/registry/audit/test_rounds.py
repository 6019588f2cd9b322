"""The chain is gone through again and again, and the pages say what was found."""

from __future__ import annotations

import logging

import pytest
from django.core.cache import cache

from registry import chain
from registry.actions import audit_rounds, sealer
from registry.actions.audit_rounds import Rounds, last_checked
from registry.models import AuditEvent
from tests import people
from tests.registry.audit.test_sealer import an_event
from tests.registry.audit.test_verify_audit import behind_the_triggers, stored

pytestmark = pytest.mark.django_db

LIST = "/admin/registry/auditevent/"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A cache of this test's own."""
    held: dict[str, object] = {}
    monkeypatch.setattr(cache, "get", held.get, raising=False)
    monkeypatch.setattr(cache, "set", lambda key, value, timeout: held.update({key: value}))
    return held


def sealed_events(count: int) -> list[AuditEvent]:
    events = [an_event(object_name=str(number)) for number in range(count)]
    sealer.seal_waiting()
    return events


def alter(event: AuditEvent) -> None:
    behind_the_triggers(
        "UPDATE registry_auditevent SET actor = 'mallory' WHERE id = %s", [stored(event)]
    )


def page(who: people.Person, path: str = LIST) -> str:
    answer = who.session().get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def staff(username: str, role: str) -> people.Person:
    return people.person(username, role=role, is_staff=True)


@pytest.mark.usefixtures("kept")
def test_a_round_takes_a_few_links_at_each_step(monkeypatch):
    monkeypatch.setattr(audit_rounds, "STEP", 2)
    sealed_events(5)
    rounds = Rounds()

    for _ in range(2):
        rounds.step()
        assert last_checked() is None
    rounds.step()

    checked = last_checked()
    assert checked is not None
    assert (checked.place, checked.hash) == chain.head()
    assert (checked.count, checked.findings) == (0, [])


@pytest.mark.usefixtures("kept")
def test_after_a_round_the_next_waits_for_its_time(monkeypatch):
    rounds = Rounds()
    rounds.step()
    first = last_checked()
    rounds.step()
    assert last_checked() == first

    monkeypatch.setattr(rounds, "_next_s", 0.0)
    rounds.step()
    assert last_checked() != first


@pytest.mark.usefixtures("kept")
def test_what_a_round_finds_is_kept_counted_and_logged(monkeypatch, caplog):
    monkeypatch.setattr(audit_rounds, "SHOWN", 2)
    for event in sealed_events(4)[:3]:
        alter(event)

    Rounds().step()

    checked = last_checked()
    assert checked is not None
    assert (checked.count, len(checked.findings)) == (3, 2)
    (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "The audit trail is not whole, see `manage.py verify_audit`: 3" in said.getMessage()


@pytest.mark.usefixtures("kept")
def test_a_chain_that_was_cut_short_since_the_last_round_is_told():
    last = sealed_events(3)[-1]
    Rounds().step()
    behind_the_triggers("DELETE FROM registry_auditseal WHERE id = 3", [])
    behind_the_triggers("DELETE FROM registry_auditevent WHERE id = %s", [stored(last)])

    Rounds().step()

    checked = last_checked()
    assert checked is not None
    assert checked.place == 2
    (finding,) = checked.findings
    assert "Seal 3, noted as" in finding


def test_without_a_cache_nothing_is_known_and_nothing_breaks(caplog):
    sealed_events(1)

    Rounds().step()

    assert last_checked() is None
    assert "pages do not show the state of the chain" in caplog.text


@pytest.mark.usefixtures("kept")
def test_a_manager_sees_that_the_chain_holds_and_may_export():
    sealed_events(3)
    marie = staff("marie", "manager")
    assert "the whole trail not yet" in page(marie)
    Rounds().step()

    shown = page(marie)

    assert "The chain holds." in shown
    assert "3:" + chain.head()[1] in shown
    assert "the whole trail <time" in shown
    assert 'href="/api/v1/audit/export"' in shown


@pytest.mark.usefixtures("kept")
def test_others_see_their_own_events_and_nothing_of_the_chain():
    shown = page(staff("anna", "approver"))

    assert "chain" not in shown
    assert "Export" not in shown


@pytest.mark.usefixtures("kept")
def test_a_new_alteration_is_seen_at_once_and_an_old_one_after_the_round(monkeypatch):
    monkeypatch.setattr("registry.admin.audit_events.NEWEST", 2)
    events = sealed_events(4)
    marie = staff("marie", "manager")
    alter(events[0])
    assert "The chain holds." in page(marie)

    Rounds().step()
    assert f"Event {events[0].pk}" in page(marie)
    alter(events[3])

    shown = page(marie)
    assert "The trail is not whole." in shown
    assert f"Event {events[3].pk}" in shown
    assert f"Event {events[0].pk}" in shown


@pytest.mark.usefixtures("kept")
def test_a_missing_trigger_is_seen_at_once():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER registry_auditevent_no_update")

    assert "registry_auditevent_no_update is missing" in page(staff("marie", "manager"))


@pytest.mark.usefixtures("kept")
def test_the_page_of_an_event_shows_its_seal_and_whether_it_fits():
    event = an_event()
    marie = staff("marie", "manager")
    path = f"{LIST}{event.pk}/"
    assert "follows within a second" in page(marie, path)
    sealer.seal_waiting()
    assert "and it fits" in page(marie, path)

    alter(event)

    assert "It does not fit its seal" in page(marie, path)
