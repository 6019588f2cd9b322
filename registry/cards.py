"""What a model card says: its fields, which of them are missing, and how one that is sent is read.

The fields follow Mitchell et al., "Model Cards for Model Reporting" (2019), as far as the registry
does not know the answer itself: name, versions, signature and format stand beside the card.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from registry.errors import InvalidField

TEXT_MAX_CHARS = 10_000
RISKS = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class CardField:
    """One field. ``asks`` says what belongs there, ``example`` how an answer may begin.

    Where ``choices`` is empty the answer is Markdown of at most 10,000 characters.
    """

    name: str
    label: str
    asks: str
    example: str = ""
    choices: tuple[str, ...] = ()


FIELDS = (
    CardField(
        "intended_use",
        "Intended use",
        "Who decides what with the answers, and what they are not for.",
        "Ranks renewals for the retention team. Not for prices, not for refusals.",
    ),
    CardField(
        "data",
        "Data",
        "What it was trained and tried on: where from, how many rows, of what time, what is left "
        "out.",
        "41,000 contracts of 2023 to 2025, without business customers.",
    ),
    CardField(
        "metrics",
        "Metrics",
        "How good it is, measured how, and on which groups it is worse.",
        "AUC 0.84 on the last quarter, which it had not seen; 0.79 for customers of under a year.",
    ),
    CardField(
        "limits",
        "Limits",
        "Where it is wrong or was never tried, and what to watch.",
        "Unknown for customers abroad. Watch the share of rows with no contract date.",
    ),
    CardField(
        "owner",
        "Owner",
        "Who answers for it, and how to reach them.",
        "Retention analytics, retention@example.org",
    ),
    CardField(
        "risk_rating",
        "Risk rating",
        "What a wrong answer can do.",
        choices=RISKS,
    ),
)
_BY_NAME = {field.name: field for field in FIELDS}


def missing(card: Mapping[str, str]) -> list[str]:
    """The names of the fields that have no answer yet, in the card's order; all are needed."""
    return [field.name for field in FIELDS if not card.get(field.name, "").strip()]


def read_card(sent: object, *, pointer: str = "/card") -> dict[str, str]:
    """The fields that were sent; an empty text stands for none. Raises InvalidField.

    ``pointer`` is where the card lies in the body, for the error.
    """
    if not isinstance(sent, Mapping):
        raise InvalidField(
            "An object with the fields of a model card was expected.", pointer=pointer
        )
    return {name: _read(name, value, pointer) for name, value in sent.items()}


def merged(card: Mapping[str, str], sent: Mapping[str, str]) -> dict[str, str]:
    """The card with what was sent in place, in the card's order; an empty text takes one away."""
    whole = {**card, **sent}
    return {field.name: whole[field.name] for field in FIELDS if whole.get(field.name)}


def _read(name: str, value: object, card: str) -> str:
    field = _BY_NAME.get(name)
    if field is None:
        near = difflib.get_close_matches(name, list(_BY_NAME), n=1, cutoff=0.5)
        hint = f"did you mean “{near[0]}”?" if near else f"known are {', '.join(_BY_NAME)}."
        escaped = name[:100].replace("~", "~0").replace("/", "~1")
        raise InvalidField(
            f"A model card has no field “{name[:100]}”; {hint}", pointer=f"{card}/{escaped}"
        )
    pointer = f"{card}/{name}"
    if not isinstance(value, str):
        raise InvalidField("A text was expected.", pointer=pointer)
    if field.choices and value and value not in field.choices:
        raise InvalidField(f"One of {', '.join(field.choices)} was expected.", pointer=pointer)
    if len(value) > TEXT_MAX_CHARS or "\0" in value:
        raise InvalidField(
            f"A text of at most {TEXT_MAX_CHARS:,} characters was expected.", pointer=pointer
        )
    return value if value.strip() else ""
