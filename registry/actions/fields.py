"""Checks of the plain fields that several actions take; each refusal names the field."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from registry.errors import InvalidField
from registry.models.base import NAME_HELP, NAME_PATTERN

TEXT_MAX_CHARS = 100_000
TAGS_MAX = 100
TAG_MAX_CHARS = 256
METRICS_MAX = 1_000


def check_name(name: object, *, pointer: str = "/name") -> str:
    """A name of a model, dataset or schedule, as it is. Raises InvalidField."""
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        raise InvalidField(f"Not a name: {NAME_HELP}", pointer=pointer)
    return name


def check_text(text: object, *, pointer: str) -> str:
    """A text of at most 100,000 characters without NUL. Raises InvalidField."""
    if not isinstance(text, str) or len(text) > TEXT_MAX_CHARS or "\0" in text:
        raise InvalidField(
            f"A text of at most {TEXT_MAX_CHARS:,} characters was expected.", pointer=pointer
        )
    return text


def check_choice(value: object, choices: list[str], *, pointer: str) -> str:
    """One of the choices. Raises InvalidField, which lists them."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidField(f"One of {', '.join(choices)} was expected.", pointer=pointer)
    return value


def check_tags(tags: object, *, pointer: str = "/tags") -> dict[str, str]:
    """An object of texts. Raises InvalidField, which names the tag."""
    if not isinstance(tags, Mapping) or len(tags) > TAGS_MAX:
        raise InvalidField(f"An object of at most {TAGS_MAX} texts was expected.", pointer=pointer)
    for key, value in tags.items():
        if not _is_tag_text(key) or not key:
            raise InvalidField("A tag's key is a text of 1 to 256 characters.", pointer=pointer)
        if not _is_tag_text(value):
            raise InvalidField(
                "A tag's value is a text of at most 256 characters.", pointer=f"{pointer}/{key}"
            )
    return dict(tags)


def check_metrics(metrics: object, *, pointer: str = "/metrics") -> dict[str, float]:
    """An object of finite numbers. Raises InvalidField, which names the metric.

    A whole number that no 64 bits hold becomes the nearest float: answers could not show it.
    """
    if not isinstance(metrics, Mapping) or len(metrics) > METRICS_MAX:
        raise InvalidField("An object of numbers was expected.", pointer=pointer)
    checked = {}
    for key, value in metrics.items():
        if not isinstance(key, str) or not _is_tag_text(key):
            raise InvalidField("A metric's name is a text.", pointer=pointer)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidField("A metric is a number.", pointer=f"{pointer}/{key}")
        try:
            as_float = float(value)
        except OverflowError:
            as_float = math.inf
        if not math.isfinite(as_float):
            raise InvalidField("A metric is a finite number.", pointer=f"{pointer}/{key}")
        checked[key] = value if abs(value) < 2**63 else as_float
    return checked


def changed(row: Any, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What would change on a row: the fields before and after, only those that differ."""
    before = {k: getattr(row, k) for k, v in values.items() if getattr(row, k) != v}
    return before, {k: values[k] for k in before}


def _is_tag_text(text: object) -> bool:
    return isinstance(text, str) and len(text) <= TAG_MAX_CHARS and "\0" not in text
