"""An answer of the native protocol to one row, as something to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

BARS_SHOWN = 20
TITLES = {"decision": "Decision", "transform": "Transformed"}


def shown_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """Predictions as (output, text), probabilities as groups of bars, the rest as values.

    ``bars`` of a group are (label, share in 0..1 or None, text), the most probable first.
    """
    return {
        "predictions": _named(_first(body.get("predictions"))),
        "groups": _groups(_first(body.get("probabilities"))),
        "others": [
            (title, _named(_first(body[key]))) for key, title in TITLES.items() if key in body
        ],
        "json": json.dumps(body, indent=2, ensure_ascii=False),
    }


def _first(values: Any) -> Any:
    return values[0] if isinstance(values, list) and values else None


def _named(value: Any) -> list[tuple[str, str]]:
    """Several outputs come as an object, one as it is."""
    if isinstance(value, Mapping):
        return [(str(name), _text(one)) for name, one in value.items()]
    return [] if value is None else [("", _text(value))]


def _groups(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, Mapping):
        return []
    if value and all(isinstance(one, Mapping) for one in value.values()):
        return [{"output": str(name), **_bars(one)} for name, one in value.items()]
    return [{"output": "", **_bars(value)}]


def _bars(shares: Mapping[str, Any]) -> dict[str, Any]:
    ranked = sorted(shares.items(), key=lambda pair: -(pair[1] or 0.0))
    bars = [
        (str(label), share, "—" if share is None else f"{share:.1%}")
        for label, share in ranked[:BARS_SHOWN]
    ]
    return {"bars": bars, "left_out": max(0, len(ranked) - BARS_SHOWN)}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.8g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
