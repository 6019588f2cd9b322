"""Plain: what a ref names: ``churn`` or ``churn@challenger``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry.errors import InvalidField

_NUMBER = re.compile(r"v?[0-9]+")


@dataclass(frozen=True, slots=True)
class Ref:
    """A model's name, and an alias of it; None means the model's route, else its champion."""

    name: str
    alias: str | None = None

    def __str__(self) -> str:
        return self.name if self.alias is None else f"{self.name}@{self.alias}"


def parse_ref(text: str, *, pointer: str = "") -> Ref:
    """Read a ref. Raises InvalidField for ``churn@3``: a version has a path of its own."""
    name, at, alias = text.partition("@")
    if not at:
        return Ref(name)
    if not alias:
        raise InvalidField(f"“{text}” is no ref: no alias follows the “@”.", pointer=pointer)
    if _NUMBER.fullmatch(alias) or alias == "latest":
        number = "n" if alias == "latest" else alias.lstrip("v")
        raise InvalidField(
            f"“{text}” is no ref: a ref names an alias. A version is called by "
            f"/models/{name}/versions/{number}/predict.",
            pointer=pointer,
        )
    return Ref(name, alias)
