"""Approvals over REST: four eyes, each request decided once."""

from __future__ import annotations

import pytest
from django.urls import reverse

from registry.models import ApprovalRequest, ModelVersion
from registry.scan.edition import gate_version
from tests import people, things

pytestmark = pytest.mark.django_db

APPROVALS = "/api/v1/approvals"


@pytest.fixture
def owner():
    return people.owner()


@pytest.fixture
def asked(owner):
    """The id of a request to move ``champion`` of a guarded model."""
    things.a_version(things.a_model(owner, approval_required=True), owner)
    answer = owner.client().put(
        "/api/v1/models/churn/aliases/champion", {"version": 1}, content_type="application/json"
    )
    return answer.json()["id"]


def decide(client, request, verb="approve", reason="looked at it"):
    return client.post(
        f"{APPROVALS}/{request}/{verb}", {"reason": reason}, content_type="application/json"
    )


def test_an_approval_by_somebody_else_moves_the_alias(asked, owner):
    answer = decide(people.approver().client(), asked)

    body = answer.json()
    assert (answer.status_code, body["state"], body["decided_by"]) == (200, "approved", "anna")
    assert body["reason"] == "looked at it"
    assert owner.client().get("/api/v1/models/churn/aliases/champion").json()["version"] == 1
    (move,) = owner.client().get("/api/v1/models/churn/aliases/champion/history").json()["results"]
    assert (move["by"], move["approved_by"]) == ("olga", "anna")


def test_a_rejection_leaves_the_alias_where_it_is(asked, owner):
    answer = decide(people.approver().client(), asked, "reject")

    assert answer.json()["state"] == "rejected"
    assert owner.client().get("/api/v1/models/churn/aliases/champion").status_code == 404


def test_the_requester_does_not_decide_not_even_as_manager(asked, owner):
    owner.user.is_superuser = True
    owner.user.save()

    answer = decide(owner.client(), asked)

    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


def test_what_is_decided_stays_decided(asked):
    client = people.approver().client()
    decide(client, asked)

    answer = decide(client, asked, "reject")

    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")


@pytest.mark.parametrize("reason", ["", "  ", None, 5])
def test_a_decision_needs_its_reason(asked, reason):
    answer = decide(people.approver().client(), asked, reason=reason)

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/reason")


def test_a_publisher_does_not_decide_and_a_stranger_sees_nothing(asked, owner):
    publisher = people.person("paul", role="publisher").client()
    stranger = people.stranger().client()

    assert decide(publisher, asked).status_code == 403
    assert decide(stranger, asked).status_code == 404
    assert stranger.get(APPROVALS).json()["count"] == 0


def test_a_quarantined_version_is_ready_once_it_is_approved(owner):
    version = things.a_quarantined_version(things.a_model(owner), owner)
    client = people.approver().client()
    (request,) = client.get(f"{APPROVALS}?subject=version&state=pending").json()["results"]

    answer = decide(client, request["id"])

    assert (request["alias"], request["sha256"]) == (None, version.artifact.sha256)
    assert (request["version"], request["gate_version"]) == (1, gate_version())
    assert list(request["evidence"]) == [
        "scan",
        "load",
        "signature",
        "golden",
        "compile",
        "metrics",
        "card",
    ]
    assert request["evidence"]["load"]["estimator"] == things.FACTS["estimator"]
    assert answer.json()["state"] == "approved"
    assert ModelVersion.objects.get().status == "ready"
    assert owner.client().get("/api/v1/models/churn/aliases/champion").json()["version"] == 1


def test_an_approval_under_another_gate_is_a_conflict_that_says_what_to_do(owner):
    things.a_quarantined_version(things.a_model(owner), owner)
    ApprovalRequest.objects.update(gate_version="1-000000000000")
    client = people.approver().client()
    (request,) = client.get(APPROVALS).json()["results"]

    answer = decide(client, request["id"])

    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
    assert "1-000000000000" in answer.json()["detail"]
    assert "manage.py regate" in answer.json()["detail"]
    assert ApprovalRequest.objects.get().state == "pending"
    assert ModelVersion.objects.get().status == "quarantined"


def test_requests_are_narrowed_down_by_model(asked):
    client = people.approver().client()

    assert client.get(f"{APPROVALS}?model=CHURN").json()["count"] == 1
    assert client.get(f"{APPROVALS}?model=other").json()["count"] == 0
    assert client.get(f"{APPROVALS}?state=open").json()["code"] == "malformed-parameter"


@pytest.mark.parametrize("request_id", ["nope", "0198a000-0000-7000-8000-000000000000"])
def test_an_unknown_request_is_404(asked, request_id):
    assert people.approver().client().get(f"{APPROVALS}/{request_id}").status_code == 404


def test_cells_in_evidence_are_shown_to_nobody_once_the_model_is_confidential(owner):
    version = things.a_version(things.a_model(owner, approval_required=True), owner)
    quoted = "The original serves: 1 of 9 rows otherwise. First: row 3, 61.5 and 62"
    secret = {
        "reason": "compiled-differs",
        "first_difference": {"row": 3, "expected": 61.5},
        "errors": [{"row": 0, "column": "age", "received": "61.5"}],
    }
    version.checks.update_or_create(
        name="compile", defaults={"verdict": "warned", "summary": quoted, "evidence": secret}
    )
    client, put = owner.client(), {"version": 1}
    path = "/api/v1/models/churn/aliases/champion"
    asked = client.put(path, put, content_type="application/json").json()["id"]
    pages = ["/api/v1/models/churn/versions/1", f"{APPROVALS}/{asked}", APPROVALS]
    assert all("61.5" in client.get(page).content.decode() for page in pages)

    version.model.classification = "confidential"
    version.model.save()

    for page in pages:
        text = client.get(page).content.decode()
        assert "61.5" not in text
        assert "compiled-differs" in text
    decide(people.approver().client(), asked)
    assert "61.5" not in client.get(f"{APPROVALS}/{asked}").content.decode()
    owner.user.is_staff = True
    owner.user.save()
    page = owner.session().get(reverse("admin:registry_modelversion_change", args=[version.pk]))
    assert page.status_code == 200
    assert b"compiled-differs" in page.content
    assert b"61.5" not in page.content
