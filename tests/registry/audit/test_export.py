"""The trail as JSON Lines: whoever holds a file can check the chain without Modelyard."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tracemalloc
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from registry.actions import audit_export, sealer
from registry.models import AuditEvent
from tests import people, things
from tests.registry.audit.test_sealer import an_event

URL = "/api/v1/audit/export"


def lines(body: bytes) -> list[dict]:
    return [json.loads(line) for line in body.splitlines()]


def fetched(client, **parameters) -> list[dict]:
    answer = client.get(URL, parameters)
    assert answer.status_code == 200, answer.content
    return lines(b"".join(answer.streaming_content))


def by_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[dict]:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    call_command("export_audit", *arguments)
    return lines(out.getvalue())


def assert_chain_holds(exported: list[dict]) -> None:
    """With nothing but the standard library, as the page says."""
    previous = "0" * 64
    for event in sorted(exported, key=lambda event: event["seal"]["place"]):
        seal = event.pop("seal")
        assert seal["previous"] == previous
        covered = {**event, "previous": previous}
        text = json.dumps(covered, sort_keys=True, separators=(",", ":"))
        previous = seal["hash"]
        assert hashlib.sha256(text.encode()).hexdigest() == previous


@pytest.mark.django_db
def test_an_export_can_be_checked_without_modelyard():
    olga = people.owner()
    things.a_model(olga, tags={"größe": "ü"})
    an_event(after={"n": 1e22, "m": 3.0, "k": 10**40, "half": 0.5})
    sealer.seal_waiting()

    exported = fetched(people.manager().client())[:2]

    assert [event["action"] for event in exported] == ["model.create", "model.create"]
    assert_chain_holds(exported)


@pytest.mark.postgres
def test_an_export_from_postgresql_can_be_checked_too():
    an_event(after={"n": 1e22, "m": 3.0, "k": 10**40, "half": 0.5, "b": [True, None, "x"]})
    sealer.seal_waiting()

    exported = lines(b"".join(audit_export.export(by=None, asked={})))

    assert_chain_holds(exported)


@pytest.mark.django_db
def test_what_is_not_sealed_yet_has_no_seal():
    an_event()

    (line,) = fetched(people.manager().client(), action="model.create")
    assert line["seal"] is None


@pytest.mark.django_db
def test_the_filters_are_those_of_the_list():
    olga, marie = people.owner(), people.manager()
    things.a_model(olga, "churn")
    middle = timezone.now().isoformat()
    things.a_model(marie, "other")
    client = marie.client()
    for asked, names in (
        ({"actor": "olga"}, ["churn"]),
        ({"search": "OTH"}, ["other"]),
        ({"action": "model.create", "until": middle}, ["churn"]),
        ({"action": "model.create", "since": middle}, ["other"]),
        ({"object_kind": "registeredmodel"}, ["churn", "other"]),
        ({"request_id": "nobody"}, []),
    ):
        listed = client.get("/api/v1/audit", asked).json()["results"]
        assert [event["object_name"] for event in fetched(client, **asked)] == names, asked
        assert [event["object_name"] for event in reversed(listed)] == names, asked


@pytest.mark.django_db
def test_an_export_leaves_one_event_that_says_what_was_asked_for():
    marie = people.manager()

    fetched(marie.client(), actor="olga")

    event = AuditEvent.objects.get(action="audit.export")
    assert (event.actor, event.object_name, event.after) == (
        "marie",
        "audit trail",
        {"actor": "olga"},
    )


@pytest.mark.django_db
def test_headers_alone_export_nothing():
    assert people.manager().client().head(URL).status_code == 200

    assert not AuditEvent.objects.filter(action="audit.export").exists()


@pytest.mark.django_db
def test_only_managers_of_everything_export():
    for who in (people.owner(), people.approver(), people.team_mate(), people.stranger()):
        assert who.session().get(URL).status_code == 403, who.user
    things.a_model(people.manager(), "churn")
    limited = people.Person(people.User.objects.get(username="marie")).client(models=["churn"])
    assert limited.get(URL).status_code == 403
    assert not AuditEvent.objects.filter(action="audit.export").exists()


@pytest.mark.django_db
def test_a_parameter_that_nobody_knows_is_refused_and_nothing_is_exported():
    answer = people.manager().client().get(URL, {"acter": "olga"})

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-parameter")


@pytest.mark.django_db
def test_the_command_writes_the_same_lines(monkeypatch: pytest.MonkeyPatch, tmp_path):
    things.a_model(people.owner(), "churn")
    things.a_model(people.manager(), "other")
    sealer.seal_waiting()

    printed = by_command(monkeypatch, "--action", "model.create", "--actor", "olga")
    file = tmp_path / "audit.jsonl"
    call_command("export_audit", "--action", "model.create", "--actor", "olga", output=file)

    assert [event["object_name"] for event in printed] == ["churn"]
    assert lines(file.read_bytes()) == printed
    assert AuditEvent.objects.filter(action="audit.export", actor="modelyard").count() == 2


@pytest.mark.django_db
def test_the_command_writes_over_nothing(tmp_path):
    file = tmp_path / "audit.jsonl"
    file.write_text("kept")

    with pytest.raises(CommandError, match=r"audit\.jsonl: File exists"):
        call_command("export_audit", output=file)
    assert file.read_text() == "kept"


@pytest.mark.parametrize("text", ["yesterday", "2026-01-31", "2026-01-31T00:00:00", "2026-13-01"])
def test_a_time_without_an_offset_is_refused(text: str):
    with pytest.raises(CommandError, match="is no time such as"):
        call_command("export_audit", "--since", text)


@pytest.mark.django_db
def test_many_events_come_in_pages_with_little_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit_export, "PAGE", 50)
    AuditEvent.objects.bulk_create(
        AuditEvent(actor="x", action="a.b", object_name=str(n), reason="r" * 2_000)
        for n in range(1_000)
    )
    pieces = audit_export.export(by=None, asked={"action": "a.b"})
    tracemalloc.start()

    names = [event["object_name"] for piece in pieces for event in lines(piece)]

    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert names == [str(n) for n in range(1_000)]
    assert most < 1_000_000
