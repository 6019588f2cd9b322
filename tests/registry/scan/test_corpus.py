"""The corpus of malicious, harmless and benign files, where one is at hand; none is ever loaded."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from registry.errors import UnreadableArtifact
from registry.formats import HEAD_BYTES, sniff
from registry.scan import Finding, look

FOLDER = os.environ.get("MODELYARD_CORPUS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="MODELYARD_CORPUS names no folder")


def listed():
    if not FOLDER:
        return []
    with (Path(FOLDER) / "manifest.tsv").open(newline="") as manifest:
        return list(csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE))


def finding_on(path: Path) -> Finding:
    """What the gate finds, or a refusal ``unreadable`` where the first bytes are of no format."""
    with path.open("rb") as file:
        try:
            format = sniff(file.read(HEAD_BYTES), path.name)
        except UnreadableArtifact:
            return Finding("failed", "unreadable", "")
        return look(file, path.stat().st_size, format)


@pytest.mark.parametrize("row", listed(), ids=lambda row: row["file"])
def test_malicious_files_are_refused_harmless_ones_told_apart_and_benign_ones_pass(row):
    found = finding_on(Path(FOLDER) / row["file"])
    if row["expected"] == "benign":
        assert found.verdict == "passed", found.summary
        assert found.evidence["estimator"]
    elif row["expected"] == "malicious":
        assert found.verdict == "failed"
        assert found.reason != "not-a-model"
    else:
        is_no_pickle = found.reason == "unreadable" or found.reason.startswith("zip-")
        assert is_no_pickle or found.reason == "not-a-model", (found.reason, found.summary)
