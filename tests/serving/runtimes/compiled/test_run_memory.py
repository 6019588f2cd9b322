"""What a run takes at its peak is seen, whatever it gives back, and what takes too much is held."""

from __future__ import annotations

import builtins
import resource
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from onnx import TensorProto, helper

from registry.signature.validate import validate_table
from serving.actions import compile_check
from serving.runtimes.compiled import run_memory
from serving.runtimes.compiled.model import CompiledModel
from serving.runtimes.compiled.run_memory import peak_bytes_of
from tests.serving.runtimes.compiled.test_compiled_model import (
    ONE,
    ONE_INPUT,
    constant,
    graph,
)

MIB = 1 << 20


def wide(columns: int) -> CompiledModel:
    """Answers with the largest of so many columns that it makes of one."""
    made = graph(
        [
            helper.make_node("Expand", ["x", "shape"], ["many"]),
            helper.make_node("ReduceMax", ["many", "axes"], ["y"], keepdims=0),
        ],
        [{"kind": "prediction", "tensor": "y"}],
        inputs=ONE_INPUT,
        outputs=[("y", TensorProto.DOUBLE, ["N"])],
        constants=[
            constant("shape", [1, columns], TensorProto.INT64),
            constant("axes", [1], TensorProto.INT64),
        ],
    )
    return CompiledModel.open(made, ONE)


def run_of(model: CompiledModel) -> Callable[[], None]:
    rows = validate_table(ONE, pa.record_batch({"x": np.arange(2_500.0)}))
    return partial(compile_check._run, model, rows, ("prediction",))


def test_memory_that_is_given_back_counts() -> None:
    def takes_and_gives_back() -> None:
        np.ones(64 * MIB // 8).sum()

    for _ in range(2):  # the allocator keeps nothing that hides it
        assert 60 * MIB < peak_bytes_of(takes_and_gives_back, most_bytes=256 * MIB) < 80 * MIB
    assert peak_bytes_of(lambda: None, most_bytes=256 * MIB) < 4 * MIB


def test_the_memory_of_a_run_is_that_of_its_widest_moment() -> None:
    assert peak_bytes_of(run_of(wide(1)), most_bytes=256 * MIB) < 16 * MIB
    assert peak_bytes_of(run_of(wide(5_000)), most_bytes=256 * MIB) > 0.9 * 2_500 * 5_000 * 8


def test_a_run_finds_no_more_memory_than_could_be_allowed_and_the_limit_is_lifted_again() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError):
        peak_bytes_of(run_of(wide(100_000)), most_bytes=64 * MIB)  # 2 GB
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_where_the_peak_cannot_be_forgotten_what_is_above_it_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(path: str, mode: str = "r") -> Any:
        if path.endswith("clear_refs"):
            raise PermissionError(path)
        return builtins.open(path, mode)

    peak = run_memory._status_bytes("VmHWM") - run_memory._status_bytes("VmRSS")
    monkeypatch.setattr(run_memory, "open", refused, raising=False)
    most = peak + 512 * MIB
    took = peak_bytes_of(lambda: np.ones((peak + 256 * MIB) // 8).sum(), most_bytes=most)
    # Of a process that many tests have used some memory goes back meanwhile.
    assert 160 * MIB < took < 272 * MIB
