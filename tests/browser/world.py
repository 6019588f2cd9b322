"""A small registry to look at: models, versions in every state, datasets, people, keys.

It is made through the actions, without a worker and without a model host: what those would find
out is written down as they write it.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.contrib.auth.models import Group
from django.utils import timezone

from registry import storage
from registry.actions import access, aliases, datasets, models, verdicts, versions
from registry.models import (
    ApprovalRequest,
    Dataset,
    DatasetVersion,
    GroupRole,
    ModelVersion,
    RegisteredModel,
    User,
)
from registry.principals import Principal
from registry.scan.edition import gate_version
from serving.actions import batch_jobs, schedules
from serving.models import BatchChunk, BatchJob, ChunkAttempt, Schedule
from serving.monitoring import comparison
from serving.runtimes.base import Answer, Block

PASSWORD = "a-long-password-for-tests"

SIGNATURE: dict[str, Any] = {
    "inputs": [
        {"name": "age", "type": "int64", "nullable": False, "min": 0, "max": 120},
        {"name": "city", "type": "string", "nullable": True, "enum": ["Rome", "Paris", "Oslo"]},
        {"name": "balance [EUR]", "type": "float64", "nullable": True},
        {"name": "is member", "type": "boolean", "nullable": False},
        {"name": "joined", "type": "date", "nullable": True},
    ],
    "outputs": [{"name": "prediction", "type": "string", "nullable": False}],
    "params": [],
}
FACTS: dict[str, Any] = {
    "estimator": "sklearn.pipeline.Pipeline",
    "libraries": {"scikit-learn": "1.9.1", "numpy": "2.4.6", "skops": "0.16.0"},
    "input_form": "frame",
    "feature_names": ["age", "city", "balance [EUR]", "is member", "joined"],
    "n_features": 5,
    "columns": {},
    "methods": ["predict", "predict_proba"],
    "outputs": [{"name": None, "type": "string", "classes": ["no", "yes"]}],
    "transform_names": None,
    "numeric_only": False,
    "tensor_shape": None,
}
CARD = """# Churn

Who will **leave** within a month, by what we know on the first day of it.

- trained on two years of customers
- not for customers below 18

| month | AUC |
|---|---|
| May | 0.91 |

<script>alert(1)</script>
"""


@dataclass
class World:
    """Handles of what there is. ``ids`` maps a word to the row that a page shows."""

    admin: User
    owner: User
    mate: User
    stranger: User
    model: RegisteredModel
    ready: ModelVersion
    pending: ModelVersion
    quarantined: ModelVersion
    rejected: ModelVersion
    approval: ApprovalRequest
    dataset: Dataset
    table: DatasetVersion
    refused: DatasetVersion
    waiting: DatasetVersion
    key: Any
    running: BatchJob
    failed: BatchJob
    rejecting: BatchJob
    compared: BatchJob
    schedule: Schedule


def make_world() -> World:
    """All of it; nothing rings for a worker."""
    with mock.patch("registry.queue._ring"):
        return _make()


def person(name: str, group: str | None = None, **values: Any) -> User:
    """Somebody of the staff, in the group of a role or in none."""
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True, **values)
    if group is not None:
        # A test that flushes the database takes the groups of the migrations away too.
        held, _ = Group.objects.get_or_create(name=group)
        GroupRole.objects.get_or_create(group=held, defaults={"role": group[:-1].lower()})
        user.groups.add(held)
    return user


def uploaded(by: User, model: RegisteredModel, body: bytes, **values: Any) -> ModelVersion:
    """A pending version over these bytes."""
    fmt = values.pop("format", "skops")
    upload = versions.Upload(storage.put_bytes(body), fmt, values.pop("label", f"model.{fmt}"))
    return versions.register_version(by=Principal(by), model=model, artifact=upload, **values)


def settle(version: ModelVersion, *checks: tuple[str, str, str, dict[str, Any]]) -> ModelVersion:
    """Write the verdicts down, as a worker would."""
    assert ModelVersion.objects.claim_check(version.pk, lease_s=900)
    version.refresh_from_db()
    for name, verdict, summary, evidence in checks:
        needs_review = verdict == "review"  # passed, and the policy wants somebody to look
        if name == "load" and verdict == "passed":
            verdicts.record_findings(version, facts=FACTS)
        if name == "signature" and verdict in ("passed", "warned"):
            verdicts.record_findings(version, signature=SIGNATURE)
        version = verdicts.record_check(
            version,
            name,
            "passed" if needs_review else verdict,
            summary,
            evidence,
            needs_review=needs_review,
        )
    version.refresh_from_db()
    return version


GOOD_CHECKS = (
    ("scan", "passed", "A zip of 12 members as skops writes it; every type is on the list.",
     {"members": 12, "bytes_unpacked": 20_480, "types": ["sklearn.pipeline.Pipeline"]}),
    ("load", "passed", "Loaded as sklearn.pipeline.Pipeline.",
     {"estimator": "sklearn.pipeline.Pipeline", "libraries": FACTS["libraries"],
      "input_form": "frame", "methods": ["predict", "predict_proba"]}),
    ("signature", "warned", "5 inputs, 1 outputs.",
     {"declared": False, "example_rows": 40,
      "notes": ["“age” is int64: all values are whole. Declare float64 to widen it."]}),
    ("golden", "passed", "40 example rows were scored and are kept as golden rows.",
     {"rows": 40, "compared_with_trainer": True}),
    ("compile", "passed", "Compiled: 12,340 rows are answered as by the original.",
     {"edition": "1", "graph_bytes": 61_234, "graph_sha256": "ab" * 32,
      "rows": {"golden": 40, "generated": 10_040, "extremes": 120, "at thresholds": 2_140},
      "rows_compared": 12_340, "rows_that_differ": 0, "labels_that_differ": 0,
      "largest_absolute": 2.2e-16, "largest_relative": 7.1e-16,
      "thresholds": {"tried": 535, "of": 540}, "refused_rows": {"original": 3, "graph": 3},
      "pace": {"rows": 1_000, "original": {"one_row_s": 0.0091, "all_rows_s": 0.105},
               "onnx": {"one_row_s": 0.000039, "all_rows_s": 0.0046}},
      "libraries": {"scikit-learn": "1.9.1", "onnxruntime": "1.32.0"}}),
)  # fmt: skip
BAD_CHECKS = (
    GOOD_CHECKS[0],
    GOOD_CHECKS[1],
    ("signature", "failed", "2 of 40 example rows do not fit the signature.",
     {"reason": "example-does-not-fit", "errors": [
         {"row": 3, "column": "age", "code": "not-an-integer", "expected": "int64",
          "received": "20.7"},
         {"row": 9, "column": "city", "code": "not-in-enum", "expected": "one of Rome, Paris, Oslo",
          "received": "Atlantis"},
     ], "error_count": 2}),
)  # fmt: skip


GLOBALS = {
    f"sklearn.{name}": count
    for count, name in enumerate((
        "pipeline.Pipeline", "compose._column_transformer.ColumnTransformer",
        "preprocessing._encoders.OneHotEncoder", "preprocessing._data.StandardScaler",
        "impute._base.SimpleImputer", "ensemble._forest.RandomForestClassifier",
        "tree._classes.DecisionTreeClassifier", "tree._tree.Tree",
    ), start=1)
} | {f"numpy.dtypes.Int{2 ** n}DType": 1 for n in range(3, 7)} | {
    f"numpy._core.multiarray.part{n}": n for n in range(1, 16)
}  # fmt: skip
GATED_SCAN = (
    "scan", "passed", "A joblib file of sklearn.pipeline.Pipeline; every name in it is listed.",
    {"reason": "", "gate_version": gate_version(), "format": "joblib", "container": "zlib",
     "size_bytes": 61_234, "protocol": 4, "stream_bytes": 402_118,
     "stream_sha256": hashlib.sha256(b"fourth").hexdigest(),
     "estimator": "sklearn.pipeline.Pipeline", "globals": GLOBALS, "opcodes": 20_118,
     "arrays": 214, "array_bytes": 381_004, "trained_with": {"scikit-learn": "1.9.1"}},
)  # fmt: skip


def _make() -> World:
    admin = User.objects.create_superuser("admin", password=PASSWORD)
    owner, mate = person("ada", "Publishers"), person("bo", "Approvers")
    by = Principal(owner)
    model = models.create_model(
        by=by, name="churn", description=CARD, tags={"team": "retention", "tier": "1"}
    )
    models.create_model(by=by, name="prices", classification="confidential")
    ready = settle(
        uploaded(
            owner, model, b"first", metrics={"auc": 0.9123456, "rows": 12000},
            description="Two more months of data.",
        ),
        *GOOD_CHECKS,
    )  # fmt: skip
    second = settle(uploaded(owner, model, b"second"), *GOOD_CHECKS)
    aliases.move_alias(by=by, version=second, alias="challenger", reason="To compare.")
    rejected = settle(uploaded(owner, model, b"third"), *BAD_CHECKS)
    quarantined = settle(
        uploaded(owner, model, b"fourth", format="joblib", label="churn.joblib"),
        GATED_SCAN, *GOOD_CHECKS[1:3], GOOD_CHECKS[3],
        ("compile", "review", *GOOD_CHECKS[4][2:]),
    )  # fmt: skip
    pending = uploaded(owner, model, b"fifth", signature=SIGNATURE)
    table, refused, waiting = _tables(by)
    key, _ = access.create_api_key(by=by, user=owner, name="nightly scoring")
    return World(
        admin=admin,
        owner=owner,
        mate=mate,
        stranger=person("eve"),
        model=model,
        ready=ready,
        pending=pending,
        quarantined=quarantined,
        rejected=rejected,
        approval=ApprovalRequest.objects.get(version=quarantined),
        dataset=table.dataset,
        table=table,
        refused=refused,
        waiting=waiting,
        key=key,
        **_work(by, table, quarantined),
    )


def _work(by: Principal, table: DatasetVersion, other: ModelVersion) -> dict[str, Any]:
    jobs = [
        batch_jobs.create_job(by=by, model="churn", dataset=str(table), chunk_rows=400)
        for _ in range(4)
    ]
    running, failed, rejecting, compared = jobs
    states = {running: ("done", "leased", "pending"), failed: ("done", "failed", "pending")}
    for job, chunk_states in states.items():
        for index, state in enumerate(chunk_states):
            _chunk(job, index, state)
    counts = {"chunks_total": 3, "chunks_done": 1}
    _set(running, state="running", started_at=timezone.now(), rows_done=400, **counts)
    error = {"code": "model-failed", "detail": "The model raised on row 512."}
    counts["chunks_failed"] = 1
    _set(failed, state="failed", finished_at=timezone.now(), rows_done=400, error=error, **counts)
    _end_with_rejects(rejecting, by)
    _end_with_rejects(compared, by)
    report = _report(compared, other)
    _set(compared, compared_version=other, compared_sha256="c" * 64, report=report)
    schedule = schedules.create_schedule(
        by=by, name="nightly-churn", model="churn", dataset="customers", cron="30 2 * * *",
        timezone="Europe/Rome",
    )  # fmt: skip
    schedules.run_now(by=by, schedule=schedule)
    made = {"running": running, "failed": failed, "rejecting": rejecting, "compared": compared}
    return {**made, "schedule": schedule}


def _chunk(job: BatchJob, index: int, state: str, **values: Any) -> None:
    done = {"rows_out": 400, "attempt": 1} if state == "done" else {}
    leased = {"attempt": 2, "lease_until": timezone.now()} if state == "leased" else {}
    failed = {"attempt": 3, "failures": 3, "reason": "model-failed"} if state == "failed" else {}
    chunk = BatchChunk.objects.create(
        job=job, index=index, row_start=index * 400, row_stop=index * 400 + 400, state=state,
        **{**done, **leased, **failed, **values},
    )  # fmt: skip
    if state == "leased":
        BatchChunk.objects.filter(pk=chunk.pk).update(
            lease_owner="host-b/worker-2", claimed_at=timezone.now(), rows_scored=120
        )
    began = timezone.now() - timedelta(seconds=40 - 10 * index)
    for attempt in range(1, chunk.attempt + (state != "leased")):
        is_last = attempt == chunk.attempt
        _attempt(chunk, attempt, began, state if is_last and state == "done" else "lost")


def _attempt(chunk: BatchChunk, number: int, began: datetime, ended: str) -> None:
    """One that came to its end, or one whose process was killed."""
    start = began + timedelta(seconds=3 * (number - 1))
    known: dict[str, Any] = {
        "cpu_s": 1.93, "max_memory_bytes": 187_000_000, "rows": 400,
        "phases": {"read": 0.02, "validate": 0.31, "score": 1.4, "write": 0.22, "store": 0.05},
    }  # fmt: skip
    lost = {"signal": 9, "reason": "The worker host-a/worker-1 was not heard of any more."}
    ChunkAttempt.objects.create(
        chunk=chunk, attempt=number, worker="host-a/worker-1", started_at=start,
        ended_at=start + timedelta(seconds=2), outcome=ended,
        **(known if ended == "done" else lost),
    )  # fmt: skip


def _report(job: BatchJob, other: ModelVersion) -> dict[str, Any]:
    """Of answers that differ on some rows."""
    rng = np.random.default_rng(7)
    ours = rng.random(1198)
    theirs = np.clip(ours + rng.normal(0, 0.02, 1198) * (rng.random(1198) < 0.6), 0, 1)
    summary = comparison.Summary()
    answers = [
        Answer(
            1198,
            (
                Block("prediction", None, None, (pa.array(np.where(p > 0.5, "yes", "no")),)),
                Block("probabilities", None, ("no", "yes"), (pa.array(1 - p), pa.array(p))),
            ),
        )
        for p in (ours, theirs)
    ]
    keys = pa.table({"customer": [f"C-{i:05}" for i in range(1198)]})
    summary.add(*answers, np.arange(1198), keys)
    head = {"model": "churn", "version": job.version.number, "compared_with": other.number}
    told = comparison.merged([summary.to_json()])
    return {**head, "dataset": str(job.dataset_version), "job": str(job.pk), **told}


def _end_with_rejects(job: BatchJob, by: Principal) -> None:
    rejects = pa.table(
        {"row": [7, 9], "column": ["age", "city"], "code": ["not-an-integer", "not-in-enum"],
         "received": ["20.7", "<b>Atlantis</b>"]},
        schema=pa.schema([("row", pa.int64()), ("column", pa.string()), ("code", pa.string()),
                          ("received", pa.string())]),
    )  # fmt: skip
    file = io.BytesIO()
    pq.write_table(rejects, file)
    name = storage.blob_name(storage.put_bytes(file.getvalue()).sha256)
    for index in range(3):
        own = {"rows_out": 398, "rejects": 2, "rejects_name": name} if index == 0 else {}
        _chunk(job, index, "done", **own)
    output = datasets.create_output(
        by=by.user, name=job.output_name, rows=1198, columns=COLUMNS, parts=[], size_bytes=0,
        parents=[job.dataset_version], classification="internal",
    )  # fmt: skip
    _set(
        job, state="completed_with_rejects", output=output, rows_done=1200, rows_rejected=2,
        chunks_total=3, chunks_done=3,
        started_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip


def _set(job: BatchJob, **values: Any) -> None:
    BatchJob.objects.filter(pk=job.pk).update(**values)
    job.refresh_from_db()


def _tables(by: Principal) -> tuple[DatasetVersion, DatasetVersion, DatasetVersion]:
    made = []
    for body in (b"age,city\n42,Rome\n", b"age,city\n42\n", b"age,city\n43,Oslo\n"):
        upload = versions.Upload(storage.put_bytes(body), "csv", "customers.csv")
        version, _ = datasets.upload_dataset(by=by, name="customers", upload=upload)
        made.append(version)
    ready, refused, waiting = made
    datasets.record_ingested(ready, rows=1200, columns=COLUMNS, profile=PROFILE, parts=[])
    datasets.record_refused(refused, errors=REFUSED, error_count=240)
    return ready, refused, waiting


COLUMNS = [
    {"name": "age", "type": "int64", "nullable": False},
    {"name": "city", "type": "string", "nullable": True},
    {"name": "balance [EUR]", "type": "float64", "nullable": True},
    {"name": "is member", "type": "boolean", "nullable": False},
    {"name": "joined", "type": "date", "nullable": True},
]
PROFILE = [
    {
        "name": "age", "type": "int64", "count": 1200, "nulls": 0, "distinct": {"exactly": 71},
        "min": 18, "max": 88, "mean": 44.2, "std": 12.9, "quantiles": {"0.5": 43.0},
        "histogram": {"edges": [18.0 + 3.5 * i for i in range(21)],
                      "counts": [*range(5, 105, 10), *range(105, 5, -10)]},
    },
    {
        "name": "city", "type": "string", "count": 1200, "nulls": 84, "distinct": {"exactly": 3},
        "top": [{"value": "Rome", "count": 610}, {"value": "Paris", "count": 310},
                {"value": "Oslo", "count": 196}],
    },
    {
        "name": "balance [EUR]", "type": "float64", "count": 1200, "nulls": 7,
        "distinct": {"more_than": 1000}, "min": -1200.5, "max": 98000.25, "mean": 4210.75,
        "std": 9100.1, "quantiles": {"0.5": 1800.0},
        "histogram": {"edges": [float(5000 * i) for i in range(21)],
                      "counts": [400 // (i + 1) for i in range(20)]},
    },
]  # fmt: skip
REFUSED = [
    {"row": 0, "line": 2, "column": None, "code": "ragged-row", "expected": "2 fields",
     "received": "1 field"},
    {"row": 4, "line": 6, "column": "age", "code": "not-an-integer", "expected": "int64",
     "received": "20.7"},
]  # fmt: skip
