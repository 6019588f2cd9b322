"""What waits together at a child's desk is answered together, and each as if it were alone."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from serving.runtimes.base import Answer, batch_to_ipc
from serving.runtimes.isolation import protocol
from serving.runtimes.isolation.board import MOST_TOGETHER, Board
from serving.runtimes.isolation.desk import Desk
from serving.runtimes.isolation.grouping import (
    MOST_ROWS,
    Pace,
    Request,
    Scorer,
    are_rows_independent,
    groups_of,
)
from serving.runtimes.isolation.protocol import Frame
from serving.runtimes.isolation.wire import AnswerReader
from tests.serving.runtimes import misbehaving as does
from tests.serving.runtimes.hosts import golden_of, rows

FAR_S = 60.0


@dataclass
class Waiting:
    """A desk whose callers have all spoken before it looks."""

    control: socket.socket
    desk: Desk
    board: Board
    scored: list[int]
    callers: list[socket.socket] = field(default_factory=list)

    def ask(self, *values: float, left_s: float = FAR_S, **header: Any) -> socket.socket:
        """A caller whose request is there."""
        return self.send(rows(*values), left_s=left_s, **header)

    def send(self, batch: pa.RecordBatch, left_s: float = FAR_S, **header: Any) -> socket.socket:
        mine, theirs = socket.socketpair()
        number = len(self.callers) + 1
        socket.send_fds(self.control, [json.dumps({"conn": number}).encode()], [theirs.fileno()])
        theirs.close()
        self.callers.append(mine)
        told = {"op": "score", "outputs": [], "params": {}, "rows": batch.num_rows, **header}
        told["until"] = time.monotonic() + left_s
        protocol.send(mine, told, batch_to_ipc(batch))
        return mine

    def run(self) -> None:
        """Begin: all callers are handed over, and have spoken; ends when all have left."""
        thread = threading.Thread(target=self.desk.run)
        thread.start()
        self._thread = thread

    def end(self) -> None:
        self.control.close()
        self._thread.join(20)
        assert not self._thread.is_alive()


class Counting(does.Model):
    """Notes how many rows it was given each time."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.scored: list[int] = []

    def score(self, batch: pa.RecordBatch, outputs: Any, params: Any) -> Answer:
        self.scored.append(batch.num_rows)
        return super().score(batch, outputs, params)


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    board, model = Board(), Counting()
    board.ready()
    scorer = Scorer(model)
    desk = Desk(its, board, {"score": scorer.alone}, together=scorer.together)
    desk._pace.note(1000, 0.001)
    made = Waiting(ours, desk, board, model.scored)
    yield made
    for one in (*made.callers, *desk._connections.values(), its):
        one.close()
    desk._selector.close()
    ours.close()
    board.close()


def heard(caller: socket.socket) -> Any:
    """The answer's values, or the error's kind."""
    caller.settimeout(20)
    assert protocol.receive(caller).header == {"ready": True}
    frame = protocol.receive(caller)
    if "error" in frame.header:
        return frame.header["error"]["kind"]
    return AnswerReader().read(frame.body).blocks[0].arrays[0].to_pylist()


def test_requests_that_wait_are_scored_at_once_and_answered_each(waiting: Waiting) -> None:
    callers = [waiting.ask(*values) for values in ([1.0], [2.0, 3.0], [4.0], [5.0])]
    waiting.run()
    assert [heard(one) for one in callers] == [[1.0], [2.0, 3.0], [4.0], [5.0]]
    waiting.end()
    assert waiting.scored == [5]
    assert waiting.board.served == 4


@pytest.mark.parametrize("what", [does.RAISE, does.EXIT])
def test_a_request_that_makes_the_model_raise_fails_alone(waiting: Waiting, what: float) -> None:
    callers = [waiting.ask(v) for v in (1.0, what, 3.0)]
    waiting.run()
    assert [heard(one) for one in callers] == [[1.0], "raised", [3.0]]
    waiting.end()
    assert waiting.scored == [3, 1, 1, 1]
    assert waiting.board.served == 3


def test_another_count_of_answers_is_only_that_callers(waiting: Waiting) -> None:
    callers = [waiting.ask(*values) for values in ([1.0], [does.SHORT, 2.0], [3.0])]
    waiting.run()
    assert [heard(one) for one in callers] == [[1.0], [1.0], [3.0]]  # one answer for two rows
    waiting.end()


def test_a_batch_that_cannot_be_read_fails_alone(waiting: Waiting) -> None:
    first, second = waiting.ask(1.0), waiting.ask(2.0)
    body = bytes(batch_to_ipc(rows(3.0)))
    third = waiting.ask(3.0)
    damaged, theirs = socket.socketpair()
    socket.send_fds(waiting.control, [b'{"conn": 99}'], [theirs.fileno()])
    theirs.close()
    waiting.callers.append(damaged)
    until = time.monotonic() + FAR_S
    header = {"op": "score", "rows": 1, "outputs": [], "params": {}, "until": until}
    protocol.send(damaged, header, body[:-24])
    waiting.run()
    told = [heard(one) for one in (first, second, third, damaged)]
    assert told == [[1.0], [2.0], [3.0], "raised"]
    waiting.end()


def test_a_request_whose_deadline_is_over_is_not_scored(waiting: Waiting) -> None:
    callers = [waiting.ask(1.0), waiting.ask(2.0, left_s=-1.0), waiting.ask(3.0)]
    waiting.run()
    assert [heard(one) for one in callers] == [[1.0], "expired", [3.0]]
    waiting.end()
    assert waiting.scored == [2]


def test_callers_that_left_are_not_scored(waiting: Waiting) -> None:
    first, gone, third = waiting.ask(1.0), waiting.ask(does.RAISE), waiting.ask(3.0)
    for _ in range(3):
        assert waiting.desk._accept()
    gone.close()
    waiting.callers.clear()
    waiting.run()
    assert [heard(first), heard(third)] == [[1.0], [3.0]]
    waiting.end()
    assert waiting.scored == [2]
    for one in (first, third):
        one.close()


def test_what_asks_something_else_is_another_group(waiting: Waiting) -> None:
    narrow = pa.RecordBatch.from_pydict({"x": pa.array([7.0], pa.float32())})
    callers = [
        waiting.ask(1.0),
        waiting.ask(2.0, outputs=["prediction"]),
        waiting.ask(3.0),
        waiting.ask(4.0, params={"a": 1}),
        waiting.send(narrow),
    ]
    waiting.run()
    assert [heard(one) for one in callers] == [[1.0], [2.0], [3.0], [4.0], [7.0]]
    waiting.end()
    assert sorted(waiting.scored) == [1, 1, 1, 2]


def test_before_its_time_a_desk_answers_one_after_another(waiting: Waiting) -> None:
    waiting.desk._together_from = time.monotonic() + FAR_S
    callers = [waiting.ask(v) for v in (1.0, 2.0, 3.0)]
    waiting.run()
    assert [heard(one) for one in callers] == [[1.0], [2.0], [3.0]]
    waiting.end()
    assert waiting.scored == [1, 1, 1]


# --- how large a group may be -------------------------------------------------------------------


def requests(*counts: int, left_s: float = FAR_S) -> list[Request]:
    body = bytes(batch_to_ipc(rows(1.0)))
    until = time.monotonic() + left_s
    header = {"op": "score", "outputs": [], "params": {}}
    return [
        Request(number, Frame(header | {"rows": count}, body), until)
        for number, count in enumerate(counts, 1)
    ]


def sizes(asked: list[Request], pace: Pace) -> list[int]:
    return [len(group) for group in groups_of(asked, pace)]


@pytest.mark.parametrize(
    ("s_per_row", "left_s", "expected"),
    [
        (float("inf"), 30.0, [1, 1, 1, 1, 1, 1]),  # nothing is known yet
        (0.0001, 30.0, [6]),
        (0.2, 30.0, [2, 2, 2]),  # long, and perhaps no longer for two
        (0.2, 0.9, [2, 2, 2]),
        (0.2, 0.5, [1, 1, 1, 1, 1, 1]),  # two could take the time that is left
        (20.0, 30.0, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_a_group_is_as_large_as_its_time_allows(
    s_per_row: float, left_s: float, expected: list[int]
) -> None:
    pace = Pace()
    if s_per_row < float("inf"):
        pace.note(1, s_per_row)
    assert sizes(requests(*[1] * 6, left_s=left_s), pace) == expected


def test_a_group_has_a_bound_of_rows_and_of_requests() -> None:
    pace = Pace()
    pace.note(1, 1e-9)
    assert sizes(requests(*[1] * (MOST_TOGETHER + 1)), pace) == [MOST_TOGETHER, 1]
    assert sizes(requests(MOST_ROWS, 1, 1), pace) == [1, 2]
    assert sizes(requests(1, MOST_ROWS + 1, 1), pace) == [2, 1]  # in the order of its first


def answered(took_s: Callable[[int], float], rounds: int) -> list[int]:
    """The size of each group of a model that takes so long for so many, under constant load."""
    pace, found = Pace(), []
    for _ in range(rounds):
        group = next(groups_of(requests(*[1] * 32), pace))
        found.append(len(group))
        pace.note(len(group), took_s(len(group)))
    return found


@pytest.mark.parametrize("s", [0.01, 0.3, 0.5, 2.0])
def test_a_model_that_takes_long_for_any_number_of_rows_is_soon_asked_for_many(s: float) -> None:
    found = answered(lambda rows: s + 0.001 * rows, rounds=40)
    assert found[:2] in ([1, 2], [1, 32])  # of 10 ms all at once
    assert found[-20:] == [32] * 20


@pytest.mark.parametrize("s", [0.3, 0.5, 2.0])
def test_a_model_that_takes_as_long_for_each_row_is_asked_for_few(s: float) -> None:
    found = answered(lambda rows: s * rows, rounds=40)
    assert max(found) == 2


def test_a_model_whose_pace_changes_is_followed() -> None:
    pace = iter([0.001] * 20 + [0.4] * 60)
    found = answered(lambda rows: next(pace) * rows, rounds=80)
    assert found[1:20] == [32] * 19
    assert max(found[-10:]) == 2


# --- which models' rows may be put together -----------------------------------------------------


class Centred(does.Model):
    """Its answers depend on the other rows of a batch."""

    def score(self, batch: pa.RecordBatch, outputs: Any, params: Any) -> Answer:
        x = batch.column(0).to_numpy()
        return super().score(rows(*(x - x.mean() + 100.0)), outputs, params)


class OnlyPairs(does.Model):
    """Takes no row alone."""

    def score(self, batch: pa.RecordBatch, outputs: Any, params: Any) -> Answer:
        if batch.num_rows < 2:
            raise ValueError("two rows, please")
        return super().score(batch, outputs, params)


class Narrowing(does.Model):
    """The type of its answer depends on the values."""

    def score(self, batch: pa.RecordBatch, outputs: Any, params: Any) -> Answer:
        answer = super().score(batch, outputs, params)
        block, array = answer.blocks[0], answer.blocks[0].arrays[0]
        if all(value == int(value) for value in array.to_pylist()):
            array = array.cast(pa.int64())
        return Answer(answer.n_rows, (type(block)("prediction", None, None, (array,)),))


@pytest.mark.parametrize(
    ("model", "values", "expected"),
    [
        (does.Model(0.0), (1.0, 2.0, 3.0), True),
        (does.Model(0.0), (1.0,), False),  # shows nothing
        (Centred(0.0), (1.0, 2.0, 3.0), False),
        (OnlyPairs(0.0), (1.0, 2.0, 3.0), False),
        (Narrowing(0.0), (1.0, 2.5, 3.0), False),
    ],
)
def test_rows_are_put_together_only_where_golden_rows_show_that_they_may(
    model: does.Model, values: tuple[float, ...], expected: bool
) -> None:
    assert are_rows_independent(model, golden_of(model, *values)) is expected
