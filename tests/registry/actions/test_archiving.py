"""Models taken out of use: nothing of them is called or changes, and all comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest

from registry import storage
from registry.actions import aliases, approvals, versions
from registry.actions.archiving import archive_model, unarchive_model
from registry.actions.models import update_model
from registry.actions.verdicts import make_ready
from registry.errors import NotAllowed, StateConflict, VersionNotServable
from registry.models import Alias, ApprovalRequest, AuditEvent, ModelVersion, RegisteredModel
from tests import things
from tests.cards import CARD
from tests.people import Person, approver, manager, owner, team_mate

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(db: None) -> Person:
    return owner()


@pytest.fixture
def version(olga: Person) -> ModelVersion:
    """The champion of the model churn."""
    version = things.a_version(things.a_model(olga), olga)
    aliases.move_alias(by=olga.by, version=version, alias="champion")
    return version


def again(version: ModelVersion) -> ModelVersion:
    return ModelVersion.objects.select_related("model", "artifact").get(pk=version.pk)


def events(action: str) -> list[tuple[str, Any]]:
    rows = AuditEvent.objects.filter(action=action)
    return list(rows.values_list("object_name", "after"))


def test_an_archived_model_cannot_be_called_and_comes_back_as_it_was(
    olga: Person, version: ModelVersion
) -> None:
    archived = archive_model(by=olga.by, model=version.model)
    assert archived.archived_at is not None
    with pytest.raises(VersionNotServable, match="The model “churn” is archived"):
        again(version).require_servable()
    assert Alias.objects.get(name="champion").version == version

    back = unarchive_model(by=olga.by, model=version.model)
    assert back.archived_at is None
    again(version).require_servable()
    assert events("model.archive") == [("churn", {"archived": True})]
    assert events("model.unarchive") == [("churn", {"archived": False})]


def test_doing_it_twice_is_a_conflict(olga: Person, version: ModelVersion) -> None:
    with pytest.raises(StateConflict, match="“churn” is not archived"):
        unarchive_model(by=olga.by, model=version.model)
    archive_model(by=olga.by, model=version.model)
    # A stale row changes nothing: what counts is what stands there now.
    with pytest.raises(StateConflict, match="“churn” is archived"):
        archive_model(by=olga.by, model=version.model)
    assert len(events("model.archive")) == 1


def test_nothing_of_an_archived_model_changes_until_it_is_back(
    olga: Person, version: ModelVersion
) -> None:
    model = version.model
    archive_model(by=olga.by, model=model)
    upload = versions.Upload(storage.put_bytes(things.model_bytes()), "pickle", "model.pkl")
    with pytest.raises(StateConflict, match="is archived: take it back"):
        versions.register_version(by=olga.by, model=model, artifact=upload)
    with pytest.raises(StateConflict, match="is archived: take it back"):
        versions.correct_version(by=olga.by, version=version, signature=things.SIGNATURE)
    with pytest.raises(VersionNotServable):
        aliases.move_alias(by=olga.by, version=version, alias="challenger")
    with pytest.raises(StateConflict, match="is archived"):
        aliases.remove_alias(by=olga.by, model=RegisteredModel.objects.get(), alias="champion")
    assert RegisteredModel.objects.get().next_number == 2
    assert list(Alias.objects.values_list("name", flat=True)) == ["champion"]
    update_model(by=olga.by, model=model, description="Replaced by churn-2.")


def test_a_request_that_was_made_before_is_not_approved_meanwhile(
    olga: Person, version: ModelVersion
) -> None:
    model = version.model
    update_model(by=manager().by, model=model, approval_required=True, card=CARD)
    request = aliases.move_alias(by=olga.by, version=again(version), alias="challenger")
    assert isinstance(request, ApprovalRequest)
    archive_model(by=olga.by, model=RegisteredModel.objects.get())
    with pytest.raises(VersionNotServable):
        approvals.approve(by=approver().by, request=request, reason="It was looked at.")
    assert not Alias.objects.filter(name="challenger").exists()
    unarchive_model(by=olga.by, model=RegisteredModel.objects.get())
    request.refresh_from_db()
    assert request.state == "pending"


def test_a_version_whose_checks_end_meanwhile_becomes_no_champion(olga: Person) -> None:
    model = things.a_model(olga)
    version = things.a_version(model, olga, status="checking")
    ModelVersion.objects.filter(pk=version.pk).update(
        signature=things.SIGNATURE, facts=things.FACTS
    )
    archive_model(by=olga.by, model=model)
    make_ready(again(version))
    assert again(version).status == "ready"
    assert not Alias.objects.exists()


def test_publishers_archive_and_of_a_guarded_model_managers(
    olga: Person, version: ModelVersion
) -> None:
    model = version.model
    tariq = team_mate(model)
    with pytest.raises(NotAllowed):
        archive_model(by=tariq.by, model=model)
    tariq.user.grants.update(role="publisher")
    archive_model(by=tariq.by, model=model)
    unarchive_model(by=tariq.by, model=model)
    update_model(by=olga.by, model=model, approval_required=True)
    with pytest.raises(NotAllowed):
        archive_model(by=tariq.by, model=RegisteredModel.objects.get())
    archive_model(by=olga.by, model=RegisteredModel.objects.get())
