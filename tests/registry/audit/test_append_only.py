"""The database itself refuses to alter the audit trail, whoever asks."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from registry import append_only
from registry.models import AuditEvent, AuditSeal
from tests import people, things

ZEROS = "0" * 64


@pytest.fixture
def rows() -> AuditEvent:
    things.a_model(people.owner())
    event = AuditEvent.objects.get()
    AuditSeal.objects.create(id=1, event_id=event.pk, hash="a" * 64, previous=ZEROS)
    return event


def refused(statement: str, parameters: list[Any] | None = None) -> str:
    with (
        pytest.raises(DatabaseError) as caught,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, parameters)
    return str(caught.value)


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def names_missing() -> list[str]:
    found = run_checks(tags=["database"], databases=["default"])
    return [one.msg for one in found if one.id == "registry.W001"]


ALTERING = [
    "UPDATE {table} SET id = id",
    "DELETE FROM {table}",
    "DELETE FROM {table} WHERE id IS NOT NULL",
]


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ALTERING)
@pytest.mark.parametrize("table", append_only.TABLES)
@pytest.mark.usefixtures("rows")
def test_sqlite_refuses_to_alter_a_row(table: str, statement: str) -> None:
    assert f"{table} is append-only" in refused(statement.format(table=table))


@pytest.mark.postgres
@pytest.mark.parametrize("statement", [*ALTERING, "TRUNCATE {table}"])
@pytest.mark.parametrize("table", append_only.TABLES)
def test_postgresql_refuses_to_alter_a_row(table: str, statement: str) -> None:
    things.a_model(people.owner())

    assert f"{table} is append-only" in refused(statement.format(table=table))
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["id", "event_id", "hash", "previous"])
def test_a_seal_is_not_replaced_by_another_with_the_same_value(
    rows: AuditEvent, column: str
) -> None:
    other = {"id": 2, "event_id": "b" * 32, "hash": "b" * 64, "previous": "b" * 64}
    same = {"id": 1, "event_id": rows.pk.hex, "hash": "a" * 64, "previous": ZEROS}
    values = {**other, column: same[column]}

    said = refused(
        "REPLACE INTO registry_auditseal (id, event_id, hash, previous, sealed_at)"
        " VALUES (%s, %s, %s, %s, '2026-01-01')",
        list(values.values()),
    )

    assert "append-only: replace refused" in said
    assert AuditSeal.objects.get().hash == "a" * 64


@pytest.mark.django_db
def test_an_event_is_not_replaced(rows: AuditEvent) -> None:
    said = refused("REPLACE INTO registry_auditevent SELECT * FROM registry_auditevent")

    assert "append-only: replace refused" in said
    assert AuditEvent.objects.get().actor == rows.actor


@pytest.mark.django_db
def test_django_cannot_alter_it_either(rows: AuditEvent) -> None:
    for alter in (rows.delete, rows.save, AuditEvent.objects.all().delete):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            alter()


@pytest.mark.django_db
def test_new_events_are_written_as_ever(rows: AuditEvent) -> None:
    things.a_model(people.person("otto", role="publisher"), "second")

    assert AuditEvent.objects.count() == 2


@pytest.mark.django_db
def test_a_missing_trigger_is_named_by_a_check_and_set_by_a_migration() -> None:
    assert names_missing() == []

    run("DROP TRIGGER registry_auditevent_no_delete")

    (said,) = names_missing()
    assert "registry_auditevent_no_delete" in said
    assert "registry_auditevent could be changed" in said
    call_command("migrate", stdout=io.StringIO(), verbosity=0)
    assert names_missing() == []


@pytest.mark.django_db
def test_a_trigger_that_does_nothing_is_as_good_as_none() -> None:
    run("DROP TRIGGER registry_auditseal_no_update")
    run(
        "CREATE TRIGGER registry_auditseal_no_update BEFORE UPDATE ON registry_auditseal"
        " BEGIN SELECT 1; END"
    )

    assert "registry_auditseal_no_update" in names_missing()[0]


@pytest.mark.postgres
def test_on_postgresql_a_trigger_switched_off_or_emptied_is_named_and_set_again() -> None:
    assert names_missing() == []
    for break_it in (
        "DROP TRIGGER registry_auditevent_append_only ON registry_auditevent",
        "ALTER TABLE registry_auditevent DISABLE TRIGGER registry_auditevent_append_only",
        "ALTER TABLE registry_auditevent ENABLE REPLICA TRIGGER registry_auditevent_append_only",
    ):
        run(break_it)
        (said,) = names_missing()
        assert "registry_auditevent_append_only" in said, break_it
        append_only.set_triggers(connection)
        assert names_missing() == []
    run(
        "CREATE OR REPLACE FUNCTION registry_append_only() RETURNS trigger LANGUAGE plpgsql"
        " AS $$BEGIN RETURN NULL; END$$"
    )
    assert len(names_missing()) == 2
    append_only.set_triggers(connection)
    assert names_missing() == []


@pytest.mark.django_db
def test_before_the_tables_are_there_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.introspection, "table_names", list)

    assert append_only.missing(connection) == []


@pytest.mark.django_db(transaction=True)
def test_a_test_that_empties_the_tables_can(rows: AuditEvent) -> None:
    call_command("flush", interactive=False, verbosity=0)

    assert (AuditEvent.objects.count(), names_missing()) == (0, [])
