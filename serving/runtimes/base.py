"""The contract of a runtime: a loaded model says what it is and answers a RecordBatch.

An ``Answer`` crosses the process boundary as one Arrow IPC stream (columns ``c0``, ``c1``, ... in
block order) with its layout as JSON in the schema's metadata. Nothing here is ever pickled.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, get_args

import pyarrow as pa

from registry.errors import CheckRefused, InvalidField
from serving.protocols.ipc_messages import MalformedMessage, decompressed_bytes

if TYPE_CHECKING:
    from registry.signature.facts import ModelFacts

Kind = Literal["prediction", "probabilities", "decision", "transform"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Label = str | int | float | bool

LAYOUT_KEY = b"modelyard.answer"
# Wider sparse answers are refused instead of being made dense.
MAX_DENSE_COLUMNS = 4096
# Columns of a table that a model is asked by: each has its facts and its place in the signature.
MAX_INPUTS = 20_000
# Of any answer: numbers of classes, outputs and features together.
MAX_ANSWER_COLUMNS = 20_000
# A field takes some 100 bytes of a schema; the labels, as JSON, stand there too.
MAX_SCHEMA_BYTES = 4 * 1024**2
# An encapsulated message of the Arrow format: a marker, then the bytes of its metadata.
_MESSAGE = struct.Struct("<II")
_RENDERED = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_timestamp,
    pa.types.is_date,
    pa.types.is_null,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One part of an answer; every array has as many values as the batch had rows.

    - ``prediction``: one array; ``output`` is None when the model has a single output, and there
      is one block per output otherwise. ``labels`` is None.
    - ``probabilities``: one block per output, ``labels`` in the order of ``classes_``, one array
      per label.
    - ``decision``: ``labels`` None and one array, or one array per label.
    - ``transform``: ``labels`` are the names of the columns, one array each.

    NaN stays NaN here; whoever writes JSON makes it null. A null is a missing value of a transform.
    """

    kind: Kind
    output: str | None
    labels: tuple[Label, ...] | None
    arrays: tuple[pa.Array, ...]

    def __post_init__(self) -> None:
        expected = 1 if self.labels is None else len(self.labels)
        if len(self.arrays) != expected:
            raise ValueError(
                f"{self.kind}: the answer has {len(self.arrays)} arrays for {expected} labels"
            )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answers to a batch of ``n_rows`` rows, row order kept."""

    n_rows: int
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        for block in self.blocks:
            for array in block.arrays:
                if len(array) != self.n_rows:
                    raise ValueError(f"{block.kind}: {len(array)} answers for {self.n_rows} rows")

    def of(self, kind: Kind) -> tuple[Block, ...]:
        """The blocks of one kind, in the order of the outputs; empty when not asked for."""
        return tuple(block for block in self.blocks if block.kind == kind)

    def without_rows(self) -> Answer:
        """The same blocks with no row in them: the answer to an empty batch."""
        blocks = (
            Block(b.kind, b.output, b.labels, tuple(array.slice(0, 0) for array in b.arrays))
            for b in self.blocks
        )
        return Answer(0, tuple(blocks))


class LoadedModel(Protocol):
    """A model in memory. Not thread-safe; one process scores one request at a time."""

    def facts(self) -> ModelFacts:
        """What the fitted object says about itself."""
        ...

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        """Answer every row of a batch that was validated against the signature.

        ``outputs`` are kinds out of ``available_outputs``; empty means ``default_outputs``.
        Raises InvalidField for an output or a parameter that the model lacks, and whatever the
        model itself raises.
        """
        ...


class Runtime(Protocol):
    """What a module named in ``RUNTIMES`` offers."""

    def load(self, artifact: BinaryIO, format: str) -> LoadedModel:
        """Open the artifact. Raises CheckRefused with a reason and a remedy."""
        ...


def require_narrow(columns: int | None) -> None:
    """Raises CheckRefused for a model of more columns than a signature may have."""
    if columns is not None and columns > MAX_INPUTS:
        raise CheckRefused(
            "too-many-columns",
            f"The model takes {columns} columns, at most {MAX_INPUTS} are taken. Put what makes "
            "them, such as a vectorizer of texts, into the pipeline.",
        )


def available_outputs(facts: ModelFacts) -> tuple[Kind, ...]:
    """The kinds that this model can be asked for, in the order of ``KINDS``."""
    return _offered(facts.methods)


# Asked at every request, and there are few combinations.
@lru_cache(maxsize=256)
def _offered(methods: tuple[str, ...]) -> tuple[Kind, ...]:
    offered = {
        "prediction": "predict" in methods or "transform" in methods,
        "probabilities": "predict_proba" in methods,
        "decision": "decision_function" in methods or "score_samples" in methods,
        "transform": "transform" in methods,
    }
    return tuple(kind for kind in KINDS if offered[kind])


def default_outputs(facts: ModelFacts) -> tuple[Kind, ...]:
    """What is answered when the caller names no outputs: prediction, and probabilities if any."""
    return _default(facts.methods)


@lru_cache(maxsize=256)
def _default(methods: tuple[str, ...]) -> tuple[Kind, ...]:
    return tuple(k for k in _offered(methods) if k in ("prediction", "probabilities"))


def require_offered(facts: ModelFacts, outputs: Sequence[str]) -> None:
    """Raises InvalidField with the pointer of the first output that the model lacks."""
    offered = available_outputs(facts)
    for at, kind in enumerate(outputs):
        if kind not in offered:
            near = get_close_matches(kind, offered, n=1)
            hint = f" Did you mean “{near[0]}”?" if near else ""
            raise InvalidField(
                f"The model has no output “{kind}”; it has {', '.join(offered)}.{hint}",
                pointer=f"/outputs/{at}",
            )


def asked_kinds(
    facts: ModelFacts, outputs: tuple[str, ...], params: Mapping[str, Any]
) -> tuple[str, ...]:
    """What a model without params has to answer, in the order asked; the default when empty.

    Raises InvalidField for an output that the model lacks, and for any param.
    """
    if params:
        raise InvalidField("This model takes no params.", pointer="/params")
    require_offered(facts, outputs)
    return outputs or default_outputs(facts)


def python_label(value: Any) -> Label:
    """A class label as a plain Python value (numpy scalars unwrapped, ``str_`` made ``str``)."""
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool | int | float | str):
        return plain
    raise TypeError(f"a label of type {type(plain).__name__} cannot be answered")


def answer_to_ipc(answer: Answer) -> pa.Buffer:
    """The answer as one Arrow IPC stream. Raises ValueError for more columns than are given."""
    layout = {
        "n_rows": answer.n_rows,
        "blocks": [{"kind": b.kind, "output": b.output, "labels": b.labels} for b in answer.blocks],
    }
    arrays = [array for block in answer.blocks for array in block.arrays]
    if len(arrays) > MAX_ANSWER_COLUMNS:
        found = f"the answer has {len(arrays)} columns, at most {MAX_ANSWER_COLUMNS} are given"
        raise ValueError(found)
    schema = pa.schema(
        [pa.field(f"c{i}", array.type) for i, array in enumerate(arrays)],
        metadata={LAYOUT_KEY: json.dumps(layout).encode()},
    )
    return batch_to_ipc(pa.RecordBatch.from_arrays(arrays, schema=schema))


def answer_from_ipc(body: bytes | memoryview | pa.Buffer) -> Answer:
    """The answer out of an IPC stream, checked: the body comes from a process that runs a model.

    Raises ValueError when the stream or its layout is not well-formed.
    """
    try:
        _refuse_wide(body)
        _refuse_compressed(body)
        batch = batch_from_ipc(body)
        _refuse_other_types(batch.schema)
        layout = json.loads((batch.schema.metadata or {})[LAYOUT_KEY], parse_constant=_no_constant)
        arrays = iter(batch.columns)
        n_rows = layout["n_rows"]
        if not isinstance(n_rows, int) or (batch.num_columns and n_rows != batch.num_rows):
            raise ValueError("the answer's row count is not that of its columns")
        blocks = tuple(_block(entry, arrays) for entry in layout["blocks"])
        if next(arrays, None) is not None:
            raise ValueError("the answer has more columns than its layout names")
    except (KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise ValueError(f"the answer is not well-formed: {error!r}"[:300]) from error
    return Answer(n_rows, blocks)


def _refuse_compressed(body: bytes | memoryview | pa.Buffer) -> None:
    """We never compress, and a few compressed bytes can claim to be more than memory holds."""
    try:
        is_compressed = decompressed_bytes(memoryview(body)) != 0
    except MalformedMessage as error:
        raise ValueError(f"the Arrow stream is damaged: {error}") from error
    if is_compressed:
        raise ValueError("the answer is compressed")


def _refuse_other_types(schema: pa.Schema) -> None:
    """Answers are plain columns: whoever renders them knows no lists, bytes, durations, ..."""
    for field in schema:
        if not any(is_one(field.type) for is_one in _RENDERED):
            raise ValueError(f"the answer has a column of type {str(field.type)[:60]}")


def _refuse_wide(body: bytes | memoryview | pa.Buffer) -> None:
    """Reading a schema takes longer than its columns are worth, so its length comes first."""
    _, schema_bytes = _MESSAGE.unpack_from(memoryview(body))
    if schema_bytes > MAX_SCHEMA_BYTES:
        raise ValueError("the answer has too many columns")


def _no_constant(name: str) -> float:
    raise ValueError(f"the answer's layout holds {name}")


def _block(entry: dict[str, Any], arrays: Iterator[pa.Array]) -> Block:
    kind, output, labels = entry["kind"], entry["output"], entry["labels"]
    if kind not in KINDS or not (output is None or isinstance(output, str)):
        raise ValueError(f"the answer has a block of kind {kind!r:.40}")
    if labels is not None and not all(isinstance(v, bool | int | float | str) for v in labels):
        raise ValueError("the answer has a label that is no plain value")
    for text in (output, *(labels or ())):
        str(text).encode()  # half characters have no UTF-8, and no page can show them
    count = 1 if labels is None else len(labels)
    taken = tuple(array for _, array in zip(range(count), arrays, strict=False))
    return Block(kind, output, None if labels is None else tuple(labels), taken)


def batch_to_ipc(batch: pa.RecordBatch) -> pa.Buffer:
    """A batch as one Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def batch_from_ipc(body: bytes | memoryview | pa.Buffer) -> pa.RecordBatch:
    """The one batch of an IPC stream, every offset and buffer checked. Raises ValueError.

    Arrow trusts the offsets of a stream until it is told to validate; the full check also looks
    at UTF-8.
    """
    try:
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            batches = list(reader)
        if len(batches) != 1:
            raise ValueError(f"one batch was expected, {len(batches)} came")
        batch: pa.RecordBatch = batches[0]
        batch.validate(full=True)
    except (pa.ArrowException, OSError) as error:  # a truncated stream is an OSError to Arrow
        raise ValueError(f"the Arrow stream is damaged: {str(error)[:200]}") from error
    return batch
