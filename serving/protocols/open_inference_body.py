"""Plain: the JSON of an Open Inference request as msgspec types, for what is read at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from registry import strict_json
from registry.signature.lean import LeanTypes
from serving.protocols.open_inference_tensors import taken_datatypes

_Scalar = int | float | str | bool | None
ORDERED_NAMES = 4  # of an ordered tensor: name, shape, datatype, data


class Sizes(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The parameters of a tensor whose elements are bytes."""

    binary_data_size: int


class Tensor(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A tensor whose elements are still to be read, in JSON or behind it."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw | UnsetType = UNSET
    parameters: Sizes | UnsetType = UNSET


class _Output(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    parameters: dict[str, bool] | UnsetType = UNSET


class Beside(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The members beside ``inputs``."""

    id: str | UnsetType = UNSET
    model_name: str | UnsetType = UNSET
    outputs: list[_Output] | UnsetType = UNSET
    parameters: dict[str, _Scalar] | UnsetType = UNSET


class Body(Beside, forbid_unknown_fields=True, kw_only=True, gc=False):
    """Any tensors, in any order."""

    inputs: list[Tensor]


decode_body: Callable[[bytes], Body] = msgspec.json.Decoder(Body).decode


def members_of(body: Beside, text: bytes, names: int) -> dict[str, Any] | None:
    """The members beside ``inputs`` as the strict reader has them; None where one may stand twice.

    ``names`` are those inside of the tensors.
    """
    members: dict[str, Any] = {}
    names += 1
    if body.model_name is not UNSET:
        names += 1
    if body.id is not UNSET:
        members["id"] = body.id
        names += 1
    if body.parameters is not UNSET:
        members["parameters"] = body.parameters
        names += 1 + len(body.parameters)
    if body.outputs is not UNSET:
        members["outputs"] = [_output(one) for one in body.outputs]
        names += 1 + sum(
            1 if one.parameters is UNSET else 2 + len(one.parameters) for one in body.outputs
        )
    return members if strict_json.surely_unique(text, names) else None


def _output(one: _Output) -> dict[str, Any]:
    return {"name": one.name, "parameters": None if one.parameters is UNSET else one.parameters}


def ordered_body(types: LeanTypes) -> Any:
    """The type of a body whose tensors are the columns one by one."""
    made: dict[Any, Any] = {}
    tensors = []
    for kind, column in zip(types.types, types.signature.inputs, strict=True):
        key = (kind, taken_datatypes(column))
        if key not in made:
            made[key] = _tensor_type(*key)
        tensors.append(made[key])
    inputs: Any = tuple.__class_getitem__(tuple(tensors))
    return msgspec.defstruct(
        "Body",
        [("inputs", inputs)],
        bases=(Beside,),
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


def _tensor_type(kind: Any, datatypes: tuple[str, ...]) -> Any:
    fields = [
        ("name", str),
        ("shape", list[int]),
        ("datatype", Literal[datatypes]),
        ("data", list[kind]),
    ]
    return msgspec.defstruct("Tensor", fields, forbid_unknown_fields=True, gc=False)


def decoder_of(kind: Any) -> Callable[[Any], Any]:
    """Reads JSON as that type."""
    decode: Callable[[Any], Any] = msgspec.json.Decoder(kind).decode
    return decode
