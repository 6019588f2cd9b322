"""Which requests that wait together are scored together, and how large such a group may be.

Nobody waits for company: a group is what was there when the model became free. Its answer is that
of each alone, because rows are independent; which models that holds for is shown on golden rows.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from serving.runtimes.base import Answer, LoadedModel
from serving.runtimes.golden import Golden, compare
from serving.runtimes.isolation.board import MOST_TOGETHER
from serving.runtimes.isolation.protocol import Frame, ProtocolError
from serving.runtimes.isolation.wire import BatchReader, part_of, parts_to_ipc, schema_message

MOST_ROWS = 4096
MOST_BODY_BYTES = 1024 * 1024
# What a group is meant to take at most: its first caller waits for the last one's rows.
AIMED_S = 0.5
# Of the time that the most urgent request of a group has left, the part that it is meant to take.
PART_OF_TIME_LEFT = 0.5
# Or, of a model that takes longer for one request already: so many times what one takes.
LITTLE_LONGER = 1.5
# How much an answer counts in what is expected once the next one has come.
REMEMBERED = 0.8
_NO_SPREAD = 1e-9


@dataclass(slots=True)
class Request:
    """A frame that has come on a connection. ``until``: its deadline, on the monotonic clock."""

    connection: int
    frame: Frame
    until: float

    @property
    def rows(self) -> int:
        """The rows that its caller says there are; more than a group's where nothing is said."""
        told = self.frame.header.get("rows")
        return told if isinstance(told, int) and told > 0 else MOST_ROWS + 1

    @property
    def kind(self) -> tuple[str, bytes] | None:
        """Requests of one kind ask the same of columns of the same types; None: to be alone."""
        header = self.frame.header
        if header.get("op") != "score" or self.rows > MOST_ROWS:
            return None
        message = schema_message(self.frame.body)
        asked = json.dumps([header.get("outputs"), header.get("params")], sort_keys=True)
        return (asked, message) if message else None


@dataclass(slots=True)
class Pace:
    """How long requests of so many rows take: a line through the last ones, the older the lighter.

    Least squares with forgetting. Nothing is known at first: alone. Of one size only, the time is
    held to grow with the rows. ``most_rows``: of what was answered at once so far.
    """

    most_rows: int = 0
    _weight: float = 0.0
    _rows: float = 0.0
    _took_s: float = 0.0
    _rows_rows: float = 0.0
    _rows_took_s: float = 0.0

    def note(self, rows: int, took_s: float) -> None:
        """What was answered took so long."""
        rows = max(rows, 1)
        self.most_rows = max(self.most_rows, rows)
        self._weight = REMEMBERED * self._weight + 1
        self._rows = REMEMBERED * self._rows + rows
        self._took_s = REMEMBERED * self._took_s + took_s
        self._rows_rows = REMEMBERED * self._rows_rows + rows * rows
        self._rows_took_s = REMEMBERED * self._rows_took_s + rows * took_s

    def expected_s(self, rows: int) -> float:
        """Seconds for so many rows."""
        if not self._weight:
            return float("inf")
        proportion = self._took_s / self._rows
        spread = self._weight * self._rows_rows - self._rows**2
        if spread <= _NO_SPREAD * self._rows**2:
            return proportion * rows
        rise = (self._weight * self._rows_took_s - self._rows * self._took_s) / spread
        s_per_row = min(max(rise, 0.0), proportion)
        return (self._took_s - s_per_row * self._rows) / self._weight + s_per_row * rows

    def allows(self, requests: int, rows: int, until: float) -> bool:
        """Whether so many requests may be one group, the most urgent of which ends then.

        Two always may, within the time left: a model that takes long for any number of rows would
        otherwise never show that it takes no longer for more. More than two of such a model may,
        up to twice as many as were seen, when they take little longer than one.
        """
        expected_s = self.expected_s(rows)
        left_s = until - time.monotonic()
        if expected_s > PART_OF_TIME_LEFT * left_s:
            return False
        if requests <= 2 or expected_s <= AIMED_S:
            return True
        return rows <= 2 * self.most_rows and expected_s <= LITTLE_LONGER * self.expected_s(1)


def groups_of(requests: Iterable[Request], pace: Pace) -> Iterator[list[Request]]:
    """The requests in groups of one kind, in the order of each group's first request."""
    by_kind: OrderedDict[Any, list[Request]] = OrderedDict()
    for request in requests:
        kind = request.kind
        by_kind.setdefault(kind or request.connection, []).append(request)
    for alike in by_kind.values():
        yield from _bounded(alike, pace)


def _bounded(alike: list[Request], pace: Pace) -> Iterator[list[Request]]:
    group: list[Request] = []
    rows, until = 0, float("inf")
    for request in alike:
        rows, until = rows + request.rows, min(until, request.until)
        fits = len(group) < MOST_TOGETHER and rows <= MOST_ROWS
        if group and not (fits and pace.allows(len(group) + 1, rows, until)):
            yield group
            group, rows, until = [], request.rows, request.until
        group.append(request)
    if group:
        yield group


@dataclass(slots=True)
class Scorer:
    """Scores the batches in frames, one alone or several as one."""

    model: LoadedModel
    reader: BatchReader = field(default_factory=BatchReader)

    def alone(self, frame: Frame) -> Any:
        """The Arrow IPC stream of the answer, whatever count it has: its caller looks."""
        return self.together([frame])[0]

    def together(self, frames: list[Frame]) -> list[Any]:
        """The Arrow IPC stream of each answer. Raises ValueError for another count than rows."""
        outputs, params = asked_of(frames[0])
        batches = [self.reader.read(frame.body) for frame in frames]
        whole = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
        answer = self.model.score(whole, outputs, params)
        if len(batches) > 1 and answer.n_rows != whole.num_rows:
            raise ValueError("another number of answers than rows")
        counts = [batch.num_rows for batch in batches]
        return list(parts_to_ipc(answer, counts if len(counts) > 1 else [answer.n_rows]))


def asked_of(frame: Frame) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Outputs and params of a request. Raises ProtocolError."""
    outputs, params = frame.header.get("outputs", []), frame.header.get("params", {})
    if not isinstance(outputs, list) or not isinstance(params, dict):
        raise ProtocolError("outputs is a list and params an object")
    return tuple(str(kind) for kind in outputs), params


def are_rows_independent(model: LoadedModel, golden: Golden) -> bool:
    """Whether some golden rows are answered alone as they were among all the others.

    A function of a pipeline may scale by the rows of a batch: such a model's answers are for the
    rows of one caller. One row alone shows nothing. Of doubles, sums of products differ in their
    last digits with the number of rows; of float32 these are too many digits.
    """
    n_rows = golden.inputs.num_rows
    if n_rows < 2 or any(_is_single(field.type) for field in golden.inputs.schema):
        return False
    try:
        return all(_is_alone_the_same(model, golden, at) for at in {0, n_rows // 2, n_rows - 1})
    except Exception:  # what takes no row alone is asked as its callers ask it
        return False


def _is_alone_the_same(model: LoadedModel, golden: Golden, at: int) -> bool:
    expected = part_of(golden.answer, at, 1)
    got = model.score(golden.inputs.slice(at, 1), golden.kinds, {})
    return compare(expected, got) is None and _types_of(expected) == _types_of(got)


def _is_single(kind: pa.DataType) -> bool:
    while pa.types.is_nested(kind):
        kind = kind.value_type
    return bool(pa.types.is_float32(kind) or pa.types.is_float16(kind))


def _types_of(answer: Answer) -> list[pa.DataType]:
    return [array.type for block in answer.blocks for array in block.arrays]
