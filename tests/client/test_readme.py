"""What the README shows works."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from modelyard.cli.main import parser

from tests.client.stand_in import Reply

README = Path(__file__).parents[2] / "client" / "README.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [
    line for _, text in BLOCKS for line in text.split("\n") if line.startswith("modelyard ")
]


def test_the_readme_has_code():
    assert len(PYTHON) == 1
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_one(command):
    assert callable(parser().parse_args(shlex.split(command)[1:]).run)


def test_the_python_of_the_readme_runs(service, monkeypatch, capsys):
    monkeypatch.setenv("MODELYARD_URL", service.url)
    answers = {"predictions": ["no"] * 4, "probabilities": [{"no": 0.5, "yes": 0.5}] * 4}
    service.predict = lambda request: Reply(200, {"model": "churn", "version": 1, **answers})
    service.check_states = [{"status": "ready"}]
    service.job_states = [{"state": "completed"}]
    sink = io.BytesIO()
    pq.write_table(pa.table({"age": [22], "prediction": ["no"]}), sink)
    service.files["/batch-jobs/job-1/results"] = sink.getvalue()
    exec(compile(PYTHON[0], str(README), "exec"), {})  # the README's own code
    printed = capsys.readouterr().out
    assert "churn version 1: ready" in printed
    assert "probability_yes" in printed
