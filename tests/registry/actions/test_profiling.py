"""Figures of a job's output: found afterwards, whatever dies meanwhile, and held against rules."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db.models.functions import Now
from django.utils import timezone

from registry import storage
from registry.actions import profiling
from registry.actions.datasets import create_output
from registry.actions.profiling import find_profile, want_old_profiles
from registry.actions.tiers import ask_for_tier
from registry.errors import RulesNotMet, StateConflict, StorageAway
from registry.models import Dataset, DatasetVersion
from registry.tabular import Profiler
from tests import people, things

pytestmark = pytest.mark.django_db

ROWS = b"age,city,paid\r\n" + b"".join(
    b"%d,%s,%s\r\n" % (n % 90, (b"Rome", b"Oslo", b"")[n % 3], b"" if n % 5 else b"%d.25" % n)
    for n in range(3_000)
)


@pytest.fixture
def olga():
    return people.owner()


@pytest.fixture
def source(olga):
    return things.a_dataset_version(olga, body=ROWS)


@pytest.fixture
def output(olga, source):
    """The rows of the source in seven files, as chunks would have written them."""
    return an_output(olga, source)


def an_output(olga, source, name="churn-job-1"):
    with storage.opened(source.parts[0]["name"]) as file:
        table = pq.read_table(file)
    return create_output(
        by=olga.user,
        name=name,
        rows=table.num_rows,
        columns=source.columns,
        parts=[part_of(table.slice(at, 450)) for at in range(0, table.num_rows, 450)],
        size_bytes=1_000,
        parents=[source],
        classification="internal",
    )


def part_of(table: pa.Table) -> dict[str, Any]:
    body = io.BytesIO()
    pq.write_table(table, body)
    stored = storage.put_bytes(body.getvalue())
    name = storage.blob_name(stored.sha256)
    return {"name": name, "sha256": stored.sha256, "rows": table.num_rows}


def fresh(version):
    return DatasetVersion.objects.select_related("dataset").get(pk=version.pk)


def let_the_lease_end():
    DatasetVersion.objects.filter(reading_until__isnull=False).update(
        reading_until=Now() - timedelta(seconds=1)
    )


def test_an_output_in_parts_has_the_figures_that_its_rows_have_as_an_upload(source, output):
    assert (output.profile, fresh(output).profile_state) == ([], "waiting")

    find_profile(output.pk)

    found = fresh(output)
    assert found.profile == source.profile
    assert (found.profile_state, found.reading_until) == ("found", None)
    assert not DatasetVersion.objects.awaiting_profile().exists()


def test_one_batch_of_rows_is_held_at_a_time(output, monkeypatch):
    monkeypatch.setattr(profiling, "BATCH_ROWS", 100)
    heights: list[int] = []
    add = Profiler.add
    monkeypatch.setattr(Profiler, "add", lambda s, b: (heights.append(b.num_rows), add(s, b))[1])

    find_profile(output.pk)

    assert (sum(heights), max(heights)) == (3_000, 100)


def test_who_dies_while_reading_leaves_it_to_the_next(source, output, monkeypatch):
    def dies(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as killed:
        killed.setattr(Profiler, "result", dies)
        with pytest.raises(SystemExit):
            find_profile(output.pk)
    assert (fresh(output).profile_state, fresh(output).read_attempts) == ("waiting", 1)
    find_profile(output.pk)  # the lease of who has died
    assert fresh(output).profile == []

    let_the_lease_end()
    assert [v.pk for v in DatasetVersion.objects.awaiting_profile()] == [output.pk]
    find_profile(output.pk)
    assert fresh(output).profile == source.profile


def test_what_kills_everybody_is_given_up(output):
    DatasetVersion.objects.filter(pk=output.pk).update(read_attempts=5)
    let_the_lease_end()
    assert not DatasetVersion.objects.awaiting_profile().exists()
    find_profile(output.pk)
    assert (fresh(output).profile, fresh(output).profile_state) == ([], "none")


def test_a_storage_that_is_away_is_no_attempt(source, output, monkeypatch):
    def away(name: str) -> Any:
        raise StorageAway("It does not answer.")

    for _ in range(6):
        with monkeypatch.context() as context:
            context.setattr(storage, "opened", away)
            find_profile(output.pk)
        assert (fresh(output).read_attempts, fresh(output).profile_state) == (0, "waiting")
        let_the_lease_end()
    find_profile(output.pk)
    assert fresh(output).profile == source.profile


def test_rows_whose_bytes_are_gone_will_have_no_figures(output):
    storage.remove(output.parts[3]["name"])
    find_profile(output.pk)
    assert (fresh(output).profile_state, fresh(output).reading_until) == ("none", None)


def test_rows_that_are_erased_meanwhile_keep_no_figures(output, monkeypatch):
    result = Profiler.result

    def erased_meanwhile(profiler: Profiler) -> Any:
        DatasetVersion.objects.filter(pk=output.pk).update(erased_at=timezone.now())
        return result(profiler)

    monkeypatch.setattr(Profiler, "result", erased_meanwhile)
    find_profile(output.pk)
    assert (fresh(output).profile, fresh(output).profile_state) == ([], "none")


def test_outputs_of_before_there_was_a_profile_get_theirs(source, output):
    DatasetVersion.objects.filter(pk=output.pk).update(reading_until=None)
    assert (want_old_profiles(), want_old_profiles()) == (1, 0)
    let_the_lease_end()
    for version in DatasetVersion.objects.awaiting_profile():
        find_profile(version.pk)
    assert fresh(output).profile == source.profile


def test_an_output_without_rows_has_figures_of_nothing(olga, source):
    output = create_output(
        by=olga.user,
        name="none-job-1",
        rows=0,
        columns=source.columns,
        parts=[],
        size_bytes=0,
        parents=[source],
        classification="internal",
    )
    find_profile(output.pk)
    assert [(f["name"], f["count"]) for f in fresh(output).profile] == [
        ("age", 0),
        ("city", 0),
        ("paid", 0),
    ]


def test_rules_about_figures_wait_for_them_and_are_held_against_them_then(olga, output):
    rules = {"columns": {"age": {"max": 89}, "city": {"max_null_share": 0.5}}}
    Dataset.objects.filter(pk=output.dataset_id).update(rules=rules)

    with pytest.raises(StateConflict, match="figures of churn-job-1@1 are still being found"):
        ask_for_tier(by=olga.by, version=fresh(output), tier="curated", reason="Clean.")
    find_profile(output.pk)
    asked = ask_for_tier(by=olga.by, version=fresh(output), tier="curated", reason="Clean.")
    assert [rule["found"] for rule in asked.evidence["rules"]][1] == 89

    other = an_output(olga, fresh(output), "churn-job-2")
    Dataset.objects.filter(pk=other.dataset_id).update(rules={"columns": {"age": {"max": 88}}})
    find_profile(other.pk)
    with pytest.raises(RulesNotMet, match="columns/age/max"):
        ask_for_tier(by=olga.by, version=fresh(other), tier="curated", reason="Clean.")
