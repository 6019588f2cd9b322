"""Promotion of dataset versions: rules, reason, four eyes, and what is decided about."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from registry.actions.approvals import approve, reject
from registry.actions.tiers import ask_for_tier, demote
from registry.errors import InvalidField, NotAllowed, RowsErased, RulesNotMet, StateConflict
from registry.models import ApprovalRequest, AuditEvent, Dataset, DatasetVersion
from tests import people, things

pytestmark = pytest.mark.django_db

RULES = {"rows": {"min": 3}, "columns": {"age": {"type": "int64", "min": 0, "max": 120}}}


@pytest.fixture
def olga():
    return people.owner()


@pytest.fixture
def anna():
    return people.approver()


@pytest.fixture
def version(olga):
    version = things.a_dataset_version(olga)
    Dataset.objects.update(rules=RULES)
    return fresh(version)


def fresh(version):
    return DatasetVersion.objects.select_related("dataset").get(pk=version.pk)


def ask(who, version, tier="curated", reason="Cleaned."):
    return ask_for_tier(by=who.by, version=version, tier=tier, reason=reason)


def test_a_version_moves_up_when_somebody_else_approves(olga, anna, version):
    request = ask(olga, version)

    assert fresh(version).tier == "raw"
    assert request.sha256 == version.sha256
    assert [rule["passed"] for rule in request.evidence["rules"]] == [True] * 5
    assert (request.evidence["from"], request.evidence["to"]) == ("raw", "curated")

    approve(by=anna.by, request=request, reason="Looked at it.")

    assert fresh(version).tier == "curated"
    event = AuditEvent.objects.get(action="dataset.promote")
    assert (event.actor, event.object_name, event.reason) == ("olga", "customers@1", "Cleaned.")
    assert event.after == {"tier": "curated", "approved_by": "anna"}


def test_a_rejected_version_stays_where_it_is_and_may_be_asked_for_again(olga, anna, version):
    reject(by=anna.by, request=ask(olga, version), reason="Not yet.")

    assert fresh(version).tier == "raw"
    assert ask(olga, version).state == "pending"


def test_there_is_one_step_at_a_time_up_to_product(olga, anna, version):
    with pytest.raises(InvalidField, match="the next tier is curated") as refused:
        ask(olga, version, "product")
    assert refused.value.pointer == "/tier"
    for tier in ("curated", "product"):
        approve(by=anna.by, request=ask(olga, fresh(version), tier), reason="Fine.")
    assert fresh(version).tier == "product"
    with pytest.raises(StateConflict, match="is a product already"):
        ask(olga, fresh(version), "product")


def test_broken_rules_are_all_named_and_nothing_is_asked(olga, version):
    Dataset.objects.update(rules={"rows": {"min": 4}, "columns": {"name": {}, "age": {"min": 7}}})

    with pytest.raises(RulesNotMet, match="breaks 2 of 4 rules: rows/min, columns/name") as refused:
        ask(olga, fresh(version))

    outcomes = {o["rule"]: (o["passed"], o["found"]) for o in refused.value.outcomes}
    assert outcomes["rows/min"] == (False, 3)
    assert outcomes["columns/age/min"] == (True, 7)
    assert not ApprovalRequest.objects.exists()


def test_rules_that_became_stricter_count_when_it_is_decided(olga, anna, version):
    request = ask(olga, version)
    Dataset.objects.update(rules={"rows": {"min": 4}})

    with pytest.raises(StateConflict, match="does not fit the rules of now: rows/min"):
        approve(by=anna.by, request=request, reason="Fine.")
    assert fresh(version).tier == "raw"


@pytest.mark.parametrize("reason", ["", "  "])
def test_it_needs_a_reason(olga, version, reason):
    with pytest.raises(InvalidField, match="needs its reason"):
        ask(olga, version, reason=reason)


def test_neither_who_asks_nor_who_uploaded_decides(olga, version):
    marie = people.manager()
    anna = people.team_mate(version.dataset, role="approver")
    for asker, decider in [(marie, olga), (marie, marie), (anna, anna)]:
        request = ask(asker, version)
        people.Grant.objects.update(role="manager")
        with pytest.raises(NotAllowed, match="Somebody other than"):
            approve(by=decider.by, request=request, reason="Fine.")
        reject(
            by=people.person(f"r-{asker.user}-{decider.user}", role="approver").by,
            request=request,
            reason="No.",
        )


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", False), ("scorer", False), ("publisher", True)]
)
def test_publishers_ask(version, role, may):
    tariq = people.team_mate(version.dataset, role=role)
    if may:
        assert ask(tariq, version).state == "pending"
        return
    with pytest.raises(NotAllowed):
        ask(tariq, version)


def test_approvers_of_the_dataset_decide(olga, version):
    request = ask(olga, version)
    with pytest.raises(NotAllowed, match="role approver on customers"):
        approve(
            by=people.team_mate(version.dataset, role="publisher").by, request=request, reason="x"
        )


def test_the_same_is_asked_for_once(olga, version):
    ask(olga, version)
    with pytest.raises(StateConflict, match="was asked for customers@1 already"):
        ask(olga, version)


@pytest.mark.parametrize(
    ("of", "values", "error"),
    [
        (DatasetVersion, {"status": "rejected"}, StateConflict),
        (DatasetVersion, {"erased_at": "now"}, RowsErased),
        (Dataset, {"archived_at": "now"}, StateConflict),
    ],
)
def test_what_has_no_rows_in_use_does_not_move(olga, anna, version, of: Any, values, error):
    request = ask(olga, version)
    now = {key: timezone.now() if value == "now" else value for key, value in values.items()}
    of.objects.update(**now)
    request = ApprovalRequest.objects.select_related("dataset_version__dataset").get(pk=request.pk)
    with pytest.raises(StateConflict):
        approve(by=anna.by, request=request, reason="Fine.")
    ApprovalRequest.objects.all().delete()
    with pytest.raises(error):
        ask(olga, fresh(version))


def test_an_output_of_a_job_is_bound_to_its_parts(olga, anna, version):
    Dataset.objects.update(rules={"rows": {"min": 1}})
    output = things.an_output(olga, version, "churn-job-1")

    request = ask(olga, fresh(output))

    assert (len(request.sha256), request.sha256 != version.sha256) == (64, True)
    approve(by=anna.by, request=request, reason="Fine.")
    assert fresh(output).tier == "curated"


# --- the way down -------------------------------------------------------------------------------


def down(who, version, tier="raw", reason="The prices were in cents."):
    return demote(by=who.by, version=version, tier=tier, reason=reason)


@pytest.fixture
def product(version):
    DatasetVersion.objects.update(tier="product")
    return fresh(version)


@pytest.mark.parametrize("tier", ["curated", "raw"])
def test_an_approver_takes_a_product_down_at_once_with_a_reason(anna, product, tier):
    assert down(anna, product, tier).tier == fresh(product).tier == tier

    event = AuditEvent.objects.get(action="dataset.demote")
    assert (event.actor, event.object_name) == ("anna", "customers@1")
    assert (event.before, event.after) == ({"tier": "product"}, {"tier": tier})
    assert event.reason == "The prices were in cents."


def test_what_was_taken_down_goes_the_whole_way_up_again(olga, anna, product):
    down(anna, product)
    with pytest.raises(InvalidField, match="the next tier is curated"):
        ask(olga, fresh(product), "product")
    approve(by=anna.by, request=ask(olga, fresh(product)), reason="Mended.")
    assert fresh(product).tier == "curated"


def test_a_request_of_before_promotes_nothing_that_was_taken_down(olga, anna, version):
    DatasetVersion.objects.update(tier="curated")
    request = ask(olga, fresh(version), "product")
    down(anna, fresh(version))
    with pytest.raises(StateConflict, match="is raw now"):
        approve(by=anna.by, request=request, reason="Fine.")
    assert fresh(version).tier == "raw"


@pytest.mark.parametrize(
    ("tier", "reason", "error"),
    [
        ("product", "Wrong.", InvalidField),
        ("gold", "Wrong.", InvalidField),
        ("raw", " ", InvalidField),
    ],
)
def test_a_way_down_that_is_none_is_named(anna, product, tier, reason, error):
    with pytest.raises(error) as refused:
        down(anna, product, tier, reason)
    assert refused.value.pointer == ("/tier" if reason.strip() else "/reason")
    assert fresh(product).tier == "product"


def test_below_raw_there_is_nothing(anna, version):
    with pytest.raises(StateConflict, match="no lower tier"):
        down(anna, version)


@pytest.mark.parametrize(("role", "may"), [("publisher", False), ("approver", True)])
def test_approvers_take_down_also_what_is_erased_or_archived(product, role, may):
    DatasetVersion.objects.update(erased_at=timezone.now())
    Dataset.objects.update(archived_at=timezone.now())
    tariq = people.team_mate(product.dataset, role=role)
    if may:
        assert down(tariq, fresh(product)).tier == "raw"
        return
    with pytest.raises(NotAllowed):
        down(tariq, fresh(product))
