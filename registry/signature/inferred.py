"""Plain: what inference answers: a signature with notes, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from registry.errors import CheckRefused
from registry.signature.names import name_fault, shown
from registry.signature.types import Signature

NAMES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the person who registers should read; a warning where it may be a mistake."""

    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Inferred:
    """A signature and what is to be said about how it came to be."""

    signature: Signature
    notes: tuple[Note, ...] = ()


class ExampleNeeded(CheckRefused):
    """The fitted object alone does not tell the types of its inputs."""

    def __init__(self, message: str, **evidence: Any) -> None:
        super().__init__("example-needed", message, **evidence)


class ExampleDiffers(CheckRefused):
    """The example is not what the model was fitted on."""

    def __init__(self, message: str, **evidence: Any) -> None:
        super().__init__("example-does-not-fit", message, **evidence)


def check_name(name: str) -> None:
    """Raise CheckRefused for a column name that cannot be used."""
    fault = name_fault(name)
    if fault is not None:
        raise CheckRefused(
            "column-name-refused",
            f"The column name {shown(name)!r} cannot be used: {fault}. "
            "Rename the column before the model is fitted.",
            column=shown(name),
        )


def listed(names: Sequence[str]) -> str:
    """Some names for a message, at most ten of them."""
    texts = ", ".join(f"`{shown(name)}`" for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{texts} and {more} more" if more > 0 else texts
