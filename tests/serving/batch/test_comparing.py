"""One job, two versions: the report, whatever becomes of chunks, and approvals that show it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from registry.actions.aliases import move_alias
from registry.actions.approvals import approve, attach_evidence
from registry.errors import InvalidField, NotAllowed, VersionNotReady
from registry.models import ApprovalRequest, Artifact, ModelVersion, RegisteredModel
from registry.principals import Principal
from registry.signature.outputs import output_columns
from registry.signature.types import Column, Signature
from serving.actions import batch_jobs, scoring
from serving.actions.drive import drive
from serving.models import BatchJob
from serving.runtimes.base import Answer, Block
from serving.runtimes.isolation.errors import HostBusy, ModelDied, ModelRaised
from tests.cards import CARD
from tests.serving.batch import ledger
from tests.serving.batch.ledger import FACTS, INPUTS, ask, dataset_of, grant, people_rows, person

pytestmark = pytest.mark.django_db

CITIES = Signature((*INPUTS, Column("code", "string")), output_columns(FACTS))


class TwoHosts(ledger.ObedientHost):
    """Version 1 answers as ever; version 2 says yes from 30 on and is surer by a tenth.

    ``raises`` are ages on which version 2 raises; ``before_two`` is called when it is asked.
    """

    def __init__(self, second: ModelVersion) -> None:
        super().__init__()
        self.second = str(second.pk)
        self.raises: set[int] = set()
        self.before_two: Callable[[], None] = lambda: None
        self.asked: list[str] = []

    def score(
        self,
        spec: Any,
        open_artifact: Callable[[], Any],
        batch: pa.RecordBatch,
        outputs: Sequence[str],
        params: Mapping[str, Any],
        deadline_s: float,
        golden: Any = None,
    ) -> Answer:
        self.asked.append(spec.key)
        answer = super().score(spec, open_artifact, batch, outputs, params, deadline_s, golden)
        return self._second(batch) if spec.key == self.second else answer

    def _second(self, batch: pa.RecordBatch) -> Answer:
        self.before_two()
        ages = batch.column("age").to_pylist()
        if self.raises & set(ages):
            raise ModelRaised("The model raised an error on these rows.")
        yes = np.array([age / 100 + 0.1 for age in ages])
        labels = pa.array(["yes" if age >= 30 else "no" for age in ages], pa.string())
        return Answer(
            len(ages),
            (
                Block("prediction", None, None, (labels,)),
                Block("probabilities", None, ("no", "yes"), (pa.array(1 - yes), pa.array(yes))),
            ),
        )


@pytest.fixture
def second(ana: Principal) -> ModelVersion:
    """Version 2 of churn, ready, with the alias challenger."""
    return add_version(ana)


@pytest.fixture
def host(second: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> TwoHosts:
    two = TwoHosts(second)
    monkeypatch.setattr(scoring, "host", lambda: two)
    return two


def add_version(by: Principal, **values: Any) -> ModelVersion:
    model = RegisteredModel.objects.get(name="churn")
    first = model.versions.get(number=1)
    artifact = Artifact.objects.create(sha256="2" * 64, format="skops", size_bytes=10)
    fields = ("status", "format", "gate_version", "runtime", "signature", "facts")
    copied = {name: getattr(first, name) for name in fields}
    version = ModelVersion.objects.create(
        model=model, number=2, artifact=artifact, created_by=by.user, **copied | values
    )
    model.aliases.create(name="challenger", version=version)
    return version


def finished(**values: Any) -> BatchJob:
    """A job that has been driven to its end."""
    drive(owner="w1")
    job = BatchJob.objects.latest("id")
    assert job.state in ("completed", "completed_with_rejects"), job.error
    return job


def report_of(job: BatchJob) -> dict[str, Any]:
    assert job.report is not None
    return dict(job.report)


def test_the_report_says_how_the_two_differ(ana: Principal, host: TwoHosts) -> None:
    rows = people_rows(2_500)
    dataset_of(ana, rows, parts=2)
    ask(ana, compare_with="@challenger", chunk_rows=400)
    job = finished()
    report = report_of(job)

    assert (report["model"], report["version"], report["compared_with"]) == ("churn", 1, 2)
    assert (report["dataset"], report["rows"]) == ("customers@1", 2_500)
    ages = np.array(rows["age"].to_pylist())
    ours, theirs = ages >= 40, ages >= 30
    assert report["differ"] == int((ours != theirs).sum())
    assert report["agreement"] == pytest.approx((ours == theirs).mean())
    assert report["labels"][0]["labels"] == ["no", "yes"]
    assert report["labels"][0]["counts"] == [
        [int((~ours & ~theirs).sum()), int((~ours & theirs).sum())],
        [0, int((ours & theirs).sum())],
    ]
    apart = ages / 100 + 0.1 - ages / 100
    yes = report["numbers"][1]
    assert yes["column"] == "probability_yes"
    assert yes["mean"] == pytest.approx(apart.mean(), rel=1e-12)
    assert yes["mean_change"] == pytest.approx(-apart.mean(), rel=1e-12)
    assert yes["largest"] == apart.max()
    assert len(report["movers"]) == 100
    mover = report["movers"][0]
    assert mover["keys"] == {"id": f"p{mover['row']}"}
    assert ledger.results(job).to_pylist() == list(ledger.expected_results(rows))


def test_the_report_does_not_depend_on_the_chunks(ana: Principal, host: TwoHosts) -> None:
    dataset_of(ana, people_rows(900))
    reports = []
    for chunk_rows in (900, 300, 7):
        ask(ana, compare_with=2, chunk_rows=chunk_rows)
        reports.append(report_of(finished()))
    for report in reports:
        report.pop("job")
    assert reports[0] == reports[1] == reports[2]


def test_a_job_that_compares_nothing_has_no_report(ana: Principal, host: TwoHosts) -> None:
    dataset_of(ana, people_rows(10))
    ask(ana)
    assert finished().report is None
    assert host.second not in host.asked


def test_rejected_rows_are_not_compared(ana: Principal, host: TwoHosts) -> None:
    rows = people_rows(20)
    ages = pa.array([None if i == 3 else 40 for i in range(20)], pa.int64())
    dataset_of(ana, rows.set_column(1, "age", ages))
    ask(ana, compare_with=2)
    job = finished()
    assert (job.rows_rejected, report_of(job)["rows"]) == (1, 19)


def test_rows_on_which_only_the_other_version_fails_cost_the_job_nothing(
    ana: Principal, host: TwoHosts
) -> None:
    rows = people_rows(200)
    dataset_of(ana, rows)
    host.raises = {25, 60}
    ask(ana, compare_with=2)
    job = finished()
    report = report_of(job)
    bad = sum(age in (25, 60) for age in rows["age"].to_pylist())
    assert (report["failed"], report["rows"]) == (bad, 200 - bad)
    assert ledger.results(job).num_rows == 200


def test_a_process_that_dies_is_not_asked_again_and_again(ana: Principal, host: TwoHosts) -> None:
    dataset_of(ana, people_rows(200))

    def die() -> None:
        raise ModelDied("The model's process ended.", {"cause": "SIGSEGV"})

    host.before_two = die
    ask(ana, compare_with=2)
    report = report_of(finished())
    assert (report["failed"], report["rows"], report["agreement"]) == (200, 0, None)
    assert host.asked.count(host.second) == 1


def test_a_busy_host_is_waited_for(ana: Principal, host: TwoHosts) -> None:
    dataset_of(ana, people_rows(20))

    def busy() -> None:
        raise HostBusy("No room.", retry_after_s=1)

    host.before_two = busy
    job = ask(ana, compare_with=2)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.paused_reason) == ("running", "model-unavailable")


def test_a_version_with_another_column_is_compared_too(
    ana: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a column that the job's own version does not know, and refuses rows without it."""
    second = add_version(ana, signature=CITIES.to_json())
    host = TwoHosts(second)
    monkeypatch.setattr(scoring, "host", lambda: host)
    codes = pa.array([None if i % 4 == 0 else "x" for i in range(40)])
    columns = [*ledger.COLUMNS, {"name": "code", "type": "string", "nullable": True}]
    dataset_of(ana, people_rows(40).append_column("code", codes), columns=columns)
    ask(ana, compare_with=2, keep_columns=["id"])
    job = finished()
    report = report_of(job)
    assert (report["rows"], report["refused"]) == (30, 10)
    assert all(mover["row"] % 4 for mover in report["movers"])
    first = report["movers"][0]
    assert first["keys"] == {"id": f"p{first['row']}"}
    assert ledger.results(job).column_names == [
        "id",
        "prediction",
        "probability_no",
        "probability_yes",
    ]


def test_what_a_confidential_dataset_holds_is_not_in_the_report(
    ana: Principal, host: TwoHosts
) -> None:
    dataset_of(ana, people_rows(50), classification="confidential")
    ask(ana, compare_with=2)
    job = finished()
    text = json.dumps([job.report, *job.chunks.values_list("summary", flat=True)])
    for i in range(50):
        assert f'"p{i}"' not in text
    assert report_of(job)["movers"][0]["keys"] == {}
    assert report_of(job)["labels"][0]["labels"] == ["no", "yes"]


@pytest.mark.parametrize("other", [1, "@champion", 0, True, "", "champion", "@", 1.5, [2], 10**12])
def test_what_is_no_other_version_is_refused(
    ana: Principal, second: ModelVersion, other: Any
) -> None:
    dataset_of(ana, people_rows(5))
    with pytest.raises(InvalidField) as refused:
        ask(ana, compare_with=other)
    assert refused.value.pointer == "/compare_with"


def test_the_other_version_must_be_ready_and_the_dataset_have_its_columns(ana: Principal) -> None:
    dataset_of(ana, people_rows(5))
    second = add_version(ana, signature=CITIES.to_json())
    with pytest.raises(
        InvalidField, match="version 2: The dataset lacks the column `code`"
    ) as lacks:
        ask(ana, compare_with=2)
    assert lacks.value.pointer == "/compare_with"
    ModelVersion.objects.filter(pk=second.pk).update(status="checking")
    with pytest.raises(VersionNotReady):
        ask(ana, compare_with=2)


def test_versions_without_a_common_output_are_refused(ana: Principal) -> None:
    dataset_of(ana, people_rows(5))
    add_version(ana, facts=replace(FACTS, methods=("predict",)).to_json())
    with pytest.raises(InvalidField, match="none of the outputs"):
        ask(ana, compare_with=2, outputs=["probabilities"])


def test_a_priority_above_the_others_needs_a_publisher(ana: Principal) -> None:
    read = dataset_of(ana, people_rows(5))
    bo = person("bo")
    grant(bo, "scorer", RegisteredModel.objects.get(name="churn"))
    grant(bo, "viewer", read.dataset)
    assert ask(bo, priority=-10).priority == -10
    assert ask(bo, priority=0).priority == 0
    assert ask(ana, priority=10).priority == 10
    with pytest.raises(NotAllowed):
        ask(bo, priority=1)
    for bad in (11, -11, True):
        with pytest.raises(InvalidField) as refused:
            ask(ana, priority=bad)
        assert refused.value.pointer == "/priority"


# --- evidence of approval requests ----------------------------------------------------------------


def requested(by: Principal) -> ApprovalRequest:
    """The request to make version 2 the champion."""
    RegisteredModel.objects.update(approval_required=True, card=CARD)
    version = ModelVersion.objects.get(number=2)
    request = move_alias(by=by, version=version, alias="champion", reason="Better.")
    assert isinstance(request, ApprovalRequest)
    request.refresh_from_db()
    return request


def test_a_request_that_is_opened_later_shows_the_report(ana: Principal, host: TwoHosts) -> None:
    dataset_of(ana, people_rows(50))
    ask(ana, model="churn@challenger", compare_with="@champion")
    job = finished()
    evidence = batch_evidence(requested(ana))
    assert list(evidence) == [f"comparison:{job.pk}"]
    (report,) = evidence.values()
    assert (report["version"], report["compared_with"], report["rows"]) == (2, 1, 50)
    assert report["movers"][0]["keys"] == {}


def test_a_request_that_is_open_gets_the_report_when_the_job_ends(
    ana: Principal, host: TwoHosts
) -> None:
    dataset_of(ana, people_rows(50))
    request = requested(ana)
    assert batch_evidence(request) == {}
    ask(ana, compare_with=2)
    job = finished()
    request.refresh_from_db()
    assert list(batch_evidence(request)) == [f"comparison:{job.pk}"]


def test_a_decided_request_stays_as_it_was_decided(ana: Principal, host: TwoHosts) -> None:
    read = dataset_of(ana, people_rows(50))
    bo = person("bo")
    grant(bo, "approver", read.dataset)
    request = requested(ana)
    root = person("root", superuser=True)
    approve(by=root, request=request, reason="Fine.")
    ask(ana, model="churn", compare_with=1)
    finished()
    request.refresh_from_db()
    assert batch_evidence(request) == {}
    assert not attach_evidence(request, "comparison:x", {}, most=3)


def test_of_many_reports_the_newest_three_are_shown(ana: Principal, host: TwoHosts) -> None:
    dataset_of(ana, people_rows(10))
    request = requested(ana)
    keys = []
    for _ in range(5):
        ask(ana, compare_with=2)
        keys.append(f"comparison:{finished().pk}")
    request.refresh_from_db()
    assert sorted(batch_evidence(request)) == keys[-3:]
    assert sorted(batch_evidence(requested_again(ana, request))) == keys[-3:]


def requested_again(by: Principal, request: ApprovalRequest) -> ApprovalRequest:
    request.delete()
    return requested(by)


def batch_evidence(request: ApprovalRequest) -> dict[str, Any]:
    """The reports that are attached, without what the registry itself shows."""
    return {key: part for key, part in request.evidence.items() if key.startswith("comparison:")}


def test_the_doors_of_jobs_know_what_was_compared(ana: Principal, host: TwoHosts) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana, compare_with=2)
    found = batch_jobs.find_job(ana, job.pk)
    assert (found.compared_version.number, found.compared_sha256) == (2, "2" * 64)
