"""Bad rows: each refused cell is named, the good rows are scored all the same."""

from __future__ import annotations

import pyarrow as pa
import pytest

from registry.principals import Principal
from registry.signature.types import Column, Signature
from registry.signature.validate import validate_table
from serving.actions.drive import drive
from serving.batch.rejects import every_problem
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of, people_rows


def rows_without_some_ages(count: int, missing: set[int]) -> pa.Table:
    rows = people_rows(count)
    ages = [None if i in missing else age for i, age in enumerate(rows["age"].to_pylist())]
    return rows.set_column(1, "age", pa.array(ages, pa.int64()))


@pytest.mark.django_db
def test_bad_rows_go_to_the_rejects_and_only_there(ana: Principal, host: ObedientHost) -> None:
    rows = rows_without_some_ages(25, {3, 12, 24})
    dataset_of(ana, rows)
    job = ask(ana, chunk_rows=10)
    drive(owner="w1")
    job.refresh_from_db()
    assert job.state == "completed_with_rejects"
    assert (job.rows_done, job.rows_rejected, job.output.rows) == (25, 3, 22)
    assert ledger.rejects(job) == [
        {
            "row": row,
            "id": f"p{row}",
            "column": "age",
            "code": "null-not-allowed",
            "received": "null",
        }
        for row in (3, 12, 24)
    ]
    scored = ledger.results(job).column("id").to_pylist()
    assert scored == [f"p{i}" for i in range(25) if i not in {3, 12, 24}]


@pytest.mark.django_db
def test_rows_are_counted_across_several_calls_of_the_model(
    ana: Principal, host: ObedientHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.actions.chunks.score_rows", lambda signature: 7)
    bad = {3, 12, 13, 24, 39}
    dataset_of(ana, rows_without_some_ages(45, bad), parts=2)
    job = ask(ana, chunk_rows=20)
    drive(owner="w1")
    assert [(line["row"], line["id"]) for line in ledger.rejects(job)] == [
        (row, f"p{row}") for row in sorted(bad)
    ]
    scored = ledger.results(job).column("id").to_pylist()
    assert scored == [f"p{i}" for i in range(45) if i not in bad]
    assert max(host.calls) == 7


@pytest.mark.django_db
def test_a_confidential_dataset_keeps_its_cells(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, rows_without_some_ages(5, {1}), classification="confidential")
    job = ask(ana)
    drive(owner="w1")
    assert ledger.rejects(job) == [
        {"row": 1, "id": "p1", "column": "age", "code": "null-not-allowed"}
    ]
    job.refresh_from_db()
    assert job.output.dataset.classification == "confidential"


@pytest.mark.django_db
def test_only_kept_columns_are_keys(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, rows_without_some_ages(5, {1}))
    job = ask(ana, keep_columns=["age"])
    drive(owner="w1")
    (line,) = ledger.rejects(job)
    assert list(line) == ["row", "column", "code", "received"]


@pytest.mark.django_db
def test_a_job_that_takes_no_bad_row_fails_and_names_it(ana: Principal, host: ObedientHost) -> None:
    dataset_of(ana, rows_without_some_ages(25, {13, 14}))
    job = ask(ana, chunk_rows=10, on_row_error="fail")
    drive(owner="w1")
    job.refresh_from_db()
    assert job.state == "failed"
    assert job.error == {
        "code": "invalid-rows",
        "detail": "A row was refused: row 13, column “age”: null-not-allowed.",
        "errors": [
            {
                "row": 13,
                "column": "age",
                "code": "null-not-allowed",
                "expected": job.error["errors"][0]["expected"],
                "received": "null",
            }
        ],
    }
    # Nobody looks at the rows above: there is no lower one to be named among them.
    states = job.chunks.in_row_order().values_list("state", flat=True)
    assert list(states) == ["done", "failed", "failed"]


@pytest.mark.django_db
def test_a_job_of_bad_rows_only_ends_with_an_empty_output(
    ana: Principal, host: ObedientHost
) -> None:
    dataset_of(ana, rows_without_some_ages(5, set(range(5))))
    job = ask(ana)
    drive(owner="w1")
    job.refresh_from_db()
    assert (job.state, job.output.rows, job.output.parts) == ("completed_with_rejects", 0, [])
    assert [c["name"] for c in job.output.columns][-1] == "probability_yes"


@pytest.mark.django_db
def test_the_signature_s_columns_alone_are_checked(ana: Principal, host: ObedientHost) -> None:
    rows = people_rows(3).append_column("note", pa.array(["a", None, "c"]))
    columns = [*ledger.COLUMNS, {"name": "note", "type": "string", "nullable": True}]
    dataset_of(ana, rows, columns=columns)
    job = ask(ana)
    drive(owner="w1")
    job.refresh_from_db()
    assert job.state == "completed"
    assert ledger.results(job).column("note").to_pylist() == ["a", None, "c"]


def test_every_bad_cell_is_named_however_many_there_are() -> None:
    signature = Signature(tuple(Column(name, "int64") for name in "abc"))
    bad = [None if i % 3 else i for i in range(300)]
    table = pa.table({name: pa.array(bad, pa.int64()) for name in "abc"})

    def validate(rows: pa.Table):
        return validate_table(signature, rows)

    validated = validate(table)
    problems = every_problem(validated, table, validate)

    assert validated.problem_count == 600
    found = [(problem.row, problem.column) for problem in problems]
    assert found == [(i, name) for i in range(300) if i % 3 for name in "abc"]
