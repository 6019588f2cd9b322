"""Datasets as actions: versions, their settling, and outputs of batch jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.actions import archiving
from registry.actions import dataset_changes as changes
from registry.actions import datasets as actions
from registry.errors import InvalidField, NotAllowed, StateConflict
from registry.models import AuditEvent, Dataset, DatasetVersion
from tests import people, things

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return people.owner()


def test_the_same_bytes_as_the_newest_version_are_that_version(owner):
    first = things.a_dataset_version(owner)
    other = things.a_dataset_version(owner, body=b"age\r\n1\r\n")

    assert things.a_dataset_version(owner, body=b"age\r\n1\r\n").pk == other.pk
    assert things.a_dataset_version(owner).number == 3
    assert first.number == 1


def test_bytes_that_were_rejected_may_be_sent_again(owner):
    bad = things.a_dataset_version(owner, body=b"a,b\r\n1\r\n")

    again = things.a_dataset_version(owner, body=b"a,b\r\n1\r\n", is_read=False)

    assert (bad.status, again.number) == ("rejected", 2)


def test_a_version_is_settled_once(owner):
    version = things.a_dataset_version(owner)

    assert not actions.record_refused(version, errors=[], error_count=1)
    version.refresh_from_db()
    assert (version.status, version.rows) == ("ready", 3)


def test_one_worker_reads_a_version_until_its_lease_is_over(owner):
    version = things.a_dataset_version(owner, is_read=False)

    assert DatasetVersion.objects.claim_ingest(version.pk, lease_s=60)
    assert not DatasetVersion.objects.claim_ingest(version.pk, lease_s=60)
    DatasetVersion.objects.update(reading_until=timezone.now() - timedelta(seconds=1))
    assert DatasetVersion.objects.claim_ingest(version.pk, lease_s=60)


def test_an_output_is_ready_at_once_and_knows_its_parent(owner):
    version = things.a_dataset_version(owner, classification="confidential")

    output = things.an_output(owner, version, f"churn-job-{version.pk}")

    assert (output.status, output.rows, output.sha256) == ("ready", 3, "")
    assert list(output.parents.all()) == [version]
    assert output.dataset.classification == "confidential"
    assert owner.by.may("manager", output.dataset)


def test_names_are_taken_whatever_their_case(owner):
    stranger = people.stranger()
    things.a_dataset_version(owner, is_read=False)

    assert (
        things.a_dataset_version(owner, "Customers", body=b"a\r\n1\r\n", is_read=False).number == 2
    )
    # The same words as for a name that is free: who sees nothing is told nothing.
    for name in ("CUSTOMERS", "nobodys"):
        with pytest.raises(NotAllowed, match="needs a group"):
            things.a_dataset_version(stranger, name, is_read=False)


def test_a_viewer_adds_no_version_and_makes_no_dataset(owner):
    dataset = things.a_dataset_version(owner, is_read=False).dataset
    mate = people.team_mate(dataset, role="viewer")

    with pytest.raises(NotAllowed):
        things.a_dataset_version(mate, body=b"a\r\n1\r\n")
    with pytest.raises(NotAllowed):
        things.a_dataset_version(mate, "new")


@pytest.mark.parametrize("name", ["", "-a", "a b", "x" * 64, "a/b", "a\n"])
def test_what_is_no_name_makes_nothing(owner, name):
    with pytest.raises(InvalidField):
        things.a_dataset_version(owner, name)

    assert not Dataset.objects.exists()


def test_an_archived_dataset_takes_no_version_until_it_is_back(owner):
    dataset = things.a_dataset_version(owner).dataset
    archived = archiving.archive_dataset(by=owner.by, dataset=dataset)

    assert archived.archived_at is not None
    with pytest.raises(StateConflict, match="“customers” is archived: it takes no further"):
        things.a_dataset_version(owner, body=b"age\r\n1\r\n")
    with pytest.raises(StateConflict, match="is archived"):
        archiving.archive_dataset(by=owner.by, dataset=dataset)
    archiving.unarchive_dataset(by=owner.by, dataset=dataset)
    with pytest.raises(StateConflict, match="is not archived"):
        archiving.unarchive_dataset(by=owner.by, dataset=dataset)
    assert things.a_dataset_version(owner, body=b"age\r\n1\r\n").number == 2


def test_publishers_archive(owner):
    dataset = things.a_dataset_version(owner, is_read=False).dataset

    with pytest.raises(NotAllowed):
        archiving.archive_dataset(by=people.team_mate(dataset).by, dataset=dataset)


def test_rows_that_were_erased_may_be_sent_again(owner):
    version = things.a_dataset_version(owner)
    DatasetVersion.objects.filter(pk=version.pk).update(erased_at=timezone.now())

    assert things.a_dataset_version(owner).number == 2


def test_with_rules_nobody_says_that_rows_are_curated_already(owner):
    dataset = things.a_dataset_version(owner, tier="curated").dataset
    changes.update_dataset(by=owner.by, dataset=dataset, rules={"rows": {"min": 1}})

    with pytest.raises(StateConflict, match="a version begins as raw"):
        things.a_dataset_version(owner, body=b"age\r\n1\r\n", tier="curated")
    assert things.a_dataset_version(owner, body=b"age\r\n1\r\n").tier == "raw"


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"retention_days": 0}, "/retention_days"),
        ({"retention_days": 36_501}, "/retention_days"),
        ({"retention_days": True}, "/retention_days"),
        ({"retention_days": 1.5}, "/retention_days"),
        ({"legal_hold": 1}, "/legal_hold"),
        ({"rules": {"rows": 1}}, "/rules/rows"),
        ({"classification": "secret"}, "/classification"),
    ],
)
def test_a_wrong_change_is_named(owner, values, pointer):
    dataset = things.a_dataset_version(owner, is_read=False).dataset

    with pytest.raises(InvalidField) as refused:
        changes.update_dataset(by=owner.by, dataset=dataset, **values)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ({"description": "All."}, "publisher"),
        ({"classification": "restricted"}, "manager"),
        ({"rules": {"rows": {"min": 1}}}, "manager"),
        ({"retention_days": 30}, "manager"),
        ({"retention_days": None, "description": "All."}, "manager"),
    ],
)
def test_what_a_change_needs(owner, values, role):
    dataset = things.a_dataset_version(owner, is_read=False).dataset
    lesser = {"publisher": "scorer", "manager": "approver"}[role]
    tariq, rita = people.team_mate(dataset, role=lesser), people.person("rita")
    people.grant(rita, dataset, role)

    with pytest.raises(NotAllowed):
        changes.update_dataset(by=tariq.by, dataset=dataset, **values)
    changed = changes.update_dataset(by=rita.by, dataset=dataset, **values)
    assert {name: getattr(changed, name) for name in values} == values


def test_a_legal_hold_is_for_managers_of_everything(owner):
    dataset = things.a_dataset_version(owner, is_read=False).dataset
    marie = people.manager()

    with pytest.raises(NotAllowed, match="needs a group with the role manager"):
        changes.update_dataset(by=owner.by, dataset=dataset, legal_hold=True)
    changes.update_dataset(by=marie.by, dataset=dataset, legal_hold=True)
    with pytest.raises(NotAllowed):
        changes.update_dataset(by=owner.by, dataset=dataset, legal_hold=False)
    assert changes.update_dataset(by=owner.by, dataset=dataset, legal_hold=True).legal_hold
    event = AuditEvent.objects.get(action="dataset.update")
    assert (event.actor, event.before, event.after) == (
        "marie",
        {"legal_hold": False},
        {"legal_hold": True},
    )


def test_results_are_opened_no_further_than_what_they_were_made_from(owner):
    version = things.a_dataset_version(owner, classification="confidential")
    bert = people.team_mate(version.dataset, role="scorer")
    output = things.an_output(bert, version, "churn-job-1").dataset

    with pytest.raises(NotAllowed, match="made from stricter data"):
        changes.update_dataset(by=bert.by, dataset=output, classification="internal")
    assert (
        changes.update_dataset(
            by=bert.by, dataset=output, classification="restricted"
        ).classification
        == "restricted"
    )
    people.grant(owner, output, "manager")
    opened = changes.update_dataset(by=owner.by, dataset=output, classification="public")
    assert opened.classification == "public"


def test_results_of_results_are_opened_no_further_either(owner):
    version = things.a_dataset_version(owner, classification="restricted")
    bert = people.team_mate(version.dataset, role="publisher")
    first = things.an_output(bert, version, "churn-job-1")
    second = things.an_output(bert, first, "churn-job-2").dataset

    with pytest.raises(NotAllowed, match="made from stricter data"):
        changes.update_dataset(by=bert.by, dataset=second, classification="public")
    people.grant(owner, first.dataset, "manager")
    changes.update_dataset(by=owner.by, dataset=first.dataset, classification="internal")
    opened = changes.update_dataset(by=bert.by, dataset=second, classification="internal")
    assert opened.classification == "internal"


def test_what_becomes_stricter_takes_its_results_along(owner):
    version = things.a_dataset_version(owner)
    bert = people.team_mate(version.dataset)
    first = things.an_output(bert, version, "churn-job-1")
    things.an_output(bert, first, "churn-job-2")

    changes.update_dataset(by=owner.by, dataset=version.dataset, classification="restricted")

    assert set(Dataset.objects.values_list("classification", flat=True)) == {"restricted"}
    events = AuditEvent.objects.filter(action="dataset.update", actor="olga")
    assert events.count() == 3
    assert (
        events.filter(
            reason="Made from customers, which is restricted now.",
            before={"classification": "internal"},
        ).count()
        == 2
    )
    # The way back is everybody's own.
    changes.update_dataset(by=owner.by, dataset=version.dataset, classification="public")
    assert Dataset.objects.filter(classification="restricted").count() == 2


def test_results_are_kept_no_longer_by_who_manages_them_alone(owner):
    version = things.a_dataset_version(owner)
    changes.update_dataset(by=owner.by, dataset=version.dataset, retention_days=30)
    bert = people.team_mate(version.dataset)
    output = things.an_output(bert, version, "churn-job-1").dataset

    changes.update_dataset(by=bert.by, dataset=output, retention_days=29)
    for days in (31, None):
        with pytest.raises(NotAllowed, match="made from rows that are kept no longer"):
            changes.update_dataset(by=bert.by, dataset=output, retention_days=days)
    people.grant(owner, output, "manager")
    kept = changes.update_dataset(by=owner.by, dataset=output, retention_days=None)
    assert kept.retention_days is None
