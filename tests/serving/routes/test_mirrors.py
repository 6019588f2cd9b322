"""Mirrors: their answers are compared and added up, and no caller ever waits for one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from registry.models import ModelVersion, RegisteredModel
from registry.signature.facts import OutputFacts
from serving.actions import mirrors, tallies
from serving.actions.background import Background
from serving.actions.routes import set_route
from serving.models import MirroredAnswer
from serving.runtimes.base import Answer, Block
from serving.runtimes.isolation.errors import HostBusy, ModelDied
from tests.serving.batch.ledger import FACTS
from tests.serving.routes.conftest import HostByVersion, Shop

PREDICT = "/api/v1/models/churn/predict"


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What is mirrored, in place of the queue: a test works on it itself."""
    waiting: list[Any] = []

    class Waiting:
        is_ending = False

        def offer(self, item: Any, size_bytes: int) -> bool:
            waiting.append(item)
            return True

        def rest(self, seconds: float) -> None: ...

    monkeypatch.setattr(mirrors, "queue", Waiting())
    tallies.counted.taken()
    yield waiting
    tallies.counted.taken()


@pytest.fixture
def mirrored(shop: Shop) -> Shop:
    """The champion answers, version 3 looks on."""
    targets = [{"alias": "champion", "weight": 100}]
    set_route(by=shop.olga.by, model=shop.model, targets=targets, mirror=[{"version": 3}])
    return shop


def predict(client: Client, *ages: int, query: str = "", **body: Any) -> Any:
    sent = {"instances": [{"age": age, "city": "Rome"} for age in ages], **body}
    return client.post(PREDICT + query, sent, content_type="application/json")


def compared(shop: Shop) -> MirroredAnswer:
    return MirroredAnswer.objects.of(shop.model).get()


def answer_otherwise(shop: Shop, host: HostByVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 3 says no where the others say yes at 44, and is 0.1 surer."""
    third = str(shop.versions[3].pk)
    plain = HostByVersion.score

    def score(self: HostByVersion, spec: Any, opened: Any, batch: Any, *rest: Any, **more: Any):
        if spec.key == third:
            ages = batch.column("age").to_pylist()
            batch = batch.set_column(0, "age", pa.array([age - 10 for age in ages]))
        return plain(self, spec, opened, batch, *rest, **more)

    monkeypatch.setattr(HostByVersion, "score", score)


@pytest.mark.django_db
def test_equal_answers_are_counted_and_leave_no_example(
    mirrored: Shop, host: HostByVersion, by_hand: list[Any]
) -> None:
    assert predict(mirrored.olga.client(), 44, 20).json()["version"] == 1
    mirrors.work_on(by_hand)
    row = compared(mirrored)
    assert (row.served.number, row.mirror.number) == (1, 3)
    assert row.day == timezone.now().date()
    assert (row.requests, row.rows, row.rows_differ, row.numbers) == (1, 2, 0, 4)
    assert (row.difference_max, row.difference_mean, row.examples) == (0.0, 0.0, [])
    assert row.served_seconds > 0
    assert row.mirror_seconds > 0


@pytest.mark.django_db
def test_differences_are_added_up_and_some_requests_shown(
    mirrored: Shop, host: HostByVersion, by_hand: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_otherwise(mirrored, host, monkeypatch)
    client = mirrored.olga.client()
    for _ in range(2):
        assert predict(client, 20, 44).status_code == 200
    mirrors.work_on(by_hand[:1])
    mirrors.work_on(by_hand[1:])
    row = compared(mirrored)
    assert (row.requests, row.rows, row.rows_differ, row.numbers) == (2, 4, 2, 8)
    assert row.difference_max == pytest.approx(0.1)
    assert row.difference_mean == pytest.approx(0.1)
    assert len(row.examples) == 2
    example = row.examples[0]
    assert (example["row"], example["inputs"]) == (1, [44, "Rome"])
    assert example["served"]["predictions"] == "yes"
    assert example["mirror"]["predictions"] == "no"


@pytest.mark.django_db
def test_examples_are_few_and_without_inputs_where_cells_are_hidden(
    mirrored: Shop, host: HostByVersion, by_hand: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    RegisteredModel.objects.update(classification="restricted")
    answer_otherwise(mirrored, host, monkeypatch)
    client = mirrored.olga.client()
    for _ in range(12):
        predict(client, 44)
    mirrors.work_on(by_hand)
    examples = compared(mirrored).examples
    assert len(examples) == MirroredAnswer.EXAMPLES_MAX
    assert {example["inputs"] for example in examples} == {None}
    assert set(examples[0]["served"]) == {"predictions", "probabilities"}


@pytest.mark.django_db
def test_examples_have_no_outputs_that_may_repeat_cells_which_are_hidden(
    mirrored: Shop, host: HostByVersion, by_hand: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts of which nobody knows that they are classes."""
    RegisteredModel.objects.update(classification="confidential")
    texts = [OutputFacts(None, "string").to_json()]
    ModelVersion.objects.update(facts={**FACTS.to_json(), "outputs": texts})
    answer_otherwise(mirrored, host, monkeypatch)
    predict(mirrored.olga.client(), 44)
    mirrors.work_on(by_hand)
    (example,) = compared(mirrored).examples
    assert set(example["served"]) == set(example["mirror"]) == {"probabilities"}


@pytest.mark.django_db
def test_only_good_rows_and_asked_outputs_are_mirrored(
    mirrored: Shop, host: HostByVersion, by_hand: list[Any]
) -> None:
    client = mirrored.olga.client()
    sent = [{"age": 44}, {"age": "old"}, {"age": 20}]
    predict(client, query="?on_row_error=skip", instances=sent, outputs=["prediction"])
    mirrors.work_on(by_hand)
    row = compared(mirrored)
    assert (row.rows, row.rows_differ, row.failed) == (2, 0, 0)


@pytest.mark.django_db
def test_a_version_is_not_compared_with_itself(
    mirrored: Shop, host: HostByVersion, by_hand: list[Any]
) -> None:
    both = [{"alias": "champion", "weight": 50}, {"version": 3, "weight": 50}]
    set_route(by=mirrored.olga.by, model=mirrored.model, targets=both, mirror=[{"version": 3}])
    client = mirrored.olga.client()
    answered = [predict(client, 44).json()["version"] for _ in range(10)]
    mirrors.work_on(by_hand)
    assert compared(mirrored).requests == answered.count(1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "failed", "dropped"),
    [
        (ModelDied("It died."), 1, 0),
        (RuntimeError("a bug"), 1, 0),
        (HostBusy("No room."), 0, 1),
    ],
)
def test_a_mirror_that_fails_is_counted_and_one_that_is_busy_left_in_peace(
    mirrored: Shop,
    host: HostByVersion,
    by_hand: list[Any],
    error: Exception,
    failed: int,
    dropped: int,
) -> None:
    third = str(mirrored.versions[3].pk)

    def fail(key: str) -> None:
        if key == third:
            raise error

    host.before_version = fail
    assert predict(mirrored.olga.client(), 44).status_code == 200
    mirrors.work_on(by_hand)
    row = compared(mirrored)
    assert (row.requests, row.failed, row.dropped) == (0, failed, dropped)


@pytest.mark.django_db
def test_a_mirror_that_takes_other_rows_is_asked_in_its_own_way_or_fails(
    mirrored: Shop, host: HostByVersion, by_hand: list[Any]
) -> None:
    third = ModelVersion.objects.filter(pk=mirrored.versions[3].pk)
    signature = mirrored.versions[3].signature
    fewer = [c for c in signature["inputs"] if c["name"] == "age"]
    more = [*signature["inputs"], {"name": "income", "type": "float64"}]
    client = mirrored.olga.client()
    outcomes = []
    for inputs in (fewer, more):
        third.update(signature={**signature, "inputs": inputs})
        _parsed_again()
        predict(client, 44)
        mirrors.work_on(by_hand)
        by_hand.clear()
        row = compared(mirrored)
        outcomes.append((row.requests, row.failed))
    assert outcomes == [(1, 0), (1, 1)]


def _parsed_again() -> None:
    from serving.actions import targets

    targets._parsed.cache_clear()


@pytest.mark.django_db
def test_large_requests_and_a_full_queue_drop_copies_and_callers_see_nothing(
    mirrored: Shop, host: HostByVersion, by_hand: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "ROWS_MAX", 2)
    client = mirrored.olga.client()
    before = mirrors.dropped_total._value.get()
    assert predict(client, 44, 45, 46).status_code == 200
    monkeypatch.setattr(mirrors.queue, "offer", lambda *_: False)
    assert predict(client, 44).status_code == 200
    assert not by_hand
    tallies.flush()
    assert compared(mirrored).dropped == 2
    assert mirrors.dropped_total._value.get() == before + 2


@pytest.mark.django_db
def test_a_copy_is_reckoned_with_its_answer(
    mirrored: Shop, host: HostByVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of a few bytes may have an answer of thousands of columns."""
    values = tuple(pa.array([0.5] * 10) for _ in range(20_000))
    answer = Answer(10, (Block("transform", None, tuple(range(20_000)), values),))
    monkeypatch.setattr("serving.api.lane.score", lambda *_, **__: answer)
    sizes: list[int] = []
    monkeypatch.setattr(mirrors.queue, "offer", lambda _, size: not sizes.append(size))
    assert predict(mirrored.olga.client(), *range(1, 11)).status_code == 200
    assert sizes[0] > 8 * 10 * 20_000


@pytest.mark.django_db(transaction=True)
def test_the_caller_has_the_answer_while_the_mirror_still_waits(
    mirrored: Shop, host: HostByVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    third, reached, go_on = str(mirrored.versions[3].pk), threading.Event(), threading.Event()

    def wait(key: str) -> None:
        if key == third:
            reached.set()
            assert go_on.wait(60)

    host.before_version = wait
    queue: Background[Any] = Background("mirrors", mirrors.work_on, most=1, most_bytes=1 << 20)
    monkeypatch.setattr(mirrors, "queue", queue)
    client = mirrored.olga.client()
    try:
        assert predict(client, 44).json()["version"] == 1
        assert reached.wait(60)
        # The mirror stands still: one copy waits, all others are dropped, and every caller is told.
        assert [predict(client, 44).json()["predictions"] for _ in range(4)] == [["yes"]] * 4
        assert not queue.wait_idle(0)
    finally:
        go_on.set()
        queue.end(60)
    row = compared(mirrored)
    assert (row.requests, row.dropped) == (1, 4)


@pytest.mark.django_db(transaction=True)
def test_counts_of_several_processes_are_added_to_one_row(
    mirrored: Shop, host: HostByVersion
) -> None:
    served, mirror = mirrored.versions[1], mirrored.versions[3]
    day = timezone.now().date()

    def add() -> None:
        try:
            tally = tallies.Tally(requests=1, rows=2, difference_max=0.5)
            tallies.add_to_row(mirrored_model.pk, served.pk, mirror.pk, day, tally)
        finally:
            connection.close()

    mirrored_model = mirrored.model
    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = compared(mirrored)
    assert (row.requests, row.rows, row.difference_max) == (6, 12, 0.5)


@pytest.mark.django_db
def test_comparisons_of_days_long_past_go(mirrored: Shop) -> None:
    today = timezone.now().date()
    pair = {"model": mirrored.model, "served": mirrored.versions[1]}
    for days in (0, mirrors.KEPT_DAYS, mirrors.KEPT_DAYS + 1):
        day = today - timedelta(days=days)
        MirroredAnswer.objects.create(**pair, mirror=mirrored.versions[3], day=day)
    assert mirrors.sweep_comparisons() == 1
    assert MirroredAnswer.objects.count() == 2
