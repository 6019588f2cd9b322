"""How models, versions and datasets are named in one text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelyard.errors import UsageError
from modelyard.transport import path_of

_OF_VERSION = re.compile(r"(?P<name>[^/@]+)/versions/(?P<number>[0-9]+)")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """``churn`` (route or champion), ``churn@challenger`` (alias), ``churn/versions/3``."""

    text: str
    version: int | None = None

    @classmethod
    def parse(cls, ref: str, version: int | None = None) -> ModelRef:
        """Read a ref; ``version`` may come beside a bare name instead."""
        match = _OF_VERSION.fullmatch(ref)
        if match is None:
            if not ref or "/" in ref:
                raise UsageError(
                    f"{ref!r} names no model: write NAME, NAME@ALIAS or NAME/versions/N."
                )
            return cls(ref, version)
        if version is not None and version != int(match["number"]):
            raise UsageError(f"{ref!r} and version {version} name two versions.")
        return cls(match["name"], int(match["number"]))

    @property
    def predict_path(self) -> str:
        """Where rows are scored."""
        if self.version is None:
            return path_of("models", self.text, "predict")
        return path_of("models", self.text, "versions", self.version, "predict")


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """``customers`` (the newest version) or ``customers@3``."""

    name: str
    number: int | None = None

    @classmethod
    def parse(cls, ref: str) -> DatasetRef:
        """Read a ref."""
        name, at, number = ref.partition("@")
        if not name or "/" in ref or (at and not (number.isascii() and number.isdecimal())):
            raise UsageError(f"{ref!r} names no dataset: write NAME or NAME@NUMBER.")
        return cls(name, int(number) if at else None)

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}@{self.number}"
