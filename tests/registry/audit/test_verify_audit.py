"""`manage.py verify_audit` names what was altered, taken away or never sealed."""

from __future__ import annotations

import gc
import io
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from registry import append_only, chain
from registry.actions import audit_check, sealer
from registry.models import AuditEvent, AuditSeal
from tests.registry.audit.test_sealer import an_event, made_at


def verify(*arguments: str) -> tuple[int, list[str]]:
    """The exit code and the lines."""
    out = io.StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=out)
    except SystemExit as left:
        return int(str(left.code)), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def behind_the_triggers(statement: str, parameters: list[object] | None = None) -> None:
    """What somebody does who owns the database, and puts everything back in its place."""
    append_only.drop_triggers(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(statement, parameters)
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
    append_only.set_triggers(connection)


@pytest.fixture
def three() -> list[AuditEvent]:
    events = [an_event(object_name=name, after={"name": name}) for name in ("a", "b", "c")]
    sealer.seal_waiting()
    return events


def stored(event: AuditEvent) -> str:
    return chain.as_stored(str(event.pk))


def altered(column: str, value: object) -> Callable[[AuditEvent], None]:
    def alter(event: AuditEvent) -> None:
        behind_the_triggers(
            f'UPDATE registry_auditevent SET "{column}" = %s WHERE id = %s', [value, stored(event)]
        )

    return alter


ALTERED = {
    "at": "2020-01-01 00:00:00",
    "actor": "mallory",
    "actor_id": "9",
    "key_id": "abcd1234",
    "action": "model.delete",
    "object_kind": "dataset",
    "object_id": "2",
    "object_name": "other",
    "before": '{"name": "b"}',
    "after": '{"name": "d"}',
    "reason": "because",
    "request_id": "r",
}


def test_every_column_of_an_event_is_tried():
    assert {*ALTERED, "id"} == set(chain.COLUMNS)
    assert set(chain.COLUMNS) == {field.column for field in AuditEvent._meta.concrete_fields}


@pytest.mark.django_db
@pytest.mark.usefixtures("three")
def test_a_whole_trail_is_whole():
    code, lines = verify()

    place, hash_ = chain.head()
    assert (code, lines) == (0, [f"3 sealed events, whole; last seal {place}:{hash_}"])


@pytest.mark.django_db
@pytest.mark.parametrize("column", ALTERED)
def test_an_altered_column_is_named_with_its_event(three: list[AuditEvent], column: str):
    altered(column, ALTERED[column])(three[1])

    code, lines = verify()

    assert (code, len(lines)) == (1, 2)
    assert lines[0].startswith(f"altered: Event {three[1].pk} ")
    assert lines[0].endswith("does not fit its seal 2: one of the two is altered.")
    assert "NOT whole" in lines[1]


@pytest.mark.postgres
@pytest.mark.parametrize("column", ["at", "actor", "after"])
def test_an_altered_column_is_named_on_postgresql_too(three: list[AuditEvent], column: str):
    altered(column, ALTERED[column])(three[1])

    code, lines = verify()

    assert code == 1
    assert lines[0].startswith(f"altered: Event {three[1].pk} ")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("column", "value"), [("at", "yesterday"), ("after", "{"), ("after", "[" * 5000), ("actor", 7)]
)
def test_what_is_no_time_and_no_json_is_an_alteration_and_no_crash(three, column, value):
    altered(column, value)(three[0])

    code, lines = verify()

    assert code == 1
    assert lines[0].startswith(f"altered: Event {three[0].pk} ")


@pytest.mark.django_db
def test_an_event_that_was_taken_away_leaves_its_seal(three: list[AuditEvent]):
    behind_the_triggers("DELETE FROM registry_auditevent WHERE id = %s", [stored(three[1])])

    code, lines = verify()

    assert code == 1
    assert lines[0] == f"missing: Event {three[1].pk} is missing; seal 2 names it."
    assert len(lines) == 2


@pytest.mark.django_db
def test_an_event_whose_id_was_altered_is_missing_and_another_unsealed(three: list[AuditEvent]):
    other = made_at(timedelta(minutes=3))
    behind_the_triggers(
        "UPDATE registry_auditevent SET id = %s, at = '2026-01-01 00:00:00' WHERE id = %s",
        [other.hex, stored(three[1])],
    )

    code, lines = verify()

    assert code == 1
    assert lines[0].startswith(f"missing: Event {three[1].pk} is missing")
    assert lines[1].startswith(f"unsealed: Event {other} ")


@pytest.mark.django_db
@pytest.mark.usefixtures("three")
def test_seals_that_were_taken_away_are_named_by_their_places():
    for _ in range(3):
        an_event()
    sealer.seal_waiting()
    behind_the_triggers("DELETE FROM registry_auditseal WHERE id IN (2, 4, 5)")

    _, lines = verify()

    assert lines[:2] == ["missing: Seal 2 is missing.", "missing: Seals 4 to 5 are missing."]


@pytest.mark.django_db
@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("column", ["hash", "previous"])
def test_an_altered_seal_does_not_go_unnoticed(column: str):
    behind_the_triggers(f"UPDATE registry_auditseal SET {column} = %s WHERE id = 2", ["0f" * 32])

    code, lines = verify()

    assert code == 1
    assert any("does not fit its seal 2" in line for line in lines)
    assert any("does not follow" in line for line in lines)


@pytest.mark.django_db
def test_seals_of_two_events_that_were_exchanged_fit_neither(three: list[AuditEvent]):
    first, second = (seal.event_id.hex for seal in AuditSeal.objects.all()[:2])
    behind_the_triggers(
        "UPDATE registry_auditseal SET event_id = CASE id WHEN 1 THEN 'x' ELSE 'y' END WHERE id < 3"
    )
    for place, event in ((1, second), (2, first)):
        behind_the_triggers(
            "UPDATE registry_auditseal SET event_id = %s WHERE id = %s", [event, place]
        )

    code, lines = verify()

    assert (code, len(lines)) == (1, 3)


@pytest.mark.django_db
def test_an_event_that_nobody_has_sealed_for_a_minute_has_an_exit_code_of_its_own(
    three: list[AuditEvent], monkeypatch: pytest.MonkeyPatch
):
    event = an_event(object_name="waits")
    assert verify()[0] == 0

    monkeypatch.setattr(audit_check, "GRACE", timedelta(minutes=-1))
    code, lines = verify()

    assert code == 3
    assert lines[0].startswith(f"unsealed: Event {event.pk} (model.create waits, ")


@pytest.mark.django_db
def test_an_event_that_somebody_has_put_in_is_unsealed_or_sealed_and_then_part_of_the_chain():
    behind_the_triggers(
        "INSERT INTO registry_auditevent SELECT 'no id at all', '2020-01-01', 'x', '', '', 'a.b',"
        " '', '', '', NULL, NULL, '', ''"
    )

    code, lines = verify()

    assert (code, lines[0][:35]) == (3, "unsealed: Event no id at all (a.b ,")


@pytest.mark.django_db
def test_a_missing_trigger_is_told_and_fails():
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER registry_auditseal_no_delete")

    code, lines = verify()

    assert code == 1
    assert lines[0].startswith("unguarded: The trigger registry_auditseal_no_delete is missing")


@pytest.mark.django_db
def test_a_chain_that_was_written_anew_does_not_hold_what_was_noted(three: list[AuditEvent]):
    noted = f"3:{chain.head()[1]}"
    assert verify("--noted", noted)[0] == 0
    append_only.drop_triggers(connection)
    AuditSeal.objects.all().delete()
    AuditEvent.objects.filter(pk=three[0].pk).update(actor="mallory")
    append_only.set_triggers(connection)
    sealer.seal_waiting()

    assert verify()[0] == 0
    code, lines = verify("--noted", noted)

    assert code == 1
    assert "was noted as" in lines[0]
    assert "written anew" in lines[0]


@pytest.mark.django_db
def test_a_chain_that_was_cut_short_does_not_hold_what_was_noted(three: list[AuditEvent]):
    noted = f"3:{chain.head()[1]}"
    append_only.drop_triggers(connection)
    AuditSeal.objects.filter(id=3).delete()
    AuditEvent.objects.filter(pk=three[2].pk).delete()
    append_only.set_triggers(connection)

    assert verify()[0] == 0
    code, lines = verify("--noted", noted)

    assert (code, lines[0].endswith("is missing.")) == (1, True)


@pytest.mark.parametrize("text", ["3", "0:" + "a" * 64, "3:abc", "3:" + "A" * 64])
def test_what_is_no_noted_seal_is_refused_before_anything_is_read(text: str):
    with pytest.raises(CommandError, match="is no PLACE:HASH"):
        call_command("verify_audit", "--noted", text)


@pytest.mark.django_db
def test_the_memory_does_not_grow_with_the_trail(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit_check, "PAGE", 50)

    def peak(total: int) -> int:
        AuditEvent.objects.bulk_create(
            AuditEvent(actor="x", action="a.b", reason="r" * 2_000)
            for _ in range(total - AuditEvent.objects.count())
        )
        sealer.seal_waiting()
        gc.collect()
        tracemalloc.start()
        assert list(audit_check.whole_trail(audit_check.Walk())) == []
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # Garbage that waits for its collector comes on top of either, so there is some room.
    small = peak(200)
    assert peak(4_000) < 4 * small


@pytest.mark.django_db
def test_a_walk_can_go_on_from_where_another_ended(three: list[AuditEvent]):
    first, second = audit_check.Walk(), audit_check.Walk()
    assert list(first.step(2)) == []
    assert first.place == 2

    altered("actor", "mallory")(three[2])

    assert len(list(first.findings())) == 1
    assert [finding.kind for finding in second.findings()] == ["altered"]
    assert first.place == 3


def test_the_time_of_an_event_is_written_in_one_way():
    assert chain._moment("2026-01-02 03:04:05") == "2026-01-02T03:04:05.000000Z"
    assert chain._moment("2026-01-02 03:04:05.12+02") == "2026-01-02T01:04:05.120000Z"
    assert chain.moment_of(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("value", "kept"),
    [(1e22, 1e22), (10**22, 1e22), (3.0, 3), (2**53, 2**53), (-0.0, 0), (True, True), (0.5, 0.5)],
)
def test_numbers_are_written_in_one_way(value: float, kept: float):
    found = chain._plain({"a": [value]})["a"][0]

    assert (repr(found), type(found)) == (repr(kept), type(kept))
