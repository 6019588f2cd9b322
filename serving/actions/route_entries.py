"""What a route is asked for with, read strictly: shapes, weights, and nothing named twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.actions.aliases import check_alias_name
from registry.errors import InvalidField
from registry.signature.names import nearest, pointer_token, shown

TARGETS_MAX = 10
MIRRORS_MAX = 3
ALL = 100
_NUMBER_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One target or mirror as it was asked for; exactly one of ``alias`` and ``number`` is set.

    ``pointer`` is its place in the body. A mirror weighs 0.
    """

    pointer: str
    alias: str
    number: int | None
    weight: int = 0


def read_entries(targets: object, mirror: object) -> tuple[list[Entry], list[Entry]]:
    """Targets and mirrors; both empty for no route. Raises InvalidField with a JSON pointer."""
    answering = [
        _entry(one, f"/targets/{index}", ("version", "alias", "weight"))
        for index, one in enumerate(_listed(targets, "/targets", TARGETS_MAX))
    ]
    mirrors = [
        _entry(one, f"/mirror/{index}", ("version", "alias"))
        for index, one in enumerate(_listed(mirror, "/mirror", MIRRORS_MAX))
    ]
    if not answering and not mirrors:
        return [], []
    _refuse_twice(answering)
    _refuse_twice(mirrors)
    if not answering:
        raise InvalidField(
            "Somebody has to answer: name the champion with the weight 100.", pointer="/targets"
        )
    total = sum(entry.weight for entry in answering)
    if total != ALL:
        raise InvalidField(f"The weights add to {total}, not to {ALL}.", pointer="/targets")
    if len(answering) == 1:
        _refuse_twice([*answering, *mirrors])
    return answering, mirrors


def _listed(value: object, pointer: str, most: int) -> Sequence[Any]:
    if not isinstance(value, list):
        raise InvalidField("A list was expected.", pointer=pointer)
    if len(value) > most:
        raise InvalidField(f"At most {most} are taken, {len(value)} came.", pointer=pointer)
    return value


def _entry(value: object, pointer: str, known: tuple[str, ...]) -> Entry:
    if not isinstance(value, Mapping):
        raise InvalidField('An object such as {"alias": "champion"} was expected.', pointer=pointer)
    for name in value:
        if name not in known:
            raise InvalidField(
                f"Unknown field “{shown(name)}”; the nearest is “{nearest(name, known)}”.",
                pointer=f"{pointer}/{pointer_token(name)}",
            )
    if ("version" in value) == ("alias" in value):
        raise InvalidField("Name a version or an alias, one of the two.", pointer=pointer)
    weight = _weight(value, pointer) if "weight" in known else 0
    if "alias" in value:
        alias = check_alias_name(value["alias"], pointer=f"{pointer}/alias")
        return Entry(pointer, alias, None, weight)
    return Entry(pointer, "", _number(value["version"], f"{pointer}/version"), weight)


def _weight(value: Mapping[str, Any], pointer: str) -> int:
    if "weight" not in value:
        raise InvalidField("The weight is missing.", pointer=pointer)
    weight = _whole(value["weight"])
    if weight is None or not 0 <= weight <= ALL:
        raise InvalidField(
            f"A whole number from 0 to {ALL} was expected.", pointer=f"{pointer}/weight"
        )
    return weight


def _number(value: object, pointer: str) -> int:
    number = _whole(value)
    if number is None or not 1 <= number <= _NUMBER_MAX:
        raise InvalidField("A whole number from 1 on was expected.", pointer=pointer)
    return number


def _whole(value: object) -> int | None:
    """A whole number, 3.0 too; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        return None
    return int(value)


def _refuse_twice(entries: Sequence[Entry]) -> None:
    seen: dict[tuple[str, int | None], str] = {}
    for entry in entries:
        earlier = seen.setdefault((entry.alias, entry.number), entry.pointer)
        if earlier != entry.pointer:
            what = f"“{entry.alias}”" if entry.alias else f"Version {entry.number}"
            raise InvalidField(f"{what} stands at {earlier} already.", pointer=entry.pointer)
