"""Every named constraint of the registry, broken once: the database says no by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from registry.models import (
    Alias,
    AliasChange,
    ApprovalRequest,
    Artifact,
    Check,
    Connection,
    Dataset,
    DatasetVersion,
    Grant,
    GroupRole,
    IdempotencyRecord,
    ModelVersion,
    RegisteredModel,
    Webhook,
    WebhookDelivery,
)
from tests import people, things

pytestmark = pytest.mark.django_db


@dataclass
class World:
    """What the rows of this module hang on."""

    owner: people.Person
    other: people.Person
    model: RegisteredModel
    version: ModelVersion
    dataset_version: DatasetVersion

    def version_row(self, **values: Any) -> None:
        ModelVersion.objects.create(
            **{
                "model": self.model,
                "number": 7,
                "format": "pickle",
                "artifact": self.version.artifact,
                "runtime": "sklearn",
                "created_by": self.owner.user,
            }
            | values
        )

    def dataset_row(self, **values: Any) -> None:
        DatasetVersion.objects.create(
            **{
                "dataset": self.dataset_version.dataset,
                "number": 7,
                "format": "csv",
                "created_by": self.owner.user,
            }
            | values
        )

    def approval(self, **values: Any) -> None:
        ApprovalRequest.objects.create(
            **{
                "subject": "alias",
                "model": self.model,
                "version": self.version,
                "alias": "champion",
                "sha256": "0" * 64,
                "requested_by": self.owner.user,
            }
            | values
        )

    def promotion(self, **values: Any) -> None:
        about = {"subject": "tier", "model": None, "version": None, "alias": "", "tier": "curated"}
        self.approval(**about | {"dataset_version": self.dataset_version} | values)

    def twice(self, make: Callable[[], object]) -> None:
        make()
        make()

    def decided(self, **values: Any) -> None:
        whole = {
            "state": "approved",
            "decided_by": self.other.user,
            "decided_at": timezone.now(),
        }
        self.approval(**whole | values)


@pytest.fixture
def world():
    owner = people.owner()
    model = things.a_model(owner)
    return World(
        owner,
        people.person("otto"),
        model,
        things.a_version(model, owner),
        things.a_dataset_version(owner, is_read=False),
    )


def record(w: World) -> None:
    IdempotencyRecord.objects.create(principal="p", route="r", key="k", body_sha256="b")


def grant(w: World, **values: Any) -> None:
    Grant.objects.create(**{"user": w.other.user, "role": "viewer"} | values)


def check(w: World, **values: Any) -> None:
    Check.objects.create(**{"version": w.version, "name": "compile"} | values)


def connection(w: World, **values: Any) -> Connection:
    row = {"name": "crm", "driver": "postgresql", "address": "db", "owner": w.owner.user} | values
    return Connection.objects.create(**row)


def delivery(w: World, **values: Any) -> None:
    webhook, _ = Webhook.objects.get_or_create(url="https://news.example", owner=w.owner.user)
    row = {"event": "batch-job.failed", "subject_id": w.model.pk, "occasion": "failed:1"}
    WebhookDelivery.objects.create(**{"webhook": webhook, "body": "{}"} | row | values)


BROKEN: dict[str, Callable[[World], object]] = {
    "alias_once_per_model": lambda w: w.twice(
        lambda: Alias.objects.create(model=w.model, name="a", version=w.version)
    ),
    "alias_name_well_formed": lambda w: Alias.objects.create(
        model=w.model, name="Champion", version=w.version
    ),
    "alias_change_moves_something": lambda w: AliasChange.objects.create(
        model=w.model, alias="a", by=w.owner.user
    ),
    "approval_subject_known": lambda w: w.approval(subject="model"),
    "approval_state_known": lambda w: w.decided(state="open"),
    "approval_pending_once": lambda w: w.twice(w.approval),
    "approval_of_tier_pending_once": lambda w: w.twice(w.promotion),
    "approval_about_one_thing": lambda w: w.promotion(model=w.model),
    "approval_by_somebody_else": lambda w: w.decided(decided_by=w.owner.user),
    "approval_decided_whole": lambda w: w.decided(decided_by=None),
    "connection_name_once": lambda w: (connection(w), connection(w, name="CRM")),
    "connection_driver_known": lambda w: connection(w, driver="oracle"),
    "connection_classification_known": lambda w: connection(w, classification="secret"),
    "delivery_state_known": lambda w: delivery(w, state="lost"),
    "delivery_once_per_occasion": lambda w: w.twice(lambda: delivery(w)),
    "delivery_sent_has_time": lambda w: delivery(w, state="sent"),
    "artifact_once_per_digest": lambda w: Artifact.objects.create(
        sha256=w.version.artifact.sha256, format="pickle", size_bytes=1
    ),
    "artifact_digest_is_sha256": lambda w: Artifact.objects.create(
        sha256="X" * 64, format="pickle", size_bytes=1
    ),
    "check_once_per_version": lambda w: check(w, name="scan"),
    "check_name_known": lambda w: check(w, name="smell"),
    "check_verdict_known": lambda w: check(w, verdict="maybe"),
    "dataset_name_once": lambda w: Dataset.objects.create(name="CUSTOMERS", owner=w.owner.user),
    "dataset_classification_known": lambda w: Dataset.objects.create(
        name="d", owner=w.owner.user, classification="secret"
    ),
    "dataset_number_once": lambda w: w.dataset_row(number=1),
    "dataset_status_known": lambda w: w.dataset_row(status="lost"),
    "dataset_tier_known": lambda w: w.dataset_row(tier="gold"),
    "dataset_ready_has_rows": lambda w: w.dataset_row(status="ready", rows=None),
    "group_role_known": lambda w: GroupRole.objects.create(
        group=Group.objects.create(name="g"), role="boss"
    ),
    "grant_role_known": lambda w: grant(w, role="boss", model=w.model),
    "grant_on_one_thing": lambda w: grant(w),
    "grant_once_per_model": lambda w: w.twice(lambda: grant(w, model=w.model)),
    "grant_once_per_dataset": lambda w: w.twice(
        lambda: grant(w, dataset=w.dataset_version.dataset)
    ),
    "grant_once_per_connection": lambda w: (
        grant(w, connection=connection(w)) or grant(w, connection=Connection.objects.get())
    ),
    "idempotency_key_once": lambda w: w.twice(lambda: record(w)),
    "model_name_once": lambda w: RegisteredModel.objects.create(name="CHURN", owner=w.owner.user),
    "model_kind_known": lambda w: RegisteredModel.objects.create(
        name="m", owner=w.owner.user, kind="experiment"
    ),
    "model_classification_known": lambda w: RegisteredModel.objects.create(
        name="m", owner=w.owner.user, classification="secret"
    ),
    "version_number_once": lambda w: w.version_row(number=1),
    "version_status_known": lambda w: w.version_row(status="lost"),
    "version_ready_has_signature": lambda w: w.version_row(status="ready"),
    "version_number_from_one": lambda w: w.version_row(number=0),
    "version_pinned_to_known": lambda w: w.version_row(pinned_to="gpu"),
    "model_capture_at_most_all": lambda w: RegisteredModel.objects.create(
        name="watched", owner=w.owner.user, capture_percent=101
    ),
}


def constraints() -> dict[str, models.BaseConstraint]:
    return {
        constraint.name: constraint
        for model in apps.get_app_config("registry").get_models()
        for constraint in model._meta.constraints
    }


def test_every_named_constraint_is_broken_here():
    assert set(BROKEN) == set(constraints())


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_the_database_refuses_what_breaks(world, name):
    constraint = constraints()[name]

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        BROKEN[name](world)

    said = str(refused.value)
    if isinstance(constraint, models.UniqueConstraint) and constraint.fields:
        # SQLite names the columns of a unique constraint instead of the constraint.
        assert name in said or all(f".{field}" in said for field in constraint.fields)
    else:
        assert name in said


def test_a_grant_on_both_a_model_and_a_dataset_is_refused(world):
    with pytest.raises(IntegrityError), transaction.atomic():
        grant(world, model=world.model, dataset=world.dataset_version.dataset)


def test_a_pending_request_that_names_a_decider_is_refused(world):
    with pytest.raises(IntegrityError), transaction.atomic():
        world.approval(decided_by=world.other.user)


def test_ids_sort_by_the_time_of_making(world):
    ids = [things.a_model(world.owner, f"m{n}").pk for n in range(20)]

    assert ids == sorted(ids)
