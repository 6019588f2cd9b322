"""The corpus of malicious, harmless and benign files, where one is at hand; none is ever loaded."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from registry.errors import UnreadableArtifact
from registry.formats import HEAD_BYTES, sniff
from registry.scan import look

FOLDER = os.environ.get("MODELYARD_CORPUS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="MODELYARD_CORPUS names no folder")


def listed():
    if not FOLDER:
        return []
    with (Path(FOLDER) / "manifest.tsv").open(newline="") as manifest:
        return list(csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE))


def verdict_on(path: Path) -> str:
    with path.open("rb") as file:
        try:
            format = sniff(file.read(HEAD_BYTES), path.name)
        except UnreadableArtifact:
            return "unreadable"
        return look(file, path.stat().st_size, format).verdict


def test_no_malicious_file_passes_without_a_reviewer_and_every_benign_one_gets_that_far():
    rows = [row for row in listed() if (Path(FOLDER) / row["file"]).exists()]
    assert rows
    for row in rows:
        verdict = verdict_on(Path(FOLDER) / row["file"])
        assert verdict in ("review", "failed", "unreadable"), row["file"]
        if row["expected"] == "benign":
            assert verdict == "review", row["file"]
