"""Plain: finding the rows on which a model fails, by halves, with a bound on the calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from registry.errors import ModelFailed

T = TypeVar("T")
# Enough to name a dozen rows among 16,384; a model that fails on all rows ends the search soon.
MAX_FAILING_CALLS = 200


@dataclass(frozen=True, slots=True)
class Piece(Generic[T]):
    """Rows ``start`` up to ``stop`` and their answer; None for the one row that fails."""

    start: int
    stop: int
    answer: T | None


class SearchSuspended(Exception):
    """The model may not be called for a while; the rows that fail lie in ``start`` to ``stop``."""

    def __init__(self, start: int, stop: int, wait_s: int) -> None:
        super().__init__(f"suspended for {wait_s} s")
        self.start = start
        self.stop = stop
        self.wait_s = wait_s


def isolate(rows: int, score: Callable[[int, int], T]) -> Iterator[Piece[T]]:
    """Score ``rows`` rows in pieces, in row order; single rows that fail have no answer.

    ``score(start, stop)`` raises ModelFailed when any row of it makes the model fail. Raises
    ModelFailed itself after 200 failing calls, SearchSuspended where waiting helps.
    """
    waiting = [(0, rows)] if rows else []
    failing_calls = 0
    while waiting:
        start, stop = waiting.pop()
        try:
            answer = score(start, stop)
        except ModelFailed as error:
            if error.retry_after_s is not None:
                raise SearchSuspended(start, stop, error.retry_after_s) from error
            failing_calls += 1
            if failing_calls > MAX_FAILING_CALLS:
                raise
            if stop - start == 1:
                yield Piece(start, stop, None)
                continue
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]
        else:
            yield Piece(start, stop, answer)
