"""Prediction records: what is kept of whom, how it is written, and when it goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from registry.ids import uuid7
from registry.models import ModelVersion, RegisteredModel
from registry.signature.facts import ModelFacts, OutputFacts
from serving.actions import held, reconcile, records
from serving.actions.background import Background
from serving.models import PredictionRecord
from serving.monitoring.quoting import own_kinds
from serving.runtimes.base import Answer
from serving.runtimes.lean_answer import LeanAnswer, Part, PartLayout
from serving.shares import is_within
from tests.people import grant, manager, person, stranger
from tests.serving.batch.ledger import FACTS
from tests.serving.routes.conftest import HostByVersion, Shop
from tests.serving.routes.test_mirrors import predict


@pytest.fixture
def captured(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[records.Captured]]:
    """What is to be written; every request of churn is captured."""
    RegisteredModel.objects.filter(pk=shop.model.pk).update(capture_percent=100)
    waiting: list[records.Captured] = []

    class Waiting:
        def offer(self, item: records.Captured, size_bytes: int) -> bool:
            waiting.append(item)
            return True

    monkeypatch.setattr(records, "writer", Waiting())
    return waiting


def written(captured: list[records.Captured]) -> PredictionRecord:
    records.write(captured)
    return PredictionRecord.objects.get()


@pytest.mark.django_db
def test_a_request_is_kept_with_its_answer(
    shop: Shop, host: HostByVersion, captured: list[Any]
) -> None:
    key, text = shop.olga.key()
    client = Client(headers={"Authorization": f"Bearer {text}", "X-Request-Id": "monday-1"})
    answer = predict(client, 44, 20).json()
    record = written(captured)
    assert (record.model, record.version) == (shop.model, shop.versions[1])
    assert (record.request_id, record.by) == ("monday-1", f"key:{key.public_id}")
    assert (record.rows, record.inputs) == (2, [[44, "Rome"], [20, "Rome"]])
    assert record.answers == {member: answer[member] for member in ("predictions", "probabilities")}
    assert record.latency_ms > 0
    assert timezone.now() - record.created_at < timedelta(minutes=10)


@pytest.mark.django_db
@pytest.mark.parametrize("classification", ["confidential", "restricted"])
def test_models_that_hide_cells_keep_answers_and_no_inputs(
    shop: Shop, host: HostByVersion, captured: list[Any], classification: str
) -> None:
    RegisteredModel.objects.update(classification=classification)
    predict(shop.olga.client(), 44)
    record = written(captured)
    assert (record.inputs, record.answers["predictions"]) == (None, ["yes"])


@pytest.mark.django_db
@pytest.mark.parametrize("is_lean", [True, False], ids=["lean", "arrow"])
def test_outputs_that_may_repeat_cells_are_not_kept_where_cells_are_hidden(
    shop: Shop,
    host: HostByVersion,
    captured: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    is_lean: bool,
) -> None:
    """A scaler, an imputer and whatever passes columns on answer with the cells themselves."""
    RegisteredModel.objects.update(classification="confidential")
    ModelVersion.objects.update(facts={**FACTS.to_json(), "methods": ["transform"], "outputs": []})
    answer = wide_answer(1, 2, is_lean=is_lean)
    monkeypatch.setattr("serving.api.lane.score", lambda *_, **__: answer)
    told = predict(shop.olga.client(), 44, outputs=["transform"]).json()
    assert told["transform"] == [{"c0": 1.0, "c1": 1.0}]
    assert captured[0].answer is None
    record = written(captured)
    assert (record.rows, record.inputs, record.answers) == (1, None, None)


@pytest.mark.parametrize(
    ("methods", "outputs", "own"),
    [
        (("predict", "transform"), (OutputFacts(None, "string", ("no", "yes")),), True),
        (("predict",), (OutputFacts("a", "int64", (0, 1)), OutputFacts("b", "int64", (0,))), True),
        (("predict",), (OutputFacts(None, "float64"),), True),
        (("predict",), (OutputFacts(None, "string"),), False),
        (("predict",), (OutputFacts("a", "float64"), OutputFacts("b", "float64")), False),
        (("transform",), (), False),
    ],
)
def test_predictions_are_the_models_own_if_they_are_classes_or_one_number(
    methods: tuple[str, ...], outputs: tuple[OutputFacts, ...], own: bool
) -> None:
    kinds = own_kinds(ModelFacts("tests.Clerk", methods=methods, outputs=outputs))
    assert kinds == {"probabilities", "decision", *(["prediction"] if own else [])}


@pytest.mark.django_db
def test_no_more_than_so_many_rows_and_characters_are_kept(
    shop: Shop, host: HostByVersion, captured: list[Any]
) -> None:
    client = shop.olga.client()
    predict(client, *range(1, 151))
    record = written(captured)
    assert record.rows == 150
    assert [row[0] for row in record.inputs] == list(range(1, 101))
    assert len(record.answers["predictions"]) == len(record.answers["probabilities"]) == 100
    PredictionRecord.objects.all().delete()
    captured.clear()
    predict(client, instances=[{"age": 44, "city": "R" * 70_000}])
    assert written(captured).inputs is None


@pytest.mark.django_db
def test_what_the_database_cannot_hold_is_left_out(
    shop: Shop, host: HostByVersion, captured: list[Any]
) -> None:
    predict(shop.olga.client(), instances=[{"age": 44, "city": "\0"}])
    record = written(captured)
    assert (record.inputs, record.answers["predictions"]) == (None, ["yes"])


def test_rows_are_written_as_json_has_them() -> None:
    moment = timezone.now().replace(2026, 1, 31, 12, 0, 0, 0)
    batch = pa.record_batch(
        {
            "x": pa.array([float("nan"), 1.5]),
            "n": pa.array([None, 2**60]),
            "at": pa.array([moment, None], pa.timestamp("us", "UTC")),
            "t": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64(), 2)),
        }
    )
    rows = records.good_rows(batch)
    json.dumps(rows, allow_nan=False)
    assert rows == [
        [None, None, "2026-01-31T12:00:00Z", [1.0, 2.0]],
        [1.5, 2**60, None, [3.0, 4.0]],
    ]


def wide_answer(rows: int, width: int, *, is_lean: bool) -> Answer:
    layout = PartLayout("transform", None, tuple(f"c{n}" for n in range(width)))
    lean = LeanAnswer(rows, (Part(layout, np.ones((rows, width))),))
    return lean if is_lean else Answer(rows, lean.blocks)


@pytest.mark.django_db
@pytest.mark.parametrize("is_lean", [True, False], ids=["lean", "arrow"])
def test_what_waits_is_reckoned_with_its_answer_and_is_no_more_than_is_kept(
    shop: Shop, host: HostByVersion, monkeypatch: pytest.MonkeyPatch, is_lean: bool
) -> None:
    """A row of a few bytes may have an answer of thousands of columns."""
    RegisteredModel.objects.update(capture_percent=100)
    offered: list[tuple[records.Captured, int]] = []
    monkeypatch.setattr(records.writer, "offer", lambda *one: not offered.append(one))
    for rows, width in ((10, 3_000), (1_000, 300), (10, 30_000)):
        answer = wide_answer(rows, width, is_lean=is_lean)
        monkeypatch.setattr("serving.api.lane.score", lambda *_, answer=answer, **__: answer)
        assert predict(shop.olga.client(), *range(1, rows + 1)).status_code == 200
    (few, few_bytes), (cut, cut_bytes), (over, over_bytes) = offered
    assert few.answer is not None
    assert few.answer.n_rows == 10
    assert few_bytes > 8 * 10 * 3_000
    assert cut.answer is not None
    assert (cut.n_rows, cut.answer.n_rows) == (1_000, 100)
    assert 8 * 100 * 300 < cut_bytes < 8 * 1_000 * 300
    assert over.answer is None
    assert over_bytes < 100_000


@pytest.mark.parametrize("is_lean", [True, False], ids=["lean", "arrow"])
def test_first_rows_and_answers_do_not_hold_the_others(is_lean: bool) -> None:
    batch = pa.record_batch({"x": np.arange(5_000.0), "s": ["é" * 10] * 5_000})
    whole = wide_answer(5_000, 2, is_lean=is_lean)
    rows, answer = held.first_rows(batch, 50), held.first_answers(whole, 50)
    assert rows == batch.slice(0, 50)
    assert answer == records.sliced(whole, 0, 50)
    assert held.rows_bytes(rows, 0) < held.rows_bytes(batch, 0) / 50
    assert held.answer_bytes(answer) == held.answer_bytes(whole) / 100


@pytest.mark.django_db
def test_the_share_is_drawn_by_the_request_id(
    shop: Shop, host: HostByVersion, captured: list[Any]
) -> None:
    RegisteredModel.objects.update(capture_percent=30)
    _, text = shop.olga.key()
    ids = [f"r{n}" for n in range(20)]
    for name in ids:
        predict(Client(headers={"Authorization": f"Bearer {text}", "X-Request-Id": name}), 44)
    kept = [one.request_id for one in captured]
    assert kept == [name for name in ids if is_within(30, name, "capture churn")]
    assert 0 < len(kept) < 20


@pytest.mark.django_db
def test_all_ways_to_a_model_are_captured_but_for_the_page(
    shop: Shop, host: HostByVersion, captured: list[Any]
) -> None:
    client = shop.olga.client()
    row = {"instances": [{"age": 44, "city": "Rome"}]}
    for ref in ("churn", "churn@challenger", "churn/versions/3"):
        path = f"/api/v1/models/{ref}/predict"
        assert client.post(path, row, content_type="application/json").status_code == 200
    assert predict(client, instances="none").status_code == 422
    assert [one.target.number for one in captured] == [1, 2, 3]


# --- the writer -----------------------------------------------------------------------------------


@pytest.fixture
def writer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Background[Any]]:
    """A writer of the test's own, with a short queue."""
    RegisteredModel.objects.filter(pk=shop.model.pk).update(capture_percent=100)
    made: Background[Any] = Background(
        "records",
        lambda taken: records.write(taken),
        most=2,
        most_bytes=1 << 20,
        at_once=2,
        gather_s=0.1,
        on_lost=records.dropped_total.inc,
    )
    monkeypatch.setattr(records, "writer", made)
    yield made
    made.end(60)


@pytest.mark.django_db(transaction=True)
def test_records_are_written_behind_the_callers_back(
    shop: Shop, host: HostByVersion, writer: Background[Any]
) -> None:
    client = shop.olga.client()
    for age in (20, 44):
        assert predict(client, age).status_code == 200
        assert writer.wait_idle(60)
    assert [row.inputs for row in PredictionRecord.objects.order_by("id")] == [
        [[20, "Rome"]],
        [[44, "Rome"]],
    ]


@pytest.mark.django_db(transaction=True)
def test_with_the_database_away_records_are_dropped_and_callers_answered(
    shop: Shop, host: HostByVersion, writer: Background[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(taken: Any) -> None:
        raise DatabaseError("away")

    client = shop.olga.client()
    before = records.dropped_total._value.get()
    with monkeypatch.context() as patched:
        patched.setattr(records, "write", away)
        for _ in range(3):
            assert predict(client, 44).status_code == 200
            assert writer.wait_idle(60)
    assert records.dropped_total._value.get() == before + 3
    assert predict(client, 44).status_code == 200
    assert writer.wait_idle(60)
    assert PredictionRecord.objects.count() == 1


@pytest.mark.django_db
def test_a_full_queue_drops_and_counts(
    shop: Shop, host: HostByVersion, captured: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records.writer, "offer", lambda *_: False)
    before = records.dropped_total._value.get()
    assert predict(shop.olga.client(), 44).status_code == 200
    assert records.dropped_total._value.get() == before + 1
    assert not captured


# --- who may read, and what goes ------------------------------------------------------------------


def add(shop: Shop, count: int, *, days: float = 0.0) -> list[PredictionRecord]:
    """Records that were made so many days ago."""
    at = timezone.now() - timedelta(days=days)
    age_ms = int(timedelta(days=days).total_seconds() * 1_000)
    return PredictionRecord.objects.bulk_create(
        PredictionRecord(
            id=type(uuid7())(int=uuid7().int - (age_ms << 80)),
            model=shop.model,
            version=shop.versions[1],
            request_id=f"{days}-{n}",
            rows=1,
            latency_ms=1.0,
            created_at=at,
        )
        for n in range(count)
    )


@pytest.mark.django_db
def test_records_are_read_by_managers_of_their_model_only(shop: Shop) -> None:
    add(shop, 1)
    pavel = person("pavel")
    grant(pavel, shop.model, "publisher")
    readers = {
        "olga": shop.olga.by,
        "marie": manager().by,
        "pavel": pavel.by,
        "sam": stranger().by,
    }
    found = {
        name: PredictionRecord.objects.readable_by(by).exists() for name, by in readers.items()
    }
    assert found == {"olga": True, "marie": True, "pavel": False, "sam": False}


@pytest.mark.django_db
def test_old_records_and_those_over_the_number_go(
    shop: Shop, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MODELYARD = {**settings.MODELYARD, "CAPTURE_DAYS": 7, "CAPTURE_RECORDS": 5}
    monkeypatch.setattr(records, "SWEPT_AT_ONCE", 2)
    add(shop, 3, days=8)
    add(shop, 4, days=6)
    newest = add(shop, 4)
    assert records.sweep_records(budget_s=60) == 3  # captured no more: only the age counts
    RegisteredModel.objects.update(capture_percent=1)
    assert records.sweep_records(budget_s=60) == 3
    left = PredictionRecord.objects.order_by("-id")
    assert [row.request_id for row in left] == [r.request_id for r in newest[::-1]] + ["6-3"]
    assert records.sweep_records(budget_s=60) == 0


@pytest.mark.django_db
def test_a_sweep_without_time_removes_nothing_more(shop: Shop) -> None:
    add(shop, 1, days=400)
    assert records.sweep_records(budget_s=-1) == 0


@pytest.mark.django_db
def test_the_reconciling_pass_sweeps(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[str] = []
    monkeypatch.setattr(reconcile, "_first_in", lambda seconds, name, **_: True)
    monkeypatch.setattr(reconcile, "_ring", lambda *_: None)
    monkeypatch.setattr(reconcile, "sweep_records", lambda: swept.append("records"))
    monkeypatch.setattr(reconcile, "sweep_comparisons", lambda: swept.append("comparisons"))
    reconcile.reconcile()
    assert sorted(swept) == ["comparisons", "records"]
