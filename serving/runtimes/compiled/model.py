"""A compiled graph that answers validated rows in this process."""

from __future__ import annotations

from collections.abc import Sequence

from registry.signature.validate import Validated
from serving.runtimes.base import Answer


class CompiledModel:
    """One onnxruntime session. Thread-safe."""

    def score(self, validated: Validated, outputs: Sequence[str]) -> Answer:
        """Answer the good rows for the kinds asked, in the order of ``KINDS``."""
        raise NotImplementedError
