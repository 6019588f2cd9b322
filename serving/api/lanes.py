"""The lanes: which paths score, and what happens there once it is known who calls what.

Two doors use this table and ``answer``: Django's views, and the express lane in front of Django.
``meta`` is what both have: the WSGI environ, which Django calls ``request.META``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from registry import limits
from registry.actions.access import KEY_PATTERN
from registry.api.auth import aws4_key
from registry.conf import conf
from serving.actions.scoring import OnRowError
from serving.actions.targets import Resolution
from serving.api.body import decoded_body, encoded_answer
from serving.api.lane import Call, handle
from serving.protocols.base import Encoded, Head

Meta = Mapping[str, Any]
API = "api/v1/"
# SageMaker's way to call one version; Django's door reads it.
VARIANT_META = "HTTP_X_AMZN_SAGEMAKER_TARGET_VARIANT"

# What a path may hold where Django's route has a converter. Narrower than Django's: a path that
# does not fit is none of the express lane's, and Django says why.
_PARTS = {
    "<str:ref>": r"(?P<ref>[A-Za-z0-9][A-Za-z0-9_.-]{0,127}(?:@[a-z][a-z0-9_-]{0,62})?)",
    "<str:name>": r"(?P<ref>[A-Za-z0-9][A-Za-z0-9_.-]{0,127})",
    "<int:number>": r"(?P<number>[1-9][0-9]{0,8})",
}
_CONVERTER = re.compile(r"<\w+:\w+>")
# Callers ask at the same few paths again and again; only those of a lane are kept.
_places: dict[tuple[str, str], Place] = {}
_PLACES_KEPT = 4096


def bearer_key(meta: Meta) -> str | None:
    """The key of ``Authorization: Bearer my_...``; None where there is nothing of that form."""
    scheme, _, text = meta.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    text = text.strip()
    return text if scheme.lower() == "bearer" and KEY_PATTERN.fullmatch(text) else None


def invoking_key(meta: Meta) -> str | None:
    """The same, or the key in a signature of AWS; None where a variant is named."""
    if VARIANT_META in meta:
        return None
    text = aws4_key(meta.get("HTTP_AUTHORIZATION", ""))
    if text is None:
        return bearer_key(meta)
    return text if KEY_PATTERN.fullmatch(text) else None


@dataclass(frozen=True)
class Lane:
    """A path that scores.

    ``route`` is Django's, without the first slash. ``protocol`` is a key of ``PROTOCOLS``.
    ``key_of`` finds the text of the key. ``queries`` are the query strings that the express lane
    takes, with what they say of bad rows. ``packs``: the answer is compressed where the caller
    asks for it. The dialect of errors follows from the path, in ``registry.problems``.
    """

    route: str
    protocol: str = "native"
    key_of: Callable[[Meta], str | None] = bearer_key
    queries: Mapping[str, OnRowError] = field(default_factory=lambda: {"": "fail"})
    packs: bool = False

    @cached_property
    def path(self) -> re.Pattern[str]:
        """The whole path, with the groups ``ref`` and maybe ``number``."""
        literal = [re.escape(text) for text in _CONVERTER.split(self.route)]
        parts = [_PARTS[found] for found in _CONVERTER.findall(self.route)] + [""]
        return re.compile("/" + "".join(a + b for a, b in zip(literal, parts, strict=True)))

    def below(self, prefix: str) -> str:
        """The route for a list of urls that is included below ``prefix``."""
        return self.route.removeprefix(prefix)


_NATIVE: Mapping[str, OnRowError] = {
    "": "fail",
    "on_row_error=fail": "fail",
    "on_row_error=skip": "skip",
}
PREDICT = Lane(f"{API}models/<str:ref>/predict", queries=_NATIVE)
PREDICT_VERSION = Lane(f"{API}models/<str:name>/versions/<int:number>/predict", queries=_NATIVE)

INFER = Lane("v2/models/<str:ref>/infer", "open_inference", packs=True)
INFER_VERSION = replace(INFER, route="v2/models/<str:ref>/versions/<int:number>/infer")
INVOKE = Lane("endpoints/<str:ref>/invocations", "invocations", key_of=invoking_key)

# In the order in which they are tried.
LANES: tuple[Lane, ...] = (PREDICT, PREDICT_VERSION, INFER, INFER_VERSION, INVOKE)


class Place(NamedTuple):
    """What a path and a query string say: the lane, the model, and what becomes of bad rows."""

    lane: Lane
    ref: str
    number: int | None
    on_row_error: OnRowError


def place_of(path: str, query: str) -> Place | None:
    """Where a request goes; None for one that no lane takes."""
    found = _places.get((path, query))
    if found is None:
        found = _find_place(path, query)
        if found is not None:
            if len(_places) >= _PLACES_KEPT:
                _places.clear()
            _places[path, query] = found
    return found


def _find_place(path: str, query: str) -> Place | None:
    for lane in LANES:
        match = lane.path.fullmatch(path)
        if match is not None and query in lane.queries:
            parts = match.groupdict()
            number = int(parts["number"]) if "number" in parts else None
            return Place(lane, parts["ref"], number, lane.queries[query])
    return None


def answer(
    lane: Lane,
    meta: Meta,
    body: bytes,
    *,
    resolution: Resolution,
    ref: str,
    by: str,
    request_id: str,
    on_row_error: OnRowError = "fail",
    outputs: tuple[str, ...] | None = None,
) -> Encoded:
    """The answer to a body as it was sent. ``by`` is counted for the model.

    Raises RateLimited, and the errors of ``handle`` and ``decoded_body``.
    """
    limits.spend_on_model(by, resolution.targets[0].model)
    call = Call(
        resolution=resolution,
        body=_plain(meta, body),
        head=Head(
            content_type=meta.get("CONTENT_TYPE") or None,
            accept=meta.get("HTTP_ACCEPT"),
            json_bytes=meta.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH"),
        ),
        request_id=request_id,
        protocol=lane.protocol,
        ref=ref,
        by=by,
        route_key=meta.get("HTTP_X_MODELYARD_ROUTE_KEY", ""),
        on_row_error=on_row_error,
        outputs=outputs,
    )
    encoded = handle(call)
    return _packed(meta, encoded) if lane.packs else encoded


def _plain(meta: Meta, body: bytes) -> bytes:
    encoding = meta.get("HTTP_CONTENT_ENCODING")
    if not encoding:
        return body
    # The protocol looks once more, with the limit of its media type.
    return decoded_body(encoding, body, max(conf.max_body_bytes, conf.max_binary_body_bytes))


def _packed(meta: Meta, encoded: Encoded) -> Encoded:
    body, encoding = encoded_answer(meta.get("HTTP_ACCEPT_ENCODING"), encoded.body)
    if encoding is None:
        return encoded
    headers = {**encoded.headers, "Content-Encoding": encoding}
    return Encoded(body, encoded.content_type, headers)
