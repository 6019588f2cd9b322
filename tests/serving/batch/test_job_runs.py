"""A job from acceptance to its output, in one process."""

from __future__ import annotations

import pyarrow as pa
import pytest

from registry.actions.profiling import find_profile
from registry.models import AuditEvent
from registry.principals import Principal
from serving.actions import scoring
from serving.actions.drive import drive
from serving.models import ChunkAttempt
from serving.runtimes import answer_size
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of, people_rows

pytestmark = pytest.mark.django_db


def test_every_row_comes_out_once_and_in_order(ana: Principal, host: ObedientHost) -> None:
    rows = people_rows(2_500)
    read = dataset_of(ana, rows, parts=3)
    job = ask(ana, chunk_rows=400)

    assert drive(owner="w1") == 7

    job.refresh_from_db()
    assert job.state == "completed"
    assert (job.rows_total, job.rows_done, job.rows_rejected) == (2_500, 2_500, 0)
    assert ledger.results(job).to_pylist() == list(ledger.expected_results(rows))
    assert job.output.dataset.name == f"churn-job-{job.pk}"
    assert list(job.output.parents.all()) == [read]
    assert len(job.output.parts) == 7

    find_profile(job.output.pk)
    job.output.refresh_from_db()
    assert [(f["name"], f["count"]) for f in job.output.profile] == [
        (name, 2_500) for name in ledger.results(job).column_names
    ]


def test_the_output_keeps_the_types_of_kept_columns(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana, keep_columns=["city", "id"])
    drive(owner="w1")
    job.refresh_from_db()
    assert [(c["name"], c["type"], c["nullable"]) for c in job.output.columns] == [
        ("id", "string", False),
        ("city", "string", True),
        ("prediction", "string", True),
        ("probability_no", "float64", True),
        ("probability_yes", "float64", True),
    ]


def test_a_job_takes_few_rows_at_once_where_their_answers_are_wide(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three values of each row: the label and two probabilities."""
    monkeypatch.setattr(answer_size, "MOST_VALUES", 21)
    monkeypatch.setattr(scoring, "FEW_ROWS", 2)
    rows = people_rows(25)
    dataset_of(ana, rows)
    job = ask(ana)
    drive(owner="w1")
    assert max(host.calls) == 7
    assert ledger.results(job).to_pylist() == list(ledger.expected_results(rows))


def test_the_same_rows_give_the_same_bytes(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(900))
    first, second = ask(ana, chunk_rows=400), ask(ana, chunk_rows=400)
    drive(owner="w1")
    digests = [
        list(job.chunks.in_row_order().values_list("output_sha256", flat=True))
        for job in (first, second)
    ]
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == 3


def test_an_input_with_the_name_of_an_answer_is_renamed(ana: Principal, host: ObedientHost) -> None:
    rows = people_rows(5).append_column("prediction", pa.array([1, 2, 3, 4, 5], pa.int64()))
    columns = [*ledger.COLUMNS, {"name": "prediction", "type": "int64", "nullable": False}]
    dataset_of(ana, rows, columns=columns)
    job = ask(ana, keep_columns=["prediction"])
    drive(owner="w1")
    assert ledger.results(job).to_pydict()["input.prediction"] == [1, 2, 3, 4, 5]
    job.refresh_from_db()
    assert job.output.columns[0] == {
        "name": "input.prediction",
        "type": "int64",
        "nullable": False,
    }


def test_nothing_is_kept_when_nothing_is_asked_for(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(3))
    job = ask(ana, keep_columns=[])
    drive(owner="w1")
    assert ledger.results(job).column_names == ["prediction", "probability_no", "probability_yes"]


def test_a_dataset_without_rows_gives_an_output_without_rows(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, people_rows(0))
    job = ask(ana)
    drive(owner="w1")
    job.refresh_from_db()
    assert job.state == "completed"
    assert (job.output.rows, job.output.parts) == (0, [])
    names = [column["name"] for column in job.output.columns]
    assert names == ["id", "age", "city", "prediction", "probability_no", "probability_yes"]


def test_every_move_of_a_job_is_audited(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(3))
    job = ask(ana)
    drive(owner="w1")
    moves = AuditEvent.objects.filter(object_id=str(job.pk)).order_by("id")
    assert [(event.actor, event.action) for event in moves] == [
        ("ana", "batch_job.create"),
        ("modelyard", "batch_job.start"),
        ("modelyard", "batch_job.complete"),
    ]


def test_an_attempt_leaves_a_record(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(3))
    ask(ana)
    drive(owner="w1")
    attempt = ChunkAttempt.objects.get()
    assert (attempt.attempt, attempt.worker, attempt.outcome) == (1, "w1", "done")
    assert attempt.max_memory_bytes > 1_000_000
    assert attempt.started_at <= attempt.ended_at


def test_the_version_stays_when_the_alias_moves(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(3))
    job = ask(ana)
    other = ledger.ready_version(ledger.person("ben"), "other")
    job.model.aliases.update(version=other)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.version.model.name, job.version.number) == ("churn", 1)
    assert job.state == "completed"


def test_an_output_can_be_scored_again(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(1_000))
    first = ask(ana, chunk_rows=300)
    drive(owner="w1")
    second = ask(ana, dataset=f"churn-job-{first.pk}", chunk_rows=450)
    drive(owner="w1")
    table = ledger.results(second)
    assert table.column("id").to_pylist() == [f"p{i}" for i in range(1_000)]
    assert "input.prediction" in table.column_names


def test_a_dataset_of_the_output_s_name_is_left_alone(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, people_rows(3))
    job = ask(ana)
    taken = dataset_of(ana, people_rows(3), f"Churn-job-{job.pk}")
    drive(owner="w1")
    job.refresh_from_db()
    assert job.output.dataset.name == f"churn-job-{job.pk}-2"
    assert job.output_name == job.output.dataset.name
    assert taken.dataset.versions.count() == 1


def test_who_has_lost_the_role_since_has_no_job_that_runs(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    ana.user.groups.clear()
    ana.user.grants.filter(model__isnull=False).update(role="viewer")

    drive(owner="w1")

    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "not-allowed")
    assert not job.chunks.exists()


def test_who_may_no_longer_see_the_data_has_no_job_that_runs(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, people_rows(10))
    job = ask(ana)
    ana.user.groups.clear()
    ana.user.grants.filter(dataset__isnull=False).delete()

    drive(owner="w1")

    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "dataset-not-found")
