"""Datasets as actions: versions, their settling, and outputs of batch jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.actions import datasets as actions
from registry.errors import InvalidField, NameTaken, NotAllowed
from registry.models import Dataset, DatasetVersion
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
    things.a_dataset_version(owner, is_read=False)

    assert (
        things.a_dataset_version(owner, "Customers", body=b"a\r\n1\r\n", is_read=False).number == 2
    )
    with pytest.raises(NameTaken):
        things.a_dataset_version(people.team_mate(), "CUSTOMERS", is_read=False)


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
