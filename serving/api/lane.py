"""One request to score: bytes in, bytes out. The doors of HTTP stand in front of it and stay thin.

Nothing here knows a request object: Django's views and the express lane hand in the same ``Call``.
"""

from __future__ import annotations

import time
from functools import lru_cache

import msgspec

from registry.conf import conf
from registry.errors import InvalidRows
from serving.actions.after_scoring import Scored, after_scoring
from serving.actions.scoring import OnRowError, choose_outputs, score
from serving.actions.targets import Resolution, Target
from serving.protocols import load_protocol
from serving.protocols.base import Decoded, Encoded, Head, Limits, Reply


class Call(msgspec.Struct, frozen=True):
    """What a caller sent.

    ``protocol`` is a key of ``PROTOCOLS``; ``ref`` what the caller named the model by; ``by`` who
    calls, as the ledger of records names them. ``route_key`` decides between the versions of a
    route: callers with the same key get the same version. ``outputs`` stand for those that a table
    body cannot name; a JSON body's own come first.
    """

    resolution: Resolution
    body: bytes
    head: Head
    request_id: str
    protocol: str = "native"
    ref: str = ""
    by: str = ""
    route_key: str = ""
    on_row_error: OnRowError = "fail"
    outputs: tuple[str, ...] | None = None


def handle(call: Call) -> Encoded:
    """Decode, validate, score, encode.

    Raises the errors of the four; those about cells do not repeat the cells of a model whose
    classification forbids it.
    """
    target = call.resolution.pick(call.route_key or call.request_id)
    protocol = load_protocol(call.protocol)
    began_s = time.perf_counter()
    try:
        decoded = protocol.decode(call.body, call.head, target.signature, limits=_limits())
        decoded_s = time.perf_counter()
        reply = _reply(call, target, decoded)
        scored_s = time.perf_counter()
        encoded: Encoded = protocol.encode(reply)
    except InvalidRows as error:
        raise error.without_received() if target.hides_cells else error from None
    if call.resolution.is_watched:
        after_scoring(
            Scored(
                call.resolution,
                target,
                decoded,
                reply,
                call.by,
                body_bytes=len(call.body),
                seconds=time.perf_counter() - began_s,
                scoring_seconds=scored_s - decoded_s,
            )
        )
    return encoded


def _reply(call: Call, target: Target, decoded: Decoded) -> Reply:
    outputs = call.outputs if decoded.outputs is None else decoded.outputs
    return Reply(
        model=target.model,
        version=target.number,
        request_id=call.request_id,
        signature=target.signature,
        validated=decoded.validated,
        answer=score(
            target,
            decoded.validated,
            outputs=outputs,
            params=decoded.params,
            on_row_error=call.on_row_error,
        ),
        asked=choose_outputs(target.facts, outputs),
        skipped=call.on_row_error == "skip",
        confidential=target.hides_cells,
        ref=call.ref,
        notes=decoded.notes,
    )


def _limits() -> Limits:
    return _limits_of(conf.max_body_bytes, conf.max_binary_body_bytes)


@lru_cache(maxsize=8)
def _limits_of(body_bytes: int, binary_body_bytes: int) -> Limits:
    return Limits(body_bytes=body_bytes, binary_body_bytes=binary_body_bytes)
