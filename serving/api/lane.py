"""One request to score: bytes in, bytes out. The doors of HTTP stand in front of it and stay thin.

Nothing here knows a request object, so that another door can be put in front of the same lane.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.conf import conf
from registry.errors import InvalidRows
from serving.actions.scoring import OnRowError, choose_outputs, score
from serving.actions.targets import Target
from serving.protocols import media, native
from serving.protocols.base import Decoded, Encoded, Limits, Reply


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller sent. ``content_type`` and ``accept`` are header values, or None.

    ``outputs`` stand for those that a table body cannot name; a JSON body's own come first.
    """

    target: Target
    body: bytes
    content_type: str | None
    accept: str | None
    on_row_error: OnRowError
    request_id: str
    outputs: tuple[str, ...] | None = None


def handle(call: Call) -> Encoded:
    """Decode, validate, score, encode.

    Raises the errors of the four; those about cells do not repeat the cells of a model whose
    classification forbids it.
    """
    answer_type = media.answer_type(call.accept)
    try:
        decoded = native.decode(
            call.body, call.content_type, call.target.signature, limits=_limits()
        )
        return native.encode(_reply(call, decoded), answer_type)
    except InvalidRows as error:
        raise error.without_received() if call.target.hides_cells else error from None


def _reply(call: Call, decoded: Decoded) -> Reply:
    target = call.target
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
    )


def _limits() -> Limits:
    return Limits(body_bytes=conf.max_body_bytes, binary_body_bytes=conf.max_binary_body_bytes)
