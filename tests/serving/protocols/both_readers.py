"""Reads a request straight into columns and strictly: what the two say must be the same."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from registry.errors import DomainError
from registry.signature.types import Signature
from serving.protocols.base import Decoded, Head


def read_both_ways(
    protocol: ModuleType, fast_reader: str, body: bytes, head: Head, signature: Signature
) -> Decoded:
    """The request. ``fast_reader`` is the protocol's name of it; without it all is read strictly.

    Raises the error that both of them raise.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, fast_reader, lambda *_: None)
        slow = _outcome(protocol, body, head, signature)
    fast = _outcome(protocol, body, head, signature)
    assert told(fast) == told(slow)
    if isinstance(slow, DomainError):
        raise slow
    return fast


def told(outcome: Any) -> Any:
    """What a request or an error says, so that two of them can be compared."""
    if isinstance(outcome, DomainError):
        return type(outcome), str(outcome), outcome.extra()
    found = outcome.validated
    rest = (found.problems, found.problem_count, found.row_numbers.tolist())
    return found.batch.to_pylist(), rest, outcome.outputs, outcome.params, outcome.notes


def _outcome(protocol: ModuleType, body: bytes, head: Head, signature: Signature) -> Any:
    try:
        return protocol.decode(body, head, signature)
    except DomainError as error:
        return error
