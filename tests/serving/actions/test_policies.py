"""What becomes of a file under each policy, end to end through a real model host."""

from __future__ import annotations

from typing import Any

import pytest

from registry.actions.approvals import approve, reject
from registry.actions.versions import correct_version
from registry.errors import NotAllowed, StateConflict, VersionNotReady
from registry.models import ApprovalRequest, AuditEvent, ModelVersion
from registry.scan.edition import gate_version
from tests import people, things
from tests.serving.actions.conftest import Bench, fitted, saved

pytestmark = pytest.mark.django_db

# Two texts, STACK_GLOBAL, a text, a tuple of it, REDUCE: assembled, never loaded here.
HOSTILE = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."


@pytest.fixture
def owner():
    return people.owner()


@pytest.fixture
def model(owner):
    return things.a_model(owner)


def verdicts_of(version: ModelVersion) -> dict[str, str]:
    return dict(version.checks.order_by("id").values_list("name", "verdict"))


def request_for(version: ModelVersion) -> ApprovalRequest:
    rows = ApprovalRequest.objects.select_related("model", "version__artifact", "version__model")
    return rows.get(version=version)


@pytest.mark.parametrize("format", ["skops", "onnx", "joblib", "pickle"])
@pytest.mark.parametrize("policy", ["gate", "approve", "refuse"])
def test_an_ordinary_model_under_each_policy(
    bench: Bench, owner: Any, model: Any, policy: str, format: str
) -> None:
    bench.policy(policy)
    version = bench.register(owner, model, saved(fitted(), format), format, example=True)

    executes_code = format in ("joblib", "pickle")
    expected = {"gate": "ready", "approve": "quarantined", "refuse": "rejected"}[policy]
    checks = verdicts_of(version)
    assert version.status == (expected if executes_code else "ready"), checks
    if version.status == "rejected":
        assert version.checks.get(name="scan").evidence["reason"] == "refused-by-policy"
        assert set(checks.values()) == {"failed", "skipped"}
    else:
        assert set(checks.values()) <= {"passed", "warned"}
        assert version.gate_version == gate_version()
    assert ApprovalRequest.objects.count() == (version.status == "quarantined")


@pytest.mark.parametrize("policy", ["gate", "approve", "refuse"])
def test_what_the_gate_refuses_is_rejected_under_every_policy_and_asks_nobody(
    bench: Bench, owner: Any, model: Any, policy: str
) -> None:
    bench.policy(policy)
    version = bench.register(owner, model, HOSTILE, "pickle")

    scan = version.checks.get(name="scan")
    assert version.status == "rejected"
    if policy != "refuse":
        assert scan.evidence["global"] == "posix.system"
        assert "posix.system" in scan.summary
    assert not ApprovalRequest.objects.exists()


def test_the_reviewer_sees_the_evidence_of_all_checks_and_releases_at_once(
    bench: Bench, owner: Any, model: Any
) -> None:
    bench.policy("approve")
    version = bench.register(owner, model, saved(fitted(), "joblib"), "joblib")
    request = request_for(version)

    assert (request.sha256, request.gate_version) == (version.artifact.sha256, gate_version())
    assert list(request.evidence) == [
        "scan",
        "load",
        "signature",
        "golden",
        "compile",
        "metrics",
        "card",
    ]
    assert request.evidence["load"]["estimator"].endswith("LogisticRegression")
    assert request.evidence["golden"]["rows"] == 40
    with pytest.raises(VersionNotReady):
        version.require_servable()

    approve(by=people.approver().by, request=request, reason="known")

    version.refresh_from_db()
    assert (version.status, version.check_attempts) == ("ready", 1)
    assert version.aliases.get().name == "champion"


def test_the_uploader_cannot_approve_even_with_every_role(bench: Bench) -> None:
    bench.policy("approve")
    anna = people.approver()
    model = things.a_model(people.owner())
    version = bench.register(anna, model, saved(fitted(), "pickle"), "pickle")

    with pytest.raises(NotAllowed):
        approve(by=anna.by, request=request_for(version), reason="mine")


def test_bytes_that_were_approved_once_need_no_second_approval_in_the_same_model(
    bench: Bench, owner: Any, model: Any
) -> None:
    bench.policy("approve")
    body = saved(fitted(), "joblib")
    first = bench.register(owner, model, body, "joblib")
    approve(by=people.approver().by, request=request_for(first), reason="known")

    again = bench.register(owner, model, body, "joblib")
    elsewhere = bench.register(owner, things.a_model(owner, "other"), body, "joblib")

    assert (again.status, elsewhere.status) == ("ready", "quarantined")
    event = AuditEvent.objects.get(action="version.released")
    assert event.reason == "The same bytes were approved as churn version 1 by anna."
    assert event.object_name == "churn version 2"


def test_an_approval_does_not_serve_an_upload_of_the_approver(
    bench: Bench, owner: Any, model: Any
) -> None:
    bench.policy("approve")
    body, anna = saved(fitted(), "joblib"), people.approver()
    first = bench.register(owner, model, body, "joblib")
    approve(by=anna.by, request=request_for(first), reason="known")

    assert bench.register(anna, model, body, "joblib").status == "quarantined"


def test_a_correction_by_somebody_else_does_not_let_the_uploader_approve(
    bench: Bench, owner: Any, model: Any
) -> None:
    bench.policy("approve")
    anna = people.approver()
    first = bench.register(anna, model, saved(fitted(), "joblib"), "joblib")
    corrected = correct_version(by=owner.by, version=first, signature=first.signature)

    version = bench.check(corrected)

    assert version.status == "quarantined"
    with pytest.raises(NotAllowed):
        approve(by=anna.by, request=request_for(version), reason="mine")


def test_a_rejection_takes_an_earlier_approval_of_the_bytes_back(
    bench: Bench, owner: Any, model: Any
) -> None:
    bench.policy("approve")
    body, anna = saved(fitted(), "joblib"), people.approver()
    first = bench.register(owner, model, body, "joblib")
    approve(by=anna.by, request=request_for(first), reason="known")
    second = bench.register(anna, model, body, "joblib")
    reject(by=people.manager().by, request=request_for(second), reason="no longer")

    assert bench.register(owner, model, body, "joblib").status == "quarantined"


def test_an_approval_of_another_gate_or_a_rejection_releases_nothing(
    bench: Bench, owner: Any, model: Any
) -> None:
    bench.policy("approve")
    body, anna = saved(fitted(), "joblib"), people.approver()
    first = bench.register(owner, model, body, "joblib")
    approve(by=anna.by, request=request_for(first), reason="known")
    ApprovalRequest.objects.update(gate_version="1-000000000000")

    second = bench.register(owner, model, body, "joblib")
    assert second.status == "quarantined"
    reject(by=anna.by, request=request_for(second), reason="not this time")
    assert bench.register(owner, model, body, "joblib").status == "quarantined"


def test_checks_that_have_not_run_yet_run_after_the_approval(
    bench: Bench, owner: Any, model: Any
) -> None:
    bench.policy("approve")
    version = bench.register(owner, model, saved(fitted(), "joblib"), "joblib")
    version.checks.exclude(name="scan").update(verdict="pending")

    approve(by=people.approver().by, request=request_for(version), reason="known")

    version.refresh_from_db()
    assert version.status == "pending"
    assert bench.check(version).status == "ready"


def test_what_was_rejected_cannot_be_approved(bench: Bench, owner: Any, model: Any) -> None:
    bench.policy("approve")
    version = bench.register(owner, model, saved(fitted(), "joblib"), "joblib")
    anna, request = people.approver(), request_for(version)
    reject(by=anna.by, request=request, reason="no")

    with pytest.raises(StateConflict):
        approve(by=anna.by, request=request_for(version), reason="yes")
    version.refresh_from_db()
    assert version.status == "rejected"
