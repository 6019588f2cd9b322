"""The least that a batch can cost: stream a Parquet file's row groups through onnxruntime.

    python stream_batch.py SOURCE TARGET FIRST_GROUP STOP_GROUP KEEP

No ledger, no checks, no digests, nothing flushed. It says when it is ready and begins at a line;
then it says how many rows it has written. Texts are read as dictionaries, numbers are written as
they are: what makes it slower is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))

from graph_rows import Graph

# Measured: larger blocks are no faster, since the graph's own tables no longer fit the caches.
ROWS = 2_500
GROUP_ROWS = 1 << 16


def feeds_of(graph: Graph, batch: pa.RecordBatch) -> dict[str, np.ndarray]:
    """The graph's inputs out of a batch of columns."""
    x = np.empty((batch.num_rows, len(graph.numbers)))
    for at, name in enumerate(graph.numbers):
        x[:, at] = batch.column(name).to_numpy(zero_copy_only=False)
    s = np.empty((batch.num_rows, len(graph.texts)), dtype=object)
    for at, name in enumerate(graph.texts):
        words = batch.column(name)
        s[:, at] = words.dictionary.to_numpy(zero_copy_only=False)[words.indices.to_numpy()]
    feeds = {"x": x, "s": s}
    if "n" in graph.inputs:
        feeds["n"] = np.equal(s, None)
    return feeds


def answers(graph: Graph, batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """Prediction and probabilities by the names that the service gives them."""
    feeds, found = feeds_of(graph, batch), []
    for at in range(0, batch.num_rows, ROWS):
        block = {name: array[at : at + ROWS] for name, array in feeds.items()}
        found.append(graph.session.run(graph.outputs, block))
    picked, sure = (np.concatenate(parts) for parts in zip(*found, strict=True))
    classes = pa.array(graph.classes)
    named = {"prediction": classes.take(pa.array(picked))}
    for at, label in enumerate(graph.blocks["probabilities"]["labels"]):
        named[f"probability_{label}"] = pa.array(sure[:, at])
    return named


def run(source: str, target: str, first: int, stop: int, *, keeps: bool) -> int:
    """Score the row groups into a new file; how many rows."""
    graph = Graph()
    file = pq.ParquetFile(source, read_dictionary=graph.texts)
    print("ready", flush=True)
    sys.stdin.readline()
    rows, writer = 0, None
    for group in range(first, stop):
        done = []
        for batch in file.iter_batches(GROUP_ROWS // 4, row_groups=[group], use_threads=False):
            kept = dict(zip(batch.schema.names, batch.columns, strict=True)) if keeps else {}
            done.append(pa.RecordBatch.from_pydict(kept | answers(graph, batch)))
        table = pa.Table.from_batches(done)
        if writer is None:
            texts = [f.name for f in table.schema if not pa.types.is_floating(f.type)]
            # Without our own schema in it, dictionaries are read as texts again.
            codec = {f.name: "snappy" if f.name in texts else "none" for f in table.schema}
            writer = pq.ParquetWriter(
                target, table.schema, compression=codec, use_dictionary=texts, store_schema=False
            )
        writer.write_table(table, row_group_size=GROUP_ROWS)
        rows += table.num_rows
    if writer is not None:
        writer.close()
    return rows


if __name__ == "__main__":
    words = sys.argv[1:]
    print(run(words[0], words[1], int(words[2]), int(words[3]), keeps=words[4] == "keep"))
