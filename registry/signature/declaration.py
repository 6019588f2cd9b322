"""Plain: a signature that came as JSON: every member checked, the first fault named by pointer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.errors import InvalidField
from registry.signature.cells import CellRefused, read_scalar
from registry.signature.dtypes import DTYPES, DType
from registry.signature.names import name_fault, nearest, pointer_token, shown
from registry.signature.types import Column, Param, Signature

RANGED_KINDS = ("integer", "float", "datetime", "date")
MAX_RANK = 8
_SIGNATURE_MEMBERS = ("inputs", "outputs", "params")
_COLUMN_MEMBERS = ("name", "type", "nullable", "enum", "min", "max", "shape")
_PARAM_MEMBERS = ("name", "type", "default")


def read_signature(declared: Any, pointer: str = "") -> Signature:
    """What ``Signature.from_json`` does; see there."""
    members = _object(declared, _SIGNATURE_MEMBERS, pointer)
    if "inputs" not in members:
        raise InvalidField("A signature needs `inputs`.", pointer=pointer)
    inputs = _columns(members, "inputs", pointer)
    if not inputs:
        raise InvalidField("A signature needs one input at least.", pointer=f"{pointer}/inputs")
    return Signature(inputs, _columns(members, "outputs", pointer), _params(members, pointer))


def _object(declared: Any, known: tuple[str, ...], pointer: str) -> dict[str, Any]:
    if not isinstance(declared, dict):
        raise InvalidField("An object was expected.", pointer=pointer)
    for member in declared:
        if member not in known:
            raise InvalidField(
                f"There is no member `{shown(member)}` here; the nearest is "
                f"`{nearest(member, known)}`.",
                pointer=f"{pointer}/{pointer_token(member)}",
            )
    return declared


def _list(members: Mapping[str, Any], key: str, pointer: str) -> list[Any]:
    declared = members.get(key, [])
    if not isinstance(declared, list):
        raise InvalidField("A list was expected.", pointer=f"{pointer}/{key}")
    return declared


def _columns(members: Mapping[str, Any], key: str, pointer: str) -> tuple[Column, ...]:
    columns: list[Column] = []
    names: set[str] = set()
    for index, declared in enumerate(_list(members, key, pointer)):
        here = f"{pointer}/{key}/{index}"
        column = _column(declared, here)
        _once(column.name, names, here)
        columns.append(column)
    return tuple(columns)


def _once(name: str, names: set[str], here: str) -> None:
    if name in names:
        raise InvalidField(f"The name `{shown(name)}` stands here twice.", pointer=f"{here}/name")
    names.add(name)


def _column(declared: Any, here: str) -> Column:
    members = _object(declared, _COLUMN_MEMBERS, here)
    name, dtype = _name(members, here), _dtype(members, here)
    nullable = members.get("nullable", False)
    if not isinstance(nullable, bool):
        raise InvalidField("`nullable` is true or false.", pointer=f"{here}/nullable")
    low, high = (_bound(members, key, dtype, here) for key in ("min", "max"))
    if low is not None and high is not None and low > high:
        raise InvalidField("`min` is above `max`.", pointer=f"{here}/min")
    return Column(
        name, dtype.key, nullable, _enum(members, dtype, here), low, high, _shape(members, here)
    )


def _name(members: Mapping[str, Any], here: str) -> str:
    name = members.get("name")
    if not isinstance(name, str):
        raise InvalidField("A text `name` is needed.", pointer=f"{here}/name")
    fault = name_fault(name)
    if fault is not None:
        raise InvalidField(f"The name cannot be used: {fault}.", pointer=f"{here}/name")
    return name


def _dtype(members: Mapping[str, Any], here: str) -> DType:
    key = members.get("type")
    if not isinstance(key, str) or key not in DTYPES:
        known = ", ".join(DTYPES)
        raise InvalidField(f"`type` is one of {known}.", pointer=f"{here}/type")
    return DTYPES[key]


def _scalar(value: Any, dtype: DType, pointer: str) -> Any:
    if value is None:
        raise InvalidField(f"A value of type {dtype.key} was expected, not null.", pointer=pointer)
    try:
        return read_scalar(value, dtype)
    except CellRefused as refused:
        wanted = refused.expected or f"a value of type {dtype.key}"
        raise InvalidField(f"Expected {wanted} ({refused.code}).", pointer=pointer) from None


def _bound(members: Mapping[str, Any], key: str, dtype: DType, here: str) -> Any:
    if members.get(key) is None:
        return None
    if dtype.kind not in RANGED_KINDS:
        raise InvalidField(f"A {dtype.key} column has no `{key}`.", pointer=f"{here}/{key}")
    return _scalar(members[key], dtype, f"{here}/{key}")


def _enum(members: Mapping[str, Any], dtype: DType, here: str) -> tuple[Any, ...] | None:
    if members.get("enum") is None:
        return None
    declared = _list(members, "enum", here)
    if not declared:
        raise InvalidField("`enum` needs one value at least.", pointer=f"{here}/enum")
    values = tuple(
        _scalar(value, dtype, f"{here}/enum/{index}") for index, value in enumerate(declared)
    )
    if len(set(values)) < len(values):
        raise InvalidField("`enum` holds a value twice.", pointer=f"{here}/enum")
    return values


def _shape(members: Mapping[str, Any], here: str) -> tuple[int, ...] | None:
    if members.get("shape") is None:
        return None
    dims = _list(members, "shape", here)
    fits = all(type(dim) is int and (dim == -1 or dim > 0) for dim in dims)
    if not fits or not 1 <= len(dims) <= MAX_RANK:
        raise InvalidField(
            f"`shape` is a list of 1 to {MAX_RANK} dimensions, each above 0, or -1 where free.",
            pointer=f"{here}/shape",
        )
    return tuple(dims)


def _params(members: Mapping[str, Any], pointer: str) -> tuple[Param, ...]:
    params: list[Param] = []
    names: set[str] = set()
    for index, declared in enumerate(_list(members, "params", pointer)):
        here = f"{pointer}/params/{index}"
        fields = _object(declared, _PARAM_MEMBERS, here)
        name, dtype = _name(fields, here), _dtype(fields, here)
        _once(name, names, here)
        default = fields.get("default")
        if default is not None:
            default = _scalar(default, dtype, f"{here}/default")
        params.append(Param(name, dtype.key, default))
    return tuple(params)
