"""Plain: one value of a row or an answer, short enough to be kept beside hundreds of others."""

from __future__ import annotations

import json
from typing import Any

TEXT_MAX = 80


def short(value: Any) -> Any:
    """A JSON value as it is, or as the beginning of its text where it is long.

    U+0000, which PostgreSQL keeps in no text, is shown by its symbol.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("\0", "\u2400")
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
