"""A caller's own disposable child of the model host: look, load, score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from registry.signature.facts import ModelFacts
from serving.runtimes.base import Answer, batch_to_ipc
from serving.runtimes.isolation.connection import Clock, Connection
from serving.runtimes.isolation.conversation import Again, Conversation, error_of, unreadable
from serving.runtimes.isolation.errors import ModelDied
from serving.runtimes.isolation.protocol import Frame, strict_object

if TYPE_CHECKING:
    from registry.scan import Finding

Made = TypeVar("Made")


class Inspection:
    """One disposable child with one artifact."""

    def __init__(self, talk: Conversation, connection: Connection, clock: Clock) -> None:
        self._talk, self._connection, self._clock = talk, connection, clock

    def scan(self) -> Finding:
        """Look inside without constructing anything."""
        from registry.scan import Finding

        return self._read({"op": "scan"}, lambda told: Finding(**told))

    def load(self) -> ModelFacts:
        """Load the artifact and tell what it is. Raises CheckRefused with reason and remedy."""
        return self._read({"op": "load"}, ModelFacts.from_json)

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        """Answer with the loaded model; ``load`` comes first."""
        request = {"op": "score", "outputs": list(outputs), "params": dict(params)}
        frame = self._request(request, batch_to_ipc(batch), batch.num_rows)
        return self._talk.checked(self._connection, frame, batch)

    def ask(
        self, request: dict[str, Any], body: Any, n_rows: int, make: Callable[[Any], Made]
    ) -> Made:
        """Another operation of the child; ``make`` reads the body of its answer.

        ``n_rows`` bounds the answer, as that to so many rows. A body that ``make`` cannot read
        (ValueError, TypeError, KeyError) ends the process.
        """
        frame = self._request(request, body, n_rows)
        try:
            return make(frame.body)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._talk.blame(self._connection, "garbage")
            raise unreadable() from error

    def within(self, seconds: float) -> Inspection:
        """The same child, with time of its own for what is asked from now on."""
        return Inspection(self._talk, self._connection, Clock(seconds))

    def _read(self, request: dict[str, Any], make: Callable[[dict[str, Any]], Made]) -> Made:
        """What a JSON body tells; a body that tells nothing ends the process."""
        return self.ask(request, b"", 0, lambda told: make(strict_object(told)))

    def _request(self, request: dict[str, Any], body: Any, n_rows: int) -> Frame:
        try:
            frame = self._talk.converse(self._connection, self._clock, request, body, n_rows)
        except Again as reason:
            raise replaced() from reason
        if "error" in frame.header:
            raise error_of(frame.header)
        return frame


def replaced() -> ModelDied:
    """The error for an inspection whose process was ended."""
    return ModelDied("The process of the inspection was ended.", {"cause": "evicted"})
