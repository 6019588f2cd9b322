"""Plain: the media types of the native protocol, and which of them a caller wants (RFC 9110)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from registry.errors import MalformedParameter, NotAcceptable, UnsupportedMediaType

JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
MEDIA_TYPES = (JSON, CSV, ARROW, PARQUET)
_SYNONYMS = {"application/x-parquet": PARQUET, "text/json": JSON}


# Callers send the same few headers again and again.
@lru_cache(maxsize=256)
def body_type(content_type: str | None) -> str:
    """The media type of a body; JSON where none is named.

    Raises UnsupportedMediaType for one that is not read here, or a text that is not UTF-8.
    """
    bare, _, parameters = (content_type or JSON).partition(";")
    media_type = _plain(bare)
    if media_type not in MEDIA_TYPES:
        shown = f"`{media_type[:80]}`" if media_type else "An empty media type"
        raise UnsupportedMediaType(f"{shown} is not read here.", accepted=MEDIA_TYPES)
    charset = _parameter(parameters, "charset")
    if charset is not None and charset not in ("utf-8", "utf8", "us-ascii"):
        text = f"The text must be UTF-8, not `{charset[:40]}`."
        raise UnsupportedMediaType(text, accepted=[f"{media_type}; charset=utf-8"])
    return media_type


@lru_cache(maxsize=256)
def answer_type(accept: str | None, offered: Sequence[str] = MEDIA_TYPES) -> str:
    """The media type to answer in, by the Accept header; the first offered where anything will do.

    Raises NotAcceptable when none of ours is wanted, MalformedParameter for a header that cannot
    be read.
    """
    if accept is None or not accept.strip():
        return offered[0]
    wanted = [_range(part) for part in accept.split(",") if part.strip()]
    best, best_quality = offered[0], 0.0
    for media_type in offered:
        quality = _quality(media_type, wanted)
        if quality > best_quality:
            best, best_quality = media_type, quality
    if best_quality <= 0:
        raise NotAcceptable(f"The answer can be had as {', '.join(offered)}.")
    return best


def _range(part: str) -> tuple[str, float]:
    bare, _, parameters = part.partition(";")
    weight = _parameter(parameters, "q")
    try:
        quality = 1.0 if weight is None else float(weight)
    except ValueError:
        quality = -1.0
    if not 0.0 <= quality <= 1.0:
        raise MalformedParameter("The Accept header has a weight that is not from 0 to 1.")
    return _plain(bare), quality


def _quality(media_type: str, wanted: list[tuple[str, float]]) -> float:
    """The weight of the most exact range that names this type; 0 when none does."""
    family = media_type.partition("/")[0] + "/*"
    for name in (media_type, family, "*/*"):
        found = [quality for one, quality in wanted if one == name]
        if found:
            return max(found)
    return 0.0


def _plain(bare: str) -> str:
    name = bare.strip().lower()
    return _SYNONYMS.get(name, name)


def _parameter(parameters: str, wanted: str) -> str | None:
    for part in parameters.split(";"):
        name, equals, value = part.partition("=")
        if equals and name.strip().lower() == wanted:
            return value.strip().strip('"').lower()
    return None
