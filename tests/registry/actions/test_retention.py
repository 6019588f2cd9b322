"""Retention: whose rows are erased when, what stays of them, and what keeps them after all."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from registry import storage
from registry.actions.pruning_files import remove_orphans
from registry.actions.retention import Erased, erase_expired
from registry.models import AuditEvent, Dataset, DatasetVersion, ModelVersion, RegisteredModel
from registry.signals import dataset_expiring
from tests import people, things

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_our_files")]

OTHERS = b"age,city\r\n1,Bern\r\n"


@pytest.fixture
def olga():
    return people.owner()


def aged(version, days):
    """The version as it would be after so many days."""
    born = timezone.now() - timedelta(days=days)
    DatasetVersion.objects.filter(pk=version.pk).update(created_at=born)
    return version


def kept_for(days, **values):
    Dataset.objects.update(retention_days=days, **values)


def erase():
    """What the nightly pruning does: rows first, then the files that nothing names."""
    found = erase_expired()
    remove_orphans(older_than=timedelta(0))
    return found


def fresh(version):
    return DatasetVersion.objects.select_related("dataset").get(pk=version.pk)


def test_rows_go_after_their_days_and_what_was_known_of_them_stays(olga):
    version = aged(things.a_dataset_version(olga), 31)
    kept_for(30)

    found = erase()

    row = fresh(version)
    assert found == Erased(1, len(things.CUSTOMERS))
    assert row.erased_at is not None
    assert (row.rows, len(row.columns), row.profile) == (3, 2, [])
    assert row.sha256 == things.sha256(things.CUSTOMERS)
    assert things.kept_files() == set()
    event = AuditEvent.objects.get(action="dataset.erase")
    assert (event.actor, event.object_name) == ("modelyard", "customers@1")
    assert event.before["rows"] == 3


def test_a_second_run_finds_nothing_and_writes_no_second_event(olga):
    aged(things.a_dataset_version(olga), 31)
    kept_for(30)
    erase()

    assert erase() == Erased()
    assert AuditEvent.objects.filter(action="dataset.erase").count() == 1


@pytest.mark.parametrize(
    ("days", "values"),
    [
        (None, {}),  # no retention
        (32, {}),  # not old enough
        (30, {"legal_hold": True}),
    ],
)
def test_what_is_young_or_held_stays(olga, days, values):
    version = aged(things.a_dataset_version(olga), 31)
    kept_for(days, **values)

    assert erase_expired() == Erased()
    assert fresh(version).erased_at is None


def test_a_legal_hold_on_a_model_keeps_what_it_was_trained_on(olga):
    version = aged(things.a_dataset_version(olga), 31)
    kept_for(30)
    trained = things.a_version(things.a_model(olga), olga)
    ModelVersion.objects.filter(pk=trained.pk).update(training_dataset=version)
    RegisteredModel.objects.update(legal_hold=True)

    assert erase_expired() == Erased()

    RegisteredModel.objects.update(legal_hold=False)
    assert erase_expired().versions == 1


def test_a_version_that_is_still_to_be_read_is_left(olga):
    version = aged(things.a_dataset_version(olga, is_read=False), 31)
    kept_for(30)

    assert erase_expired() == Erased()
    assert fresh(version).status == "pending"


def test_whoever_still_reads_the_rows_keeps_them(olga):
    version = aged(things.a_dataset_version(olga), 31)
    kept_for(30)

    def still_reading(version, **_):
        return True

    dataset_expiring.connect(still_reading)
    try:
        assert erase_expired() == Erased()
    finally:
        dataset_expiring.disconnect(still_reading)
    assert fresh(version).erased_at is None


def test_bytes_that_another_version_has_too_stay(olga):
    old = aged(things.a_dataset_version(olga), 31)
    other = things.a_dataset_version(olga, name="again")
    Dataset.objects.filter(name="customers").update(retention_days=30)

    assert erase().versions == 1

    assert fresh(old).erased_at is not None
    for part in fresh(other).parts:
        assert storage.exists(part["name"])
    assert storage.exists(storage.blob_name(other.sha256))


def test_bytes_that_a_model_has_as_its_example_stay(olga):
    version = aged(things.a_dataset_version(olga), 31)
    kept_for(30)
    modelled = things.a_version(things.a_model(olga), olga)
    ModelVersion.objects.filter(pk=modelled.pk).update(example_sha256=version.sha256)

    assert erase().versions == 1
    assert len(things.kept_files()) == 2  # the model's own bytes, and the example
    assert storage.exists(storage.blob_name(version.sha256))


def test_the_last_of_two_versions_with_the_same_bytes_takes_them_along(olga):
    aged(things.a_dataset_version(olga), 31)
    aged(things.a_dataset_version(olga, name="again"), 31)
    kept_for(30)

    assert erase().versions == 2
    assert things.kept_files() == set()


def test_files_stay_while_the_same_bytes_are_read_anew(olga):
    aged(things.a_dataset_version(olga), 31)
    Dataset.objects.update(retention_days=30)
    anew = things.a_dataset_version(olga, name="again", is_read=False)

    assert erase().versions == 1
    assert storage.exists(storage.blob_name(anew.sha256))


def test_only_what_is_old_enough_goes_of_a_dataset(olga):
    old = aged(things.a_dataset_version(olga), 31)
    young = things.a_dataset_version(olga, body=OTHERS)
    kept_for(30)

    assert erase_expired().versions == 1
    assert fresh(old).erased_at is not None
    assert fresh(young).erased_at is None
