"""What the tests of the ledger work with: people, a model, datasets, an obedient model host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from registry import storage
from registry.models import (
    Artifact,
    Dataset,
    DatasetVersion,
    Grant,
    ModelVersion,
    RegisteredModel,
    User,
)
from registry.principals import Principal
from registry.scan.edition import gate_version
from registry.signature.facts import ModelFacts, OutputFacts
from registry.signature.outputs import output_columns
from registry.signature.types import Column, Signature
from serving.actions import batch_jobs
from serving.batch.parts import OpenParts, Part
from serving.batch.ranges import RowRange
from serving.models import BatchJob, Schedule
from serving.runtimes.base import Answer, Block
from serving.runtimes.isolation.errors import ModelDied

FACTS = ModelFacts(
    estimator="tests.Clerk",
    methods=("predict", "predict_proba"),
    outputs=(OutputFacts(None, "string", ("no", "yes")),),
)
INPUTS = (Column("age", "int64"), Column("city", "string", nullable=True))
SIGNATURE = Signature(INPUTS, output_columns(FACTS))
COLUMNS = [
    {"name": "id", "type": "string", "nullable": False},
    {"name": "age", "type": "int64", "nullable": True},
    {"name": "city", "type": "string", "nullable": True},
]
SCHEMA = pa.schema([("id", pa.string()), ("age", pa.int64()), ("city", pa.string())])


@dataclass
class ObedientHost:
    """Stands where the model host's client stands: yes from age 40 on, sure by age in percent.

    ``poison`` are ages at which the process dies; ``before`` is called at each request.
    """

    poison: set[int] = field(default_factory=set)
    before: Callable[[], None] = lambda: None
    calls: list[int] = field(default_factory=list)

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
        self.calls.append(batch.num_rows)
        self.before()
        ages = batch.column("age").to_pylist()
        if self.poison & set(ages):
            raise ModelDied("The model's process ended while it worked on the request.")
        sure = pa.array([age / 100 for age in ages], pa.float64())
        unsure = pa.array([1 - age / 100 for age in ages], pa.float64())
        labels = pa.array(["yes" if age >= 40 else "no" for age in ages], pa.string())
        return Answer(
            len(ages),
            (
                Block("prediction", None, None, (labels,)),
                Block("probabilities", None, ("no", "yes"), (unsure, sure)),
            ),
        )


def person(name: str, *, superuser: bool = False) -> Principal:
    """Somebody who may sign in."""
    return Principal(User.objects.create(username=name, is_superuser=superuser))


def grant(principal: Principal, role: str, governed: RegisteredModel | Dataset) -> None:
    """Give somebody a role."""
    kind = "model" if isinstance(governed, RegisteredModel) else "dataset"
    Grant.objects.create(user=principal.user, role=role, **{kind: governed})


def ready_version(
    by: Principal, name: str = "churn", signature: Signature = SIGNATURE
) -> ModelVersion:
    """A model of ``by`` with version 1, ready, and its champion."""
    model = RegisteredModel.objects.create(name=name, owner=by.user, next_number=2)
    grant(by, "manager", model)
    artifact, _ = Artifact.objects.get_or_create(
        sha256=f"{len(name):064x}", format="skops", defaults={"size_bytes": 10}
    )
    version = ModelVersion.objects.create(
        model=model,
        number=1,
        status="ready",
        format="skops",
        gate_version=gate_version(),
        artifact=artifact,
        runtime="sklearn",
        signature=signature.to_json(),
        facts=FACTS.to_json(),
        created_by=by.user,
    )
    model.aliases.create(name="champion", version=version)
    return version


def people_rows(count: int) -> pa.Table:
    """``count`` rows: ids p0, p1, ..., ages 20 to 69 in turn, every seventh city missing."""
    return pa.table(
        {
            "id": [f"p{i}" for i in range(count)],
            "age": [20 + i % 50 for i in range(count)],
            "city": [None if i % 7 == 0 else f"town {i % 3}" for i in range(count)],
        },
        schema=SCHEMA,
    )


def dataset_of(
    by: Principal,
    rows: pa.Table,
    name: str = "customers",
    *,
    parts: int = 1,
    columns: Sequence[Mapping[str, Any]] = COLUMNS,
    classification: str = "internal",
) -> DatasetVersion:
    """The rows as version 1 of a dataset of ``by``, ready, in so many Parquet files."""
    dataset = Dataset.objects.create(
        name=name, owner=by.user, next_number=2, classification=classification
    )
    grant(by, "manager", dataset)
    step = max(1, -(-rows.num_rows // parts))
    stored = [
        _stored_part(rows.slice(start, step)) for start in range(0, max(rows.num_rows, 1), step)
    ]
    return DatasetVersion.objects.create(
        dataset=dataset,
        number=1,
        status="ready",
        format="parquet",
        sha256="0" * 64,
        rows=rows.num_rows,
        columns=list(columns),
        parts=stored,
        created_by=by.user,
    )


def pending_dataset(by: Principal, name: str = "customers") -> DatasetVersion:
    """A dataset whose first version is still to be read."""
    dataset = Dataset.objects.create(name=name, owner=by.user, next_number=2)
    grant(by, "manager", dataset)
    return DatasetVersion.objects.create(
        dataset=dataset, number=1, format="csv", sha256="0" * 64, created_by=by.user
    )


def _stored_part(rows: pa.Table) -> dict[str, Any]:
    with storage.scratch_file() as path:
        pq.write_table(rows, path, row_group_size=1_000)
        with path.open("rb") as file:
            stored = storage.put(file)
    return {
        "name": storage.blob_name(stored.sha256),
        "sha256": stored.sha256,
        "rows": rows.num_rows,
    }


def ask(by: Principal, **values: Any) -> BatchJob:
    """A job of the model churn on the dataset customers."""
    return batch_jobs.create_job(by=by, **{"model": "churn", "dataset": "customers", **values})


def results(job: BatchJob) -> pa.Table:
    """The rows of a job's output, read from its parts in order."""
    job.refresh_from_db()
    assert job.output is not None
    return rows_of(job.output)


def rows_of(version: DatasetVersion) -> pa.Table:
    """All rows of a dataset version."""
    names = [column["name"] for column in version.columns]
    parts = OpenParts(Part.from_json(version.parts), storage.opened)
    tables = parts.tables(RowRange(0, version.rows or 0), columns=names, batch_rows=10_000)
    return pa.concat_tables(list(tables))


def rejects(job: BatchJob) -> list[dict[str, Any]]:
    """All lines of a job's rejects, in row order."""
    return [
        line
        for chunk in job.chunks.exclude(rejects_name="").in_row_order()
        for line in pq.read_table(storage.local_path(chunk.rejects_name)).to_pylist()
    ]


def expected_results(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """What the obedient host makes of rows, kept columns first."""
    for row in rows.to_pylist():
        sure = row["age"] / 100
        answer = "yes" if row["age"] >= 40 else "no"
        yield row | {"prediction": answer, "probability_no": 1 - sure, "probability_yes": sure}


def nightly_of(job: BatchJob, cursor: datetime) -> Schedule:
    """A schedule that asks for such jobs each midnight."""
    return Schedule.objects.create(
        name="nightly",
        model=job.model,
        model_ref="churn",
        dataset=job.dataset,
        dataset_ref="customers",
        cron="0 0 * * *",
        cursor=cursor,
        created_by=job.created_by,
    )
