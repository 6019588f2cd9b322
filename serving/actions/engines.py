"""Compiled graphs in this process: opened on first use, kept within a budget, one at a time."""

from __future__ import annotations

from serving.actions.targets import Target
from serving.runtimes.compiled.model import CompiledModel


def engine_of(target: Target) -> CompiledModel:
    """The opened graph of a target that has one. Raises ModelFailed when it does not open."""
    raise NotImplementedError
