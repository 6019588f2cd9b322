"""Committed events are sealed once each, in a chain that never forks, whoever else is at it."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from registry import audit, chain
from registry.actions import audit_check, sealer
from registry.ids import uuid7
from registry.models import AuditEvent, AuditSeal
from tests import people
from tests.services.processes import wait_until


def an_event(**values: object) -> AuditEvent:
    fields = {"actor": "olga", "action": "model.create", "object_kind": "registeredmodel"}
    named = {"object_id": "1", "object_name": "churn"}
    return AuditEvent.objects.create(**{**fields, **named, **values})


def made_at(ago: timedelta) -> uuid.UUID:
    """An id as if it had been made that long ago."""
    milliseconds = int((datetime.now(UTC) - ago).timestamp() * 1000)
    return uuid.UUID(int=(milliseconds << 80) | (uuid7().int & ((1 << 80) - 1)))


def is_whole() -> bool:
    walk = audit_check.Walk()
    return not list(walk.findings()) and walk.place == AuditEvent.objects.count()


@pytest.fixture
def thread() -> Iterator[sealer.Sealer]:
    running = sealer.Sealer()
    yield running
    running.stop()


@pytest.mark.django_db
def test_every_event_gets_one_link_that_names_the_one_before():
    events = [an_event(object_name=name) for name in ("a", "b", "c")]

    assert sealer.seal_waiting() == 3

    seals = list(AuditSeal.objects.all())
    assert [seal.id for seal in seals] == [1, 2, 3]
    assert [seal.event_id for seal in seals] == [event.pk for event in events]
    assert [seal.previous for seal in seals] == ["0" * 64, seals[0].hash, seals[1].hash]
    assert sealer.seal_waiting() == 0
    assert is_whole()


@pytest.mark.django_db
def test_many_events_are_sealed_in_several_transactions(monkeypatch):
    monkeypatch.setattr(sealer, "BATCH", 4)
    for number in range(10):
        an_event(object_name=str(number))

    assert sealer.seal_waiting() == 10
    assert is_whole()


@pytest.mark.django_db
def test_an_older_id_that_is_committed_late_is_sealed_too():
    an_event()
    sealer.seal_waiting()
    late = an_event(id=made_at(timedelta(minutes=5)))

    assert sealer.seal_waiting(sealer._id_before_window()) == 1
    assert AuditSeal.objects.get(id=2).event_id == late.pk
    assert is_whole()


@pytest.mark.django_db
def test_what_is_older_than_the_window_is_left_to_the_sweep():
    an_event(id=made_at(timedelta(minutes=15)))

    assert sealer.seal_waiting(sealer._id_before_window()) == 0
    assert sealer.seal_waiting() == 1


@pytest.mark.django_db
def test_any_text_and_any_number_can_be_sealed():
    an_event(
        reason="ünï \u202e = \\ \" ' 日本 \U0001f512",
        before={"n": 1e22, "m": 10**40, "z": -0.0, "t": 2**53 + 1, "deep": [{"a": [1.5, None]}]},
        after={},
    )

    assert sealer.seal_waiting() == 1
    assert is_whole()


@pytest.mark.postgres
def test_numbers_are_sealed_alike_on_both_databases():
    value = {"a": 1e22, "b": 10**40, "c": 1.0, "d": 1, "e": 0.1, "f": 2**53 + 1, "g": -0.0}
    an_event(after=value)
    ((event, _),) = chain.events_of(chain.unsealed_ids(chain.FIRST, 10))

    assert event["after"] == chain._plain(value)
    assert sealer.seal_waiting() == 1
    assert is_whole()


@pytest.mark.django_db
def test_without_events_nothing_is_written():
    assert sealer.seal_waiting() == 0
    assert chain.head() == (0, "0" * 64)


@pytest.mark.django_db
def test_two_that_start_from_the_same_link_cannot_both_go_on():
    an_event()
    an_event()
    events = [event for event, _ in chain.events_of(chain.unsealed_ids(chain.FIRST, 10))]
    sealer._append(events[:1])

    fork = {"id": 2, "event_id": uuid7(), "hash": "f" * 64, "previous": "0" * 64}
    with pytest.raises(IntegrityError, match=r"previous|append-only"), transaction.atomic():
        AuditSeal.objects.create(**fork)


@pytest.mark.django_db
def test_who_comes_second_leaves_it_to_the_first(monkeypatch):
    an_event()
    monkeypatch.setattr(sealer, "_append", lambda events: (_ for _ in ()).throw(IntegrityError()))

    assert sealer.seal_waiting() == 0


def in_thread(work):
    def run():
        try:
            return work()
        finally:
            connection.close()

    return run


@pytest.mark.postgres
def test_while_another_seals_nothing_is_done():
    an_event()
    has_lock, go_on = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            assert sealer._is_ours()
            has_lock.set()
            assert go_on.wait(20)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(in_thread(hold))
        assert has_lock.wait(20)
        assert sealer.seal_waiting() == 0
        go_on.set()
        held.result(20)

    assert sealer.seal_waiting() == 1


def seal_while_others_write(writers: int, each: int) -> None:
    """Writers hold their events uncommitted while later ones are sealed; two sealers at once."""
    is_over = threading.Event()

    def write():
        for _ in range(each):
            with transaction.atomic():
                audit.record(None, "model.update", people.User(username="x"))
                audit.record(None, "model.update", people.User(username="y"))

    def seal():
        while not is_over.is_set():
            sealer.seal_waiting()

    with ThreadPoolExecutor(writers + 2) as pool:
        sealing = [pool.submit(in_thread(seal)) for _ in range(2)]
        writing = [pool.submit(in_thread(write)) for _ in range(writers)]
        for one in writing:
            one.result(60)
        is_over.set()
        for one in sealing:
            one.result(60)
    sealer.seal_waiting()


@pytest.mark.postgres
def test_two_sealers_under_busy_writers_make_one_chain():
    seal_while_others_write(writers=4, each=25)

    assert AuditSeal.objects.count() == 200
    assert is_whole()


@pytest.mark.django_db(transaction=True)
def test_two_sealers_under_busy_writers_make_one_chain_on_sqlite():
    seal_while_others_write(writers=2, each=10)

    assert AuditSeal.objects.count() == 40
    assert is_whole()


@pytest.mark.postgres
def test_the_thread_seals_what_is_committed_while_it_runs(thread, monkeypatch):
    monkeypatch.setattr(sealer, "EVERY_S", 0.01)
    thread.start()

    an_event()
    wait_until(lambda: AuditSeal.objects.count() == 1, 30, "the first is sealed")
    with transaction.atomic():
        older = an_event(id=made_at(timedelta(minutes=2)))
        assert not AuditSeal.objects.filter(event_id=older.pk).exists()
    wait_until(lambda: AuditSeal.objects.count() == 2, 30, "the older one is sealed")

    assert is_whole()


@pytest.mark.postgres
def test_the_thread_outlives_a_broken_session_and_says_so_once(thread, monkeypatch, caplog):
    monkeypatch.setattr(sealer, "EVERY_S", 0.01)
    seal, tries = sealer.seal_waiting, []

    def failing(after: str) -> int:
        tries.append(after)
        if len(tries) < 4:
            raise OperationalError("the session is gone")
        return seal(after)

    def said() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.name == sealer.__name__]

    monkeypatch.setattr(sealer, "seal_waiting", failing)
    an_event()
    with caplog.at_level(logging.INFO, logger=sealer.__name__):
        thread.start()
        wait_until(lambda: AuditSeal.objects.count() == 1, 30, "it is sealed after all")
        wait_until(lambda: len(said()) == 2, 30, "it says so")

    assert said() == [
        "Audit events wait to be sealed: the session is gone",
        "Audit events are sealed again.",
    ]
    # The sweep that failed is made up for.
    assert tries[:4] == [chain.FIRST] * 4
