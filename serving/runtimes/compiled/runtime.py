"""The compiled graph as a runtime of the model host: the same graph, in a process that may die.

A graph is checked before it is opened, and still its engine is compiled code that meets rows of
strangers. Where workers died over a chunk, its rows are answered here. The artifact is an envelope:
one line of JSON with the signature and the facts of the version, then the graph.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from registry.errors import CheckRefused
from registry.signature.facts import ModelFacts
from registry.signature.types import Signature
from registry.signature.validate import Validated
from serving.runtimes.base import Answer
from serving.runtimes.compiled.errors import GraphRefused
from serving.runtimes.compiled.model import CompiledModel

FORMAT = "graph-in-envelope"


def envelope(graph: bytes, signature: Signature, facts: ModelFacts) -> bytes:
    """What ``load`` opens."""
    head = {"signature": signature.to_json(), "facts": facts.to_json()}
    return json.dumps(head).encode() + b"\n" + graph


def load(artifact: BinaryIO, format: str) -> GuardedGraph:
    """Open an envelope. Raises CheckRefused for a graph that does not open."""
    del format
    head = json.loads(artifact.readline())
    signature = Signature.from_json(head["signature"])
    try:
        graph = CompiledModel.open(artifact.read(), signature)
    except GraphRefused as error:
        raise CheckRefused("load-failed", str(error)) from error
    return GuardedGraph(graph, ModelFacts.from_json(head["facts"]))


class GuardedGraph:
    """A graph that answers batches; it raises LeftToOriginal as it does in a worker."""

    def __init__(self, graph: CompiledModel, facts: ModelFacts) -> None:
        self._graph = graph
        self._facts = facts

    def facts(self) -> ModelFacts:
        """Those of the version that it was compiled from."""
        return self._facts

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        """Answer the rows in the blocks in which a worker would have them answered."""
        del params  # calls with any are the original's
        rows = np.arange(batch.num_rows)
        return self._graph.score(Validated(batch, rows, batch.num_rows), outputs)
