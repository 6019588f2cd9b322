"""What a model file itself brings for its checks: an MLflow folder's signature and example rows.

It stands in where the person who registers sent none. What does not fit the model is left out
with a note: MLflow holds nobody to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from registry import strict_json
from registry.errors import DomainError
from registry.scan import Finding
from registry.signature.types import Signature

MEMBER = "taken_over"
# As which format of tables the example is read.
FORMAT = "json"


@dataclass(frozen=True, slots=True)
class Brought:
    """``signature`` and ``example`` (a JSON list of rows) are None where there is none to use."""

    signature: Signature | None = None
    example: bytes | None = None
    notes: tuple[str, ...] = ()

    def attempts(self) -> Iterator[Brought]:
        """All of it, then less and less, at last nothing; each says in a note what it lacks."""
        pairs = [(s, e) for s in (self.signature, None) for e in (self.example, None)]
        for signature, example in dict.fromkeys(pairs):
            lacking = [
                name
                for name, had, has in (
                    ("signature", self.signature, signature),
                    ("input example", self.example, example),
                )
                if had is not None and has is None
            ]
            notes = [
                f"The {name} in the file does not fit the model: not used." for name in lacking
            ]
            yield Brought(signature, example, (*self.notes, *notes))


NOTHING = Brought()


def brought_by(finding: Finding) -> Brought:
    """What the finding says that the file brings; nothing for most files."""
    told = finding.evidence.get(MEMBER)
    if not isinstance(told, Mapping):
        return NOTHING
    example = told.get("example")
    return Brought(
        _signature(told.get("signature")),
        strict_json.dumps(example) if isinstance(example, list) and example else None,
        tuple(str(note)[:300] for note in told.get("notes", ())),
    )


def _signature(declared: Any) -> Signature | None:
    try:
        return None if declared is None else Signature.from_json(declared)
    except DomainError:
        return None


def without_cells(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence as it may be kept: what the file brings has cells, which may be hidden."""
    return {key: value for key, value in evidence.items() if key != MEMBER}
