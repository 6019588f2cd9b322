"""Versions over REST: looking, describing, archiving and fetching their bytes."""

from __future__ import annotations

import pytest

from registry.models import Artifact, RegisteredModel
from tests import people, things

pytestmark = pytest.mark.django_db

VERSIONS = "/api/v1/models/churn/versions"


@pytest.fixture
def owner():
    return people.owner()


@pytest.fixture
def version(owner):
    return things.a_version(things.a_model(owner), owner)


def body_of(answer):
    return b"".join(answer.streaming_content)


def test_a_version_shows_signature_aliases_and_absolute_links(owner, version):
    client = owner.client()
    client.put(
        "/api/v1/models/churn/aliases/champion", {"version": 1}, content_type="application/json"
    )

    body = client.get(f"{VERSIONS}/1").json()

    assert body["signature"] == things.SIGNATURE
    assert (body["aliases"], body["model"], body["created_by"]) == (["champion"], "churn", "olga")
    assert body["links"]["artifact"] == f"http://testserver{VERSIONS}/1/artifact"
    assert body["links"]["model"] == "http://testserver/api/v1/models/churn"


def test_links_use_the_public_url_with_its_prefix(owner, version, settings):
    settings.MODELYARD = settings.MODELYARD | {"PUBLIC_URL": "https://models.example.org/yard"}

    version.checks.filter(name="load").update(evidence={"reason": "does-not-load"})

    body = owner.client().get(f"{VERSIONS}/1").json()

    assert body["url"] == f"https://models.example.org/yard{VERSIONS}/1"
    reasons = {check["name"]: check["links"]["reason"] for check in body["checks"]}
    assert reasons["load"] == ("https://models.example.org/yard/docs/errors#reason-does-not-load")
    assert reasons["scan"] is None


@pytest.mark.parametrize(
    "number", ["2", "0", "-1", "abc", "1.0", "99999999999999999999", "%00", "١"]
)
def test_an_unknown_number_is_version_not_found(owner, version, number):
    answer = owner.client().get(f"{VERSIONS}/{number}")

    assert (answer.status_code, answer.json()["code"]) == (404, "version-not-found")


def test_only_description_tags_and_metrics_change(owner, version):
    client = owner.client()
    change = {"description": "new", "tags": {"a": "b"}, "metrics": {"auc": 0.5}}

    answer = client.patch(f"{VERSIONS}/1", change, content_type="application/json")
    refused = client.patch(f"{VERSIONS}/1", {"status": "ready"}, content_type="application/json")

    assert {k: answer.json()[k] for k in change} == change
    assert (refused.status_code, refused.json()["pointer"]) == (422, "/status")


def test_a_metric_of_many_digits_can_be_shown_again(owner, version):
    client = owner.client()

    client.patch(f"{VERSIONS}/1", '{"metrics": {"n": 1' + "0" * 40 + "}}", "application/json")

    assert client.get(f"{VERSIONS}/1").json()["metrics"] == {"n": 1e40}


def test_the_artifact_comes_with_its_digest_and_a_name_of_ours(owner, version):
    answer = owner.client().get(f"{VERSIONS}/1/artifact")

    digest = things.sha256(things.model_bytes())
    assert body_of(answer) == things.model_bytes()
    assert answer["ETag"] == f'"{digest}"'
    assert answer["Content-Disposition"] == 'attachment; filename="churn-v1.pkl"'
    assert answer["Content-Length"] == str(len(things.model_bytes()))


def test_a_client_that_has_the_bytes_already_is_told_so(owner, version):
    etag = f'"{version.artifact.sha256}"'

    answer = owner.client().get(f"{VERSIONS}/1/artifact", headers={"If-None-Match": etag})

    assert (answer.status_code, answer["ETag"], answer.content) == (304, etag, b"")


def test_a_viewer_may_look_and_not_fetch_and_unchecked_bytes_are_for_publishers(owner, version):
    things.a_version(version.model, owner, status="quarantined", seed="two")
    viewer = people.team_mate(version.model, role="viewer").client()
    scorer = people.person("sid", role="scorer").client()

    assert viewer.get(f"{VERSIONS}/1").status_code == 200
    assert viewer.get(f"{VERSIONS}/1/artifact").status_code == 403
    assert body_of(scorer.get(f"{VERSIONS}/1/artifact")) == things.model_bytes()
    assert scorer.get(f"{VERSIONS}/2/artifact").status_code == 403
    assert body_of(owner.client().get(f"{VERSIONS}/2/artifact")) == things.model_bytes("two")


def test_bytes_that_were_let_go_are_a_conflict_and_no_link(owner, version):
    from django.utils import timezone

    Artifact.objects.update(gone_at=timezone.now())
    client = owner.client()

    answer = client.get(f"{VERSIONS}/1/artifact")

    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
    assert client.get(f"{VERSIONS}/1").json()["links"]["artifact"] is None


def test_an_archived_version_stays_and_cannot_be_archived_again(owner, version):
    client = owner.client()

    archived = client.post(f"{VERSIONS}/1/archive")
    again = client.post(f"{VERSIONS}/1/archive")

    assert (archived.status_code, archived.json()["status"]) == (200, "archived")
    assert (again.status_code, again.json()["code"]) == (409, "state-conflict")


def test_a_version_that_an_alias_points_to_is_not_archived(owner, version):
    client = owner.client()
    client.put(
        "/api/v1/models/churn/aliases/champion", {"version": 1}, content_type="application/json"
    )

    answer = client.post(f"{VERSIONS}/1/archive")

    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
    assert "champion" in answer.json()["detail"]


def test_versions_are_listed_newest_first_and_narrowed_down(owner, version):
    model = RegisteredModel.objects.get()
    things.a_version(model, owner, status="rejected", seed="b", tags={"team": "crm"})
    things.a_version(model, owner, status="pending", seed="c", description="the third")
    client = owner.client()

    def numbers(query=""):
        return things.listed(client.get(f"{VERSIONS}{query}").json(), "number")

    assert numbers() == [3, 2, 1]
    assert numbers("?status=rejected") == [2]
    assert numbers("?tag=team:crm") == [2]
    assert numbers("?search=THIRD") == [3]
    assert numbers("?ordering=number") == [1, 2, 3]
