"""Versions as actions: how verdicts move a version, and what may be done with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.actions import verdicts
from registry.actions import versions as actions
from registry.actions.aliases import move_alias, remove_alias
from registry.errors import InvalidField, NotAllowed, StateConflict
from registry.models import Alias, ApprovalRequest, Artifact, AuditEvent, ModelVersion
from registry.models.model_version import VERSION_MOVES, VersionStatus
from registry.scan.edition import gate_version
from tests import people, things

pytestmark = pytest.mark.django_db

CHECKS = ("scan", "load", "signature", "golden", "compile")


@pytest.fixture
def owner():
    return people.owner()


@pytest.fixture
def model(owner):
    return things.a_model(owner)


def checking(model, owner, seed="churn"):
    version = things.a_version(model, owner, status="pending", seed=seed)
    assert ModelVersion.objects.claim_check(version.pk, lease_s=60)
    version.refresh_from_db()
    return version


def passed(model, owner, seed="churn"):
    return things.checked(things.a_version(model, owner, status="pending", seed=seed))


def test_a_version_whose_checks_all_passed_is_ready_and_the_first_is_champion(model, owner):
    version = passed(model, owner)

    assert (version.status, version.ready_at is not None) == ("ready", True)
    assert Alias.objects.get(model=model, name="champion").version == version
    assert AuditEvent.objects.filter(action="version.ready").count() == 1


def test_later_versions_never_move_an_alias_by_themselves(model, owner):
    first = passed(model, owner)
    passed(model, owner, "two")

    assert Alias.objects.get(name="champion").version == first


def test_a_champion_that_was_taken_away_does_not_come_back_by_itself(model, owner):
    passed(model, owner)
    remove_alias(by=owner.by, model=model, alias="champion")
    passed(model, owner, "two")

    assert not Alias.objects.exists()


def test_a_guarded_model_gets_no_champion_by_itself(owner):
    guarded = things.a_model(owner, "guarded", approval_required=True)
    passed(guarded, owner)

    assert not Alias.objects.exists()


def test_a_warning_does_not_keep_a_version_from_being_ready(model, owner):
    version = checking(model, owner)
    verdicts.record_findings(version, signature=things.SIGNATURE, facts=things.FACTS)
    for name in CHECKS:
        version = verdicts.record_check(version, name, "warned", "Look at it.")

    assert version.status == "ready"


def test_a_failed_check_rejects_and_skips_what_is_left(model, owner):
    version = checking(model, owner)
    verdicts.record_check(version, "scan", "passed", "Fine.")
    version = verdicts.record_check(version, "load", "failed", "No model in it.", {"found": "dict"})

    assert version.status == "rejected"
    stand = dict(version.checks.values_list("name", "verdict"))
    assert stand == {
        "scan": "passed",
        "load": "failed",
        "signature": "skipped",
        "golden": "skipped",
        "compile": "skipped",
    }
    assert AuditEvent.objects.get(action="version.rejected").reason == "No model in it."


def test_a_version_that_needs_a_look_is_quarantined_with_one_request(model, owner):
    version = things.a_quarantined_version(model, owner)

    assert version.status == "quarantined"
    request = ApprovalRequest.objects.get()
    assert (request.subject, request.sha256) == ("version", version.artifact.sha256)
    assert (request.requested_by, request.gate_version) == (owner.user, gate_version())
    assert request.evidence["scan"]["globals"] == {"sklearn.linear_model.Ridge": 1}
    assert request.evidence["golden"] == {"verdict": "skipped", "summary": "No example."}


def test_the_scan_says_which_gate_has_looked(model, owner):
    assert things.a_version(model, owner, status="pending").gate_version == ""
    assert passed(model, owner, "two").gate_version == gate_version()


def test_a_verdict_counts_only_while_the_version_is_checked(model, owner):
    version = things.a_version(model, owner, status="pending")

    with pytest.raises(StateConflict):
        verdicts.record_check(version, "scan", "passed", "Fine.")
    with pytest.raises(StateConflict):
        verdicts.record_findings(version, signature=things.SIGNATURE)


def test_one_worker_has_a_version_until_its_lease_is_over(model, owner):
    version = checking(model, owner)
    assert not ModelVersion.objects.claim_check(version.pk, lease_s=60)

    ModelVersion.objects.update(checking_until=timezone.now() - timedelta(seconds=1))

    assert ModelVersion.objects.claim_check(version.pk, lease_s=60)
    version.refresh_from_db()
    assert version.check_attempts == 2


def test_a_version_that_was_given_back_is_checked_again(model, owner):
    version = checking(model, owner)

    assert verdicts.return_to_pending(version, reason="The worker ended.")
    assert not verdicts.return_to_pending(version, reason="The worker ended.")
    assert ModelVersion.objects.claim_check(version.pk, lease_s=60)


@pytest.mark.parametrize("status", ["pending", "checking", "archived"])
def test_what_is_on_its_way_or_archived_is_not_archived(model, owner, status):
    version = things.a_version(model, owner, status=status)

    with pytest.raises(StateConflict, match=str(status)):
        actions.archive_version(by=owner.by, version=version)


@pytest.mark.parametrize("status", ["ready", "rejected", "quarantined"])
def test_what_is_settled_and_waits_for_nobody_is_archived(model, owner, status):
    version = things.a_version(model, owner, status=status)

    assert actions.archive_version(by=owner.by, version=version).status == "archived"


def test_a_version_that_waits_for_a_reviewer_is_not_archived(model, owner):
    version = things.a_version(model, owner, status="quarantined")
    version.approval_requests.create(
        subject="version", model=model, sha256="0" * 64, requested_by=owner.user
    )

    with pytest.raises(StateConflict, match="waits for a reviewer"):
        actions.archive_version(by=owner.by, version=version)


def test_nothing_leads_out_of_archived():
    assert VERSION_MOVES[VersionStatus.ARCHIVED] == frozenset()


def test_numbers_go_up_by_one_for_each_model(model, owner):
    other = things.a_model(owner, "fraud")

    numbers = [things.a_version(m, owner, seed=str(n)).number for n, m in enumerate([model] * 3)]

    assert (numbers, things.a_version(other, owner).number) == ([1, 2, 3], 1)


def test_equal_bytes_are_one_artifact(model, owner):
    things.a_version(model, owner)
    things.a_version(model, owner)

    assert Artifact.objects.count() == 1


def test_a_correction_needs_bytes_that_are_still_kept(model, owner):
    version = things.a_version(model, owner, status="rejected")
    Artifact.objects.update(gone_at=timezone.now())
    version.refresh_from_db()

    with pytest.raises(StateConflict, match="no longer kept"):
        actions.correct_version(by=owner.by, version=version, signature=things.SIGNATURE)


def test_bytes_that_are_sent_again_are_kept_again(model, owner):
    things.a_version(model, owner, status="rejected")
    Artifact.objects.update(gone_at=timezone.now())

    things.a_version(model, owner)

    assert Artifact.objects.get().gone_at is None


@pytest.mark.parametrize(
    "values",
    [{"tags": {"a": 1}}, {"metrics": {"a": "1"}}, {"metrics": {"a": True}}, {"signature": 5}],
)
def test_what_does_not_parse_registers_nothing(model, owner, values):
    with pytest.raises(InvalidField):
        things.a_version(model, owner, **values)

    assert not ModelVersion.objects.exists()
    assert not Artifact.objects.exists()


def test_a_scorer_registers_and_moves_nothing(model, owner):
    version = things.a_version(model, owner)
    mate = people.team_mate(model)

    with pytest.raises(NotAllowed):
        things.a_version(model, mate)
    with pytest.raises(NotAllowed):
        move_alias(by=mate.by, version=version, alias="champion")


def test_moving_an_alias_to_where_it_is_changes_nothing(model, owner):
    version = things.a_version(model, owner)
    move_alias(by=owner.by, version=version, alias="champion")
    move_alias(by=owner.by, version=version, alias="champion")

    assert AuditEvent.objects.filter(action="alias.move").count() == 1
    assert model.alias_changes.count() == 1


def test_each_action_leaves_one_event_with_its_fields_before_and_after(model, owner):
    version = things.a_version(model, owner)
    actions.update_version(by=owner.by, version=version, description="new", tags={})
    actions.update_version(by=owner.by, version=version, description="new")

    event = AuditEvent.objects.get(action="version.update")
    assert (event.before, event.after) == ({"description": ""}, {"description": "new"})
    assert (event.actor, event.object_kind) == ("olga", "modelversion")
