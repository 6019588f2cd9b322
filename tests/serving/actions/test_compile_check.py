"""The check `compile`: what answers for a version, end to end through a real model host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from django.core.management import call_command
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVR

from registry import storage
from registry.actions.second_looks import record_second_look
from registry.actions.verdicts import restart_checks
from registry.actions.versions import Upload, register_version
from registry.models import ApprovalRequest, Check, ModelVersion, RegisteredModel
from serving.actions import compile_check, compiling
from serving.actions.compiling import compile_versions, versions_to_compile
from serving.runtimes.base import Answer
from serving.runtimes.compiled.closeness import Sifted
from serving.runtimes.compiled.edition import COMPILE_EDITION
from serving.runtimes.compiled.model import CompiledModel
from serving.runtimes.isolation.compile_talk import CompileTalk
from serving.runtimes.isolation.errors import HostUnavailable, ModelDied, ModelOutOfMemory
from tests import people, things
from tests.serving.actions.conftest import FRAME, Bench, fitted, saved

pytestmark = pytest.mark.django_db

RNG = np.random.default_rng(7)
TABLE = pd.DataFrame({f"x{i}": RNG.normal(size=400) * 10.0**i for i in range(3)})
TABLE.loc[::9, "x1"] = np.nan
TABLE["town"] = RNG.choice(["Rome", "Oslo", "Lima"], 400)
LABELS = np.where(TABLE["x0"] + TABLE["x2"] / 100 + (TABLE["town"] == "Oslo") > 0.2, "yes", "no")


Push = Callable[..., ModelVersion]


@pytest.fixture
def push(bench: Bench) -> Push:
    """Registers a fitted object with the table as its example; the version after its checks."""
    owner = people.owner()
    model = things.a_model(owner)
    bench.settings.MODELYARD = {**bench.settings.MODELYARD, "COMPILE_ROWS": 10_000}

    def pushed(fitted: Any, format: str = "skops", rows: pd.DataFrame = TABLE) -> ModelVersion:
        example = storage.put_bytes(rows.head(50).to_csv(index=False).encode())
        artifact = storage.put_bytes(saved(fitted, format))
        version = register_version(
            by=owner.by,
            model=model,
            artifact=Upload(artifact, format, f"model.{format}"),
            example=Upload(example, "csv", "example.csv"),
        )
        return bench.check(version)

    return pushed


def reference_like() -> Any:
    """A small sibling of the reference workload."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["x0", "x1", "x2"]),
        (OneHotEncoder(handle_unknown="ignore"), ["town"]),
    )
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20)).fit(TABLE, LABELS)


def compile_of(version: ModelVersion) -> Any:
    return version.checks.get(name="compile")


def test_a_pipeline_is_compiled_with_the_evidence_of_the_comparison(push):
    version = push(reference_like())

    check = compile_of(version)
    assert (version.status, check.verdict) == ("ready", "passed"), str(
        (check.summary, check.evidence)
    )
    evidence = check.evidence
    assert evidence["rows"]["golden"] == 50
    assert evidence["rows"]["generated"] >= 10_000
    assert evidence["rows"]["at thresholds"] > 100
    assert evidence["thresholds"]["tried"] > 0.9 * evidence["thresholds"]["of"] > 0
    assert evidence["rows_that_differ"] == evidence["labels_that_differ"] == 0
    assert evidence["largest_absolute"] < 1e-9
    assert evidence["graph_sha256"] == version.compiled_sha256
    assert evidence["edition"] == COMPILE_EDITION
    assert evidence["pace"]["onnx"]["one_row_s"] > 0
    graph = storage.read_blob(version.compiled_sha256)
    assert len(graph) == evidence["graph_bytes"]
    CompiledModel.open(graph, version.parsed_signature)


def test_what_has_no_converter_is_ready_with_the_original(push):
    fitted = GaussianProcessClassifier().fit(TABLE[["x0", "x2"]].head(40), LABELS[:40])

    version = push(fitted, rows=TABLE[["x0", "x2"]])

    check = compile_of(version)
    assert (version.status, check.verdict) == ("ready", "skipped"), check.evidence
    assert check.evidence["reason"] == "no-converter"
    assert check.summary.startswith("The original serves.")
    assert (version.compiled_sha256, version.engine) == ("", "original")


class Liar(CompileTalk):
    """A child whose model answers one row otherwise than it said."""

    def sift(self, batch: Any, outputs: Any, budget_s: float) -> Sifted:
        honest = super().sift(batch, outputs, budget_s)
        first, *others = honest.answer.blocks
        cells = first.arrays[0].to_pylist()
        cells[0] = "no" if cells[0] == "yes" else "yes"
        altered = replace(first, arrays=(pa.array(cells),))
        return Sifted(honest.rows, Answer(honest.answer.n_rows, (altered, *others)))


def few(bench: Bench) -> None:
    bench.settings.MODELYARD = {**bench.settings.MODELYARD, "COMPILE_ROWS": 300}


def test_a_graph_that_answers_otherwise_is_told_of_and_does_not_serve(push, bench, monkeypatch):
    few(bench)
    monkeypatch.setattr(compile_check, "CompileTalk", Liar)

    version = push(reference_like())

    check = compile_of(version)
    assert (version.status, check.verdict, version.compiled_sha256) == ("ready", "warned", "")
    assert check.evidence["reason"] == "compiled-differs"
    assert check.evidence["rows_that_differ"] >= 1
    assert check.evidence["first_difference"]["column"] == "prediction"


def test_differing_answers_are_not_quoted_where_the_model_hides_cells(push, bench, monkeypatch):
    few(bench)
    monkeypatch.setattr(compile_check, "CompileTalk", Liar)
    monkeypatch.setattr(RegisteredModel, "hides_cells", True)

    check = compile_of(push(reference_like()))

    assert check.verdict == "warned"
    assert check.evidence["first_difference"] is None
    assert "First" not in check.summary


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelDied("It ended.", {"cause": "SIGSEGV"}), "compile-died"),
        (ModelDied("It took too long.", {"cause": "deadline"}), "compile-too-slow"),
        (ModelOutOfMemory("Too much."), "compile-out-of-memory"),
        (HostUnavailable("No model host answers.", retry_after_s=1), "host-away"),
        (ValueError("What came is no batch."), "compile-failed"),
        (RuntimeError("A fault of ours."), "compile-failed"),
    ],
)
def test_whatever_ends_a_compile_the_version_is_ready(push, bench, monkeypatch, error, reason):
    few(bench)

    def ended(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(CompileTalk, "threshold_rows", ended)

    version = push(fitted(), rows=FRAME)

    check = compile_of(version)
    assert (version.status, check.verdict) == ("ready", "skipped")
    assert check.evidence["reason"] == reason
    assert [c.verdict for c in version.checks.order_by("id")][:4] == ["passed"] * 4
    is_tried_again = check.evidence["edition"] == ""
    assert is_tried_again == (reason == "host-away")


def test_a_graph_that_ended_a_worker_is_not_opened_again(push, bench, monkeypatch):
    few(bench)

    with monkeypatch.context() as patched:
        patched.setattr(compile_check.CompiledModel, "open", _ends)
        with pytest.raises(SystemExit):
            push(fitted(), rows=FRAME)

    begun = ModelVersion.objects.get()
    assert (begun.status, compile_of(begun).verdict) == ("checking", "pending")
    ModelVersion.objects.update(status="pending")
    version = bench.check(begun)
    assert (version.status, compile_of(version).verdict) == ("ready", "skipped")
    assert compile_of(version).evidence["reason"] == "graph-ended-worker"


def test_a_ready_version_whose_graph_ended_a_worker_lets_the_others_be_compiled(
    push, bench, monkeypatch
):
    few(bench)
    older, newer = push(fitted(), rows=FRAME), push(fitted(), rows=FRAME)
    for check in Check.objects.filter(name="compile"):
        check.evidence["edition"] = "an earlier one"
        check.save()
    assert list(versions_to_compile()) == [newer, older]
    for has_child in (True, False):  # the first end is told of, and may come of anything
        with monkeypatch.context() as patched:
            patched.setattr(compile_check.CompiledModel, "open", _ends)
            if not has_child:
                patched.setattr(compiling, "end_compile_again", lambda version: None)
            with pytest.raises(SystemExit):
                compile_versions()
        begun = compile_of(newer)
        assert (begun.verdict, "begun" in begun.evidence) == ("passed", not has_child)

    assert compile_versions().verdicts == {"skipped": 1, "passed": 1}

    newer.refresh_from_db()
    assert (newer.status, newer.compiled_sha256) == ("ready", "")
    assert compile_of(newer).evidence["reason"] == "graph-ended-worker"
    assert "begun" not in compile_of(older).evidence
    assert not versions_to_compile().exists()


def _ends(*_: Any, **__: Any) -> None:
    raise SystemExit


def test_a_graph_whose_runs_take_more_memory_than_there_is_for_graphs_is_not_used(push, bench):
    """A kernel is computed between each row and each support vector."""
    few(bench)
    x, y = TABLE[["x0", "x2"]], RNG.normal(size=400)
    budgets = {"room": 256 << 20, "no room": 4 << 20}
    checks = {}
    for name, budget in budgets.items():
        bench.settings.MODELYARD = {**bench.settings.MODELYARD, "ENGINE_MEMORY_BYTES": budget}
        checks[name] = compile_of(push(SVR().fit(x, y), rows=x))

    room, none = checks["room"], checks["no room"]
    assert room.evidence["rows_compared"] >= 300
    assert room.evidence["run_rows"] == 2_500
    kernel_bytes = 2_500 * 300 * 8
    assert kernel_bytes < room.evidence["run_bytes"] < 64 << 20
    assert (none.verdict, none.evidence["reason"]) == ("skipped", "graph-too-large")
    assert none.evidence["run_bytes"] > 4 << 20 > none.evidence["opened_bytes"]
    assert none.summary.startswith("The original serves. A run of 2,500 rows takes ")


@pytest.mark.parametrize("limit", ["memory", "seconds"])
def test_a_graph_that_no_process_could_hold_or_open_in_time_is_not_used(
    push, bench, monkeypatch, limit
):
    few(bench)
    if limit == "memory":
        bench.settings.MODELYARD = {**bench.settings.MODELYARD, "ENGINE_MEMORY_BYTES": 1 << 16}
    else:
        monkeypatch.setattr(compile_check, "MOST_OPEN_S", 0.0)

    version = push(fitted(), rows=FRAME)

    check = compile_of(version)
    assert (version.status, check.verdict, version.compiled_sha256) == ("ready", "skipped", "")
    assert check.evidence["reason"] == "graph-too-large"


def test_under_approve_the_compile_comes_before_the_reviewer(push, bench):
    few(bench)
    bench.policy("approve")

    version = push(fitted(), "joblib", rows=FRAME)

    assert (version.status, compile_of(version).verdict) == ("quarantined", "passed")
    request = ApprovalRequest.objects.get(version=version)
    assert request.evidence["compile"]["verdict"] == "passed"
    assert version.compiled_sha256 == request.evidence["compile"]["graph_sha256"]


def test_checks_that_start_again_forget_the_graph_and_later_looks_keep_it(push, bench):
    few(bench)
    version = push(fitted(), rows=FRAME)
    graph = version.compiled_sha256
    evidence = {"gate_version": "9-later"}
    record_second_look(version, verdict="failed", summary="Refused now.", evidence=evidence)
    version.refresh_from_db()
    assert (version.status, version.compiled_sha256) == ("quarantined", graph)

    restart_checks(version)

    version.refresh_from_db()
    assert graph
    assert (version.status, version.compiled_sha256) == ("pending", "")


def test_the_command_compiles_what_has_no_verdict_of_these_converters(push, bench, capsys):
    few(bench)
    version = push(fitted(), rows=FRAME)
    version.checks.filter(name="compile").delete()
    ModelVersion.objects.update(compiled_sha256="")

    call_command("compile", "--model", version.model.name)
    call_command("compile")

    version.refresh_from_db()
    assert (version.status, compile_of(version).verdict) == ("ready", "passed")
    assert version.compiled_sha256
    assert capsys.readouterr().out.count("passed. Compiled") == 1


def test_a_server_may_compile_nothing(push, bench):
    bench.settings.MODELYARD = {**bench.settings.MODELYARD, "COMPILE_ROWS": 0}

    version = push(fitted(), rows=FRAME)

    assert (version.status, compile_of(version).evidence["reason"]) == ("ready", "compile-off")
    assert not versions_to_compile().exists()
