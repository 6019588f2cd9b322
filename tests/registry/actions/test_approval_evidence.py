"""What a reviewer is shown: as it stands now until the decision, then as it was decided on."""

from __future__ import annotations

import pytest

from registry.actions.aliases import move_alias, place_alias
from registry.actions.approval_evidence import evidence_now
from registry.actions.approvals import approve, attach_evidence
from registry.actions.models import update_model
from registry.actions.versions import update_version
from registry.models import ApprovalRequest, Check
from tests import people, things
from tests.cards import CARD

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga():
    return people.owner()


@pytest.fixture
def request_(olga):
    """Version 2 is to be the champion, which version 1 is."""
    model = things.a_model(olga, approval_required=True)
    first = things.a_version(model, olga, metrics={"auc": 0.75, "recall": 0.5})
    second = things.a_version(model, olga, seed="two", metrics={"auc": 0.875, "f1": 0.6})
    place_alias(by=olga.by, version=first, alias="champion")
    Check.objects.filter(version=second, name="scan").update(
        verdict="passed", summary="Looks as it should.", evidence={"format": "pickle"}
    )
    request = move_alias(by=olga.by, version=second, alias="champion")
    assert isinstance(request, ApprovalRequest)
    return request


def test_a_request_has_checks_metrics_and_card_from_the_start(request_):
    kept = ApprovalRequest.objects.get().evidence

    assert kept["scan"] == {
        "verdict": "passed", "summary": "Looks as it should.", "format": "pickle",
    }  # fmt: skip
    assert kept["card"] == {"fields": CARD, "missing": []}
    assert (kept["metrics"]["version"], kept["metrics"]["present"]) == (2, 1)
    assert kept["metrics"]["rows"] == [
        {"name": "auc", "value": 0.875, "present": 0.75, "change": 0.125},
        {"name": "f1", "value": 0.6, "present": None, "change": None},
        {"name": "recall", "value": None, "present": 0.5, "change": None},
    ]


def test_until_the_decision_the_evidence_is_what_stands_now(request_, olga):
    update_version(by=olga.by, version=request_.version, metrics={"auc": 0.5})
    update_model(by=olga.by, model=request_.model, card={"limits": "Never tried abroad."})
    attach_evidence(request_, "comparison:1", {"rows": 3}, most=3)

    client = people.approver().client()
    shown = client.get(f"/api/v1/approvals/{request_.pk}").json()["evidence"]

    assert shown["metrics"]["rows"][0] == {
        "name": "auc", "value": 0.5, "present": 0.75, "change": -0.25,
    }  # fmt: skip
    assert shown["card"]["fields"]["limits"] == "Never tried abroad."
    assert shown["comparison:1"] == {"rows": 3}


def test_the_decision_writes_down_what_it_was_made_on(request_, olga):
    update_model(by=olga.by, model=request_.model, card={"limits": "Never tried abroad."})
    # Attached by somebody else since the reviewer's request was read.
    attach_evidence(ApprovalRequest.objects.get(), "comparison:1", {"rows": 3}, most=3)
    approve(by=people.approver().by, request=request_, reason="fine")
    update_model(by=olga.by, model=request_.model, card={"limits": "Later words."})

    decided = ApprovalRequest.objects.get()

    assert decided.evidence["card"]["fields"]["limits"] == "Never tried abroad."
    assert decided.evidence["metrics"]["present"] == 1
    assert decided.evidence["comparison:1"] == {"rows": 3}
    assert evidence_now(decided) == decided.evidence


def test_another_alias_is_compared_with_the_champion(request_, olga):
    other = move_alias(by=olga.by, version=request_.version, alias="challenger")
    assert isinstance(other, ApprovalRequest)

    assert other.evidence["metrics"]["present"] == 1


def test_the_page_of_a_decision_shows_metrics_card_checks_side_by_side(request_):
    page = (
        people.person("anna", role="approver", is_staff=True)
        .session()
        .get(f"/admin/registry/approvalrequest/{request_.pk}/")
    )

    shown = page.content.decode()
    assert page.status_code == 200
    assert "Metrics beside those of version 1" in shown
    assert "+0.125" in shown
    assert "<strong>Not</strong> for prices" in shown
    assert "What the checks have seen" in shown


def test_a_card_is_markdown_and_never_html(request_, olga):
    update_model(
        by=olga.by,
        model=request_.model,
        card={"data": "<script>alert(1)</script> [x](javascript:alert(2)) ![i](http://x/y.png)"},
    )
    anna = people.person("anna", role="approver", is_staff=True).session()

    for address in (
        f"/admin/registry/approvalrequest/{request_.pk}/",
        f"/admin/registry/registeredmodel/{request_.model_id}/",
        f"/admin/registry/registeredmodel/{request_.model_id}/card/",
    ):
        shown = anna.get(address).content.decode()
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert(1)" in shown
        assert 'href="javascript' not in shown
        assert "<img" not in shown


def test_the_card_is_filled_in_on_its_page(request_, olga):
    session = people.person("pat", role="publisher", is_staff=True).session()
    address = f"/admin/registry/registeredmodel/{request_.model_id}/card-edit/"
    typed = {**CARD, "limits": "", "owner": "  "}

    form = session.get(address).content.decode()
    sent = session.post(address, typed)
    refused = session.post(address, {**CARD, "risk_rating": "dire"}).content.decode()

    assert "Unknown for customers abroad." in form
    assert sent.status_code == 302
    request_.model.refresh_from_db()
    assert request_.model.card == {k: v for k, v in CARD.items() if k not in ("limits", "owner")}
    assert "dire" in refused
    viewer = people.person("vera", role="viewer", is_staff=True).session()
    assert viewer.post(address, typed).status_code == 403
