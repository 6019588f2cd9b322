"""Looking again at stored versions: what a newer gate takes out of service and lets come back."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from registry import storage
from registry.actions import second_looks
from registry.actions.approvals import approve, reject
from registry.errors import StateConflict
from registry.models import (
    ApprovalRequest,
    Artifact,
    AuditEvent,
    Check,
    ModelVersion,
    RegisteredModel,
)
from registry.scan import Finding
from registry.scan.edition import gate_version
from serving.actions import regate as regating
from serving.actions.reconcile import reconcile
from serving.runtimes.isolation.errors import HostUnavailable, ModelDied
from tests import people, things
from tests.people import Person
from tests.serving.actions.conftest import Bench, fitted, saved

pytestmark = pytest.mark.django_db
OLD = "1-000000000000"


class Gate:
    """A model host that only looks, and says what it is told to."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.looks: list[str] = []
        self.deaths = 0
        self.gate_version = gate_version()

    @contextmanager
    def inspect(self, opened: Any, spec: Any, *, deadline_s: float) -> Iterator[Any]:
        assert opened().read()
        self.looks.append(spec.sha256)
        yield self

    def scan(self) -> Finding:
        if self.deaths:
            self.deaths -= 1
            raise ModelDied("The process ended.", {"cause": "SIGSEGV"})
        evidence = {"gate_version": self.gate_version}
        if self.looks[-1] in self.refused:
            evidence |= {"global": "os.system"}
            return Finding("failed", "pickle-untrusted-global", "It names os.system.", evidence)
        return Finding("passed", "", "Every name is listed.", evidence)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """The gate of now."""
    made = Gate()
    monkeypatch.setattr(regating, "host", lambda: made)
    return made


@pytest.fixture
def owner() -> Person:
    return people.owner()


@pytest.fixture
def model(owner: Person) -> RegisteredModel:
    return things.a_model(owner)


def regate(*options: str) -> tuple[str, int]:
    """What the command printed, and its exit code."""
    out = io.StringIO()
    try:
        call_command("regate", *options, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(str(ended.code))
    return out.getvalue(), 0


def ready(model: RegisteredModel, owner: Person, seed: str = "churn") -> ModelVersion:
    return things.checked(things.a_version(model, owner, status="pending", seed=seed))


def outdated() -> None:
    """As if another version of the gate had looked last."""
    ModelVersion.objects.exclude(gate_version="").update(gate_version=OLD)
    ApprovalRequest.objects.update(gate_version=OLD)


def test_a_version_that_still_passes_stays_in_service(gate, model, owner):
    version = ready(model, owner)
    outdated()

    printed, code = regate()

    version.refresh_from_db()
    assert (version.status, version.gate_version, code) == ("ready", gate_version(), 0)
    assert version.checks.get(name="scan").evidence == {
        "reason": "",
        "gate_version": gate_version(),
    }
    assert "1 file looked at" in printed
    assert not AuditEvent.objects.filter(action="version.quarantined").exists()


def test_what_no_longer_passes_is_served_no_more_until_a_later_gate_passes_it(gate, model, owner):
    version = ready(model, owner)
    outdated()
    gate.refused = {version.artifact.sha256}

    printed, code = regate()

    version.refresh_from_db()
    assert (version.status, code) == ("quarantined", 1)
    assert "churn version 1: taken out of service. It names os.system." in printed
    assert version.checks.get(name="scan").verdict == "failed"
    assert version.aliases.get().name == "champion"
    event = AuditEvent.objects.get(action="version.quarantined")
    assert event.reason == "The gate no longer passes it. It names os.system."
    for path in ("churn/predict", "churn/versions/1/predict"):
        answer = owner.client().post(
            f"/api/v1/models/{path}", {"instances": []}, content_type="application/json"
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "version-not-ready")

    gate.refused = set()
    outdated()
    printed, code = regate()

    version.refresh_from_db()
    assert (version.status, code) == ("ready", 0)
    assert "churn version 1: back in service." in printed


def test_a_dry_run_says_the_same_and_does_nothing(gate, model, owner):
    version = ready(model, owner)
    outdated()
    gate.refused = {version.artifact.sha256}
    events = AuditEvent.objects.count()

    printed, code = regate("--dry-run")

    version.refresh_from_db()
    assert (version.status, version.gate_version, code) == ("ready", OLD, 1)
    assert "taken out of service" in printed
    assert AuditEvent.objects.count() == events
    assert version.checks.get(name="scan").verdict == "passed"


def test_what_this_gate_has_seen_is_only_looked_at_again_with_all(gate, model, owner):
    ready(model, owner)

    assert "0 files looked at" in regate()[0]
    assert "1 file looked at" in regate("--all")[0]
    assert "0 files looked at" in regate()[0]


def test_equal_bytes_are_looked_at_once_for_all_their_versions(gate, model, owner):
    for name in ("one", "two", "three"):
        ready(things.a_model(owner, name), owner)
    ready(model, owner, "others")
    outdated()

    printed, _ = regate()

    assert len(gate.looks) == 2
    assert re.search(r"^  stands +4$", printed, re.MULTILINE)


def test_a_run_that_was_broken_off_goes_on_where_it_ended(gate, model, owner, monkeypatch):
    monkeypatch.setattr(regating, "PAGE", 2)
    for n in range(5):
        ready(model, owner, str(n))
    outdated()

    assert not regating.regate(budget_s=0).is_finished
    looks = gate.looks
    gate.scan = lambda: (
        (_ for _ in ()).throw(HostUnavailable("away")) if len(looks) > 3 else (Gate.scan(gate))
    )
    with pytest.raises(CommandError, match="away"):
        regate()
    del gate.scan
    assert ModelVersion.objects.filter(gate_version=OLD).count() == 2

    assert "2 files looked at" in regate()[0]
    assert len(looks) == 6


def test_an_approval_goes_over_to_the_gate_that_passes_the_bytes(gate, model, owner, settings):
    settings.MODELYARD = {**settings.MODELYARD, "MODEL_FILE_POLICY": "approve"}
    version = things.a_quarantined_version(model, owner)
    request = ApprovalRequest.objects.get()
    approve(by=people.approver().by, request=request, reason="known")
    outdated()
    gate.refused = {version.artifact.sha256}
    regate()
    request.refresh_from_db()
    version.refresh_from_db()
    assert (version.status, request.gate_version) == ("quarantined", OLD)

    gate.refused = set()
    regate("--all")

    request.refresh_from_db()
    version.refresh_from_db()
    assert (version.status, request.gate_version) == ("ready", gate_version())
    event = AuditEvent.objects.get(action="approval.carried")
    assert (event.before, event.after) == (
        {"gate_version": OLD},
        {"gate_version": gate_version()},
    )


def test_what_waits_for_a_reviewer_can_be_approved_after_the_new_gate_has_looked(
    gate, model, owner
):
    version = things.a_quarantined_version(model, owner)
    request, anna = ApprovalRequest.objects.get(), people.approver()
    outdated()
    request.refresh_from_db()
    with pytest.raises(StateConflict, match="look again with"):
        approve(by=anna.by, request=request, reason="known")

    printed, code = regate()

    assert ("stays in quarantine" in printed, code) == (True, 0)
    request.refresh_from_db()
    assert request.evidence["scan"]["summary"] == "Every name is listed."
    approve(by=anna.by, request=request, reason="known")
    version.refresh_from_db()
    assert version.status == "ready"


def test_nobody_approves_what_the_new_gate_refuses(gate, model, owner):
    version = things.a_quarantined_version(model, owner)
    outdated()
    gate.refused = {version.artifact.sha256}
    regate()
    request = ApprovalRequest.objects.get()

    with pytest.raises(StateConflict, match="The gate refuses these bytes now"):
        approve(by=people.approver().by, request=request, reason="known")


def test_under_approve_what_nobody_has_approved_comes_back_through_a_reviewer(
    gate, model, owner, settings
):
    version = ready(model, owner)
    outdated()
    gate.refused = {version.artifact.sha256}
    regate()
    settings.MODELYARD = {**settings.MODELYARD, "MODEL_FILE_POLICY": "approve"}
    gate.refused = set()

    regate("--all")

    version.refresh_from_db()
    assert version.status == "quarantined"
    approve(by=people.approver().by, request=ApprovalRequest.objects.get(), reason="known")
    version.refresh_from_db()
    assert version.status == "ready"


def test_under_refuse_nothing_that_executes_code_comes_back(gate, model, owner, settings):
    version = ready(model, owner)
    outdated()
    gate.refused = {version.artifact.sha256}
    regate()
    settings.MODELYARD = {**settings.MODELYARD, "MODEL_FILE_POLICY": "refuse"}
    gate.refused = set()

    regate("--all")

    version.refresh_from_db()
    assert version.status == "quarantined"


def test_what_a_gate_has_refused_is_checked_again_where_the_new_one_passes_it(gate, model, owner):
    refused = things.a_version(model, owner, status="rejected", seed="refused")
    failed_later = things.a_version(model, owner, status="rejected", seed="failed later")
    gone = things.a_version(model, owner, status="rejected", seed="gone")
    refused.checks.filter(name="scan").update(verdict="failed")
    gone.checks.filter(name="scan").update(verdict="failed")
    failed_later.checks.filter(name="scan").update(verdict="passed")
    Artifact.objects.filter(pk=gone.artifact_id).update(gone_at=timezone.now())

    assert "0 files looked at" in regate()[0]
    printed, _ = regate("--rejected")

    assert "churn version 1: checks run again." in printed
    statuses = ModelVersion.objects.order_by("number").values_list("status", flat=True)
    assert list(statuses) == ["pending", "rejected", "rejected"]
    assert set(refused.checks.values_list("verdict", flat=True)) == {"pending"}


def test_what_a_reviewer_has_rejected_stays_rejected(gate, model, owner):
    version = things.a_quarantined_version(model, owner)
    reject(by=people.approver().by, request=ApprovalRequest.objects.get(), reason="no")

    regate("--rejected", "--all")

    version.refresh_from_db()
    assert version.status == "rejected"


def test_bytes_that_cannot_be_read_change_nothing_and_are_told(gate, model, owner):
    version = ready(model, owner)
    outdated()
    storage.remove(storage.blob_name(version.artifact.sha256))
    try:
        printed, code = regate()
    finally:
        storage.put_bytes(things.model_bytes())

    version.refresh_from_db()
    assert (version.status, code) == ("ready", 1)
    assert "churn version 1: not read. The bytes are no longer in the storage." in printed


def test_a_look_that_dies_once_is_made_again_and_one_that_dies_twice_is_a_refusal(
    gate, model, owner
):
    version = ready(model, owner)
    outdated()
    gate.deaths = 1
    assert regate()[1] == 0

    outdated()
    gate.deaths = 2
    assert regate()[1] == 1
    version.refresh_from_db()
    assert version.status == "quarantined"
    assert version.checks.get(name="scan").evidence["cause"] == "SIGSEGV"


def test_a_model_host_of_another_release_is_not_believed(gate, model, owner):
    version = ready(model, owner)
    outdated()
    gate.gate_version = "9-999999999999"

    with pytest.raises(CommandError, match="restart the model host"):
        regate()

    version.refresh_from_db()
    assert version.gate_version == OLD


def test_a_version_that_moves_on_meanwhile_is_left_alone(gate, model, owner):
    version = things.a_version(model, owner, status="archived")

    outcome = second_looks.record_second_look(
        version, verdict="failed", summary="No.", evidence={"gate_version": "x"}
    )

    assert outcome is second_looks.Outcome.MOVED_ON
    version.refresh_from_db()
    assert version.status == "archived"


def test_workers_look_again_by_themselves_when_the_gate_has_changed(
    gate, model, owner, settings, django_capture_on_commit_callbacks
):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "rg"}
    }
    version = ready(model, owner)
    outdated()

    with django_capture_on_commit_callbacks(execute=True):
        reconcile()

    version.refresh_from_db()
    assert version.gate_version == gate_version()


def test_more_versions_than_a_page_are_all_looked_at(gate, model, owner):
    version = ready(model, owner)
    artifacts = [
        Artifact(
            sha256=storage.put_bytes(f"model {n}".encode()).sha256, size_bytes=9, format="skops"
        )
        for n in range(300)
    ]
    Artifact.objects.bulk_create(artifacts)
    many = [
        ModelVersion(
            model=model, number=n, status="ready", format="skops", artifact=artifact,
            runtime="sklearn", signature=things.SIGNATURE, facts=things.FACTS,
            created_by=owner.user, ready_at=version.ready_at,
        )
        for n, artifact in enumerate(artifacts, start=2)
    ]  # fmt: skip
    ModelVersion.objects.bulk_create(many)
    Check.objects.bulk_create(Check(version=one, name="scan", verdict="passed") for one in many)
    outdated()

    printed, code = regate()

    assert ("301 files looked at" in printed, code) == (True, 0)
    assert not ModelVersion.objects.behind_gate(gate_version()).exists()


def test_a_real_host_looks_again(bench: Bench, model, owner) -> None:
    bench.policy("gate")
    version = bench.register(owner, model, saved(fitted(), "skops"), "skops")
    outdated()

    _, code = regate()

    version.refresh_from_db()
    assert (version.status, version.gate_version, code) == ("ready", gate_version(), 0)
    assert version.checks.get(name="scan").evidence["format"] == "skops"
