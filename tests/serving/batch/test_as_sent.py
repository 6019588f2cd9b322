"""CSV datasets in a batch job: read by the model's signature, as the same file would be scored."""

from __future__ import annotations

import pyarrow as pa
import pytest

from registry.models import DatasetVersion
from registry.principals import Principal
from registry.signature.types import Column, Signature
from registry.signature.validate import validate_columns
from serving.actions.drive import drive
from serving.batch.as_sent import as_sent
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost, ask, dataset_of, people_rows

CASES = {
    "digits are texts to the model": (
        pa.array([184, None, 20095]),
        "string",
        ["184", None, "20095"],
    ),
    "truth is text to the model": (pa.array([True, False]), "string", ["true", "false"]),
    "0 and 1 are booleans to the model": (pa.array([0, 1, None]), "boolean", [False, True, None]),
    "texts that are all numbers": (pa.array(["1", "2.0", None]), "int64", [1, 2, None]),
    "texts that are numbers or NA": (pa.array(["1.5", "NA"]), "float64", [1.5, None]),
    "integers stay integers": (pa.array([1, 2]), "int64", [1, 2]),
    "floats stay floats": (pa.array([1.5, 2.5]), "float64", [1.5, 2.5]),
}


def judged(cells: pa.Array, kind: str):
    signature = Signature((Column("c", kind, nullable=True),), ())
    return validate_columns(signature, as_sent(pa.table({"c": cells}), signature))


@pytest.mark.parametrize("case", CASES)
def test_a_column_means_what_the_signature_says(case):
    cells, kind, expected = CASES[case]
    found = judged(cells, kind)
    assert found.problems == ()
    assert found.batch.column(0).to_pylist() == expected


def test_one_stray_word_costs_its_own_row_only():
    found = judged(pa.array(["20", "x", None, "NA", "30", "20.7"]), "int64")
    assert found.batch.column(0).to_pylist() == [20, None, None, 30]
    assert [(p.row, p.code, p.received) for p in found.problems] == [
        (1, "not-an-integer", "x"),
        (5, "not-an-integer", "20.7"),
    ]


def test_the_empty_text_is_not_null():
    assert judged(pa.array(["20", ""]), "int64").problems[0].code == "not-an-integer"


def test_a_number_that_is_no_truth_is_named_as_it_was_sent():
    found = judged(pa.array([0, 1, 2]), "boolean")
    assert [(p.row, p.code, p.received) for p in found.problems] == [(2, "not-a-boolean", "2")]


def test_a_float_is_no_text_because_its_text_is_lost():
    assert judged(pa.array([1.5]), "string").problems[0].code == "not-a-string"


@pytest.mark.django_db
def test_a_job_on_a_csv_dataset_loses_only_the_row_with_the_stray_word(
    ana: Principal, host: ObedientHost
) -> None:
    rows = people_rows(20)
    ages = [str(age) for age in rows.column("age").to_pylist()]
    ages[3] = "unknown"
    texts = rows.set_column(rows.column_names.index("age"), "age", pa.array(ages))
    columns = [c | {"type": "string"} if c["name"] == "age" else c for c in ledger.COLUMNS]
    version = dataset_of(ana, texts, columns=columns)
    DatasetVersion.objects.filter(pk=version.pk).update(format="csv")
    job = ask(ana)

    drive(owner="w1")

    job.refresh_from_db()
    assert (job.state, job.rows_done, job.rows_rejected) == ("completed_with_rejects", 20, 1)
    reject = ledger.rejects(job)[0]
    assert (reject["row"], reject["column"], reject["received"]) == (3, "age", "unknown")
