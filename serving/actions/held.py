"""What an answered request holds in memory while it waits, and copies of its first rows.

Rows are reckoned from sizes that are at hand, not cell by cell: the caller is waiting.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import TypeAlias

import pyarrow as pa

from registry.signature.lean import LeanCells, LeanColumns
from serving.runtimes.base import Answer, Block
from serving.runtimes.lean_answer import LeanAnswer, Part

# A Python number or short text and its place in a list.
CELL_BYTES = 64
# Long texts and nested lists take some times their JSON: a character up to four bytes.
JSON_TIMES = 4

Rows: TypeAlias = "pa.RecordBatch | LeanColumns"


def rows_bytes(rows: Rows, body_bytes: int) -> int:
    """About how many bytes rows hold. ``body_bytes``: of the body, if they refer to parts of it."""
    columns = columns_of(rows)
    arrays = sum(one.get_total_buffer_size() for one in columns if isinstance(one, pa.Array))
    cells = sum(len(one) for one in columns if not isinstance(one, pa.Array))
    return int(arrays) + CELL_BYTES * cells + JSON_TIMES * body_bytes


def answer_bytes(answer: Answer) -> int:
    """How many bytes an answer holds; arrays that are slices count as the whole they hold."""
    if isinstance(answer, LeanAnswer):
        return sum(_part_bytes(part) for part in answer.parts)
    return sum(int(a.get_total_buffer_size()) for block in answer.blocks for a in block.arrays)


def answer_cells(answer: Answer) -> int:
    """How many values an answer has."""
    if isinstance(answer, LeanAnswer):
        return sum(part.values.size for part in answer.parts)
    return answer.n_rows * sum(len(block.arrays) for block in answer.blocks)


def columns_of(rows: Rows) -> Sequence[LeanCells]:
    """The columns, in signature order."""
    return rows.cells if isinstance(rows, LeanColumns) else rows.columns


def first_rows(rows: Rows, most: int) -> Rows:
    """At most so many rows, the first. Of more rows a copy that does not hold the others."""
    if len(columns_of(rows)[0]) <= most:
        return rows
    columns = [_first(cells, most) for cells in columns_of(rows)]
    if isinstance(rows, LeanColumns):
        return LeanColumns(rows.signature, tuple(columns), most)
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def first_answers(answer: Answer, most: int) -> Answer:
    """The answer to at most so many rows, as ``first_rows`` has them."""
    if answer.n_rows <= most:
        return answer
    if isinstance(answer, LeanAnswer):
        parts = (Part(part.layout, part.values[:most].copy()) for part in answer.parts)
        return LeanAnswer(most, tuple(parts))
    blocks = (
        Block(b.kind, b.output, b.labels, tuple(_first(array, most) for array in b.arrays))
        for b in answer.blocks
    )
    return Answer(most, tuple(blocks))


def only_kinds(answer: Answer, kinds: Collection[str]) -> Answer:
    """The answer without blocks of other kinds."""
    if isinstance(answer, LeanAnswer):
        parts = tuple(part for part in answer.parts if part.layout.kind in kinds)
        return LeanAnswer(answer.n_rows, parts)
    return Answer(answer.n_rows, tuple(block for block in answer.blocks if block.kind in kinds))


def _first(cells: LeanCells, most: int) -> LeanCells:
    # A slice of Arrow's alone would hold the whole; joined, even one is copied.
    return pa.concat_arrays([cells[:most]]) if isinstance(cells, pa.Array) else cells[:most]


def _part_bytes(part: Part) -> int:
    texts = part.values.ravel().tolist() if part.values.dtype.kind == "O" else ()
    return part.values.nbytes + sum(map(sys.getsizeof, texts))
