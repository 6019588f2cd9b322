"""Benign files of the corpus, where one is at hand, uploaded without an example."""

from __future__ import annotations

import csv
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.formats import HEAD_BYTES, sniff
from tests import people, things
from tests.drawing import amount, seed
from tests.serving.actions.conftest import Bench

FOLDER = os.environ.get("MODELYARD_CORPUS")
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not FOLDER, reason="MODELYARD_CORPUS names no folder"),
]
# Without example rows: a file may hold what answers for no new rows, or takes more than numbers.
NOT_READY = {"no-scoring-method", "example-needed"}


def benign() -> list[Path]:
    manifest = (Path(FOLDER or "") / "manifest.tsv").read_text().splitlines()
    rows = csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE)
    # Others than fitted ones are made by hand for the gate alone, and lack what a model needs.
    fitted = [row for row in rows if row["expected"] == "benign" and "fit" in row["source"]]
    files = [Path(FOLDER or "") / row["file"] for row in fitted]
    return random.Random(seed()).sample(files, amount(len(files), short=20))


def test_each_is_ready_or_says_what_it_lacks(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    owner = people.owner()
    model = things.a_model(owner)
    ends: Counter[str] = Counter()
    for path in benign():
        body = path.read_bytes()
        format = sniff(body[:HEAD_BYTES], path.name)
        version = bench.register(owner, model, body, format, example=False)
        failed = version.checks.filter(verdict="failed").first()
        reason = failed.evidence["reason"] if failed else ""
        assert version.status == "ready" or reason in NOT_READY, (path.name, failed)
        ends[reason or version.status] += 1
    record_property("counted", f"benign files uploaded without an example: {dict(ends)}")
    assert ends["ready"] > sum(ends.values()) / 2
