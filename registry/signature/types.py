"""Plain: Signature, Column and Param: what a version takes and gives, and their JSON form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import pyarrow as pa

from registry.signature.cells import scalar_json
from registry.signature.dtypes import DTYPES, DType


@dataclass(frozen=True)
class Column:
    """One input or output column.

    ``enum``, ``min`` and ``max`` are plain Python values of the type (aware UTC datetimes for
    ``datetime``); null is judged by ``nullable`` alone. ``shape`` makes it a tensor column: the
    shape of one row's value, without the batch dimension, -1 where a dimension is free; its
    elements are never null.
    """

    name: str
    type: str
    nullable: bool = False
    enum: tuple[Any, ...] | None = None
    min: Any = None
    max: Any = None
    shape: tuple[int, ...] | None = None

    @cached_property
    def dtype(self) -> DType:
        """The row of the dtype table."""
        return DTYPES[self.type]

    @cached_property
    def arrow(self) -> pa.DataType:
        """The Arrow type of the column: a nested list for a tensor column."""
        arrow = self.dtype.arrow
        for _ in self.shape or ():
            arrow = pa.list_(arrow)
        return arrow

    @cached_property
    def enum_set(self) -> pa.Array | None:
        """The allowed values as an Arrow array of the scalar type."""
        return None if self.enum is None else pa.array(self.enum, self.dtype.arrow)

    @cached_property
    def type_text(self) -> str:
        """The type as an error message shows it: ``int64``, ``float32[28, 28]``."""
        return self.type if self.shape is None else f"{self.type}{list(self.shape)}"

    def to_json(self) -> dict[str, Any]:
        """The column as a JSON object; what is not set is left out."""
        shown_column: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "nullable": self.nullable,
        }
        if self.enum is not None:
            shown_column["enum"] = [scalar_json(value, self.dtype) for value in self.enum]
        for key, bound in (("min", self.min), ("max", self.max)):
            if bound is not None:
                shown_column[key] = scalar_json(bound, self.dtype)
        if self.shape is not None:
            shown_column["shape"] = list(self.shape)
        return shown_column


@dataclass(frozen=True)
class Param:
    """A parameter of a call. ``default`` is of the type; with a default of None, null is taken."""

    name: str
    type: str
    default: Any = None

    @property
    def dtype(self) -> DType:
        """The row of the dtype table."""
        return DTYPES[self.type]

    def to_json(self) -> dict[str, Any]:
        """The parameter as a JSON object."""
        default = None if self.default is None else scalar_json(self.default, self.dtype)
        return {"name": self.name, "type": self.type, "default": default}


@dataclass(frozen=True)
class Signature:
    """Ordered inputs and outputs, and the parameters that a call may set."""

    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...] = ()
    params: tuple[Param, ...] = ()

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs in signature order."""
        return tuple(column.name for column in self.inputs)

    @cached_property
    def input_set(self) -> frozenset[str]:
        """Names of the inputs, to look one up."""
        return frozenset(self.input_names)

    def __hash__(self) -> int:
        """The same for equal signatures; reckoned once, because tables are kept by signature."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.inputs, self.outputs, self.params))

    @cached_property
    def _input_schema(self) -> pa.Schema:
        return _schema(self.inputs)

    def input_schema(self) -> pa.Schema:
        """The Arrow schema of a validated batch."""
        return self._input_schema

    def output_schema(self) -> pa.Schema:
        """The Arrow schema of the default table answer."""
        return _schema(self.outputs)

    def to_json(self) -> dict[str, Any]:
        """The JSON form; ``from_json`` reads it back to an equal signature."""
        return {
            "inputs": [column.to_json() for column in self.inputs],
            "outputs": [column.to_json() for column in self.outputs],
            "params": [param.to_json() for param in self.params],
        }

    @classmethod
    def from_json(cls, declared: Any, *, pointer: str = "") -> Signature:
        """Read a signature that came as parsed JSON.

        ``pointer`` is where it stands in the body. Raises InvalidField with a JSON pointer to
        the first thing that is wrong.
        """
        from registry.signature.declaration import read_signature  # it needs these types

        return read_signature(declared, pointer)


@lru_cache(maxsize=4096)
def shared(signature: Signature) -> Signature:
    """The first of equal signatures that came here, for who keeps tables by signature.

    The same object is found in such a table at once; comparing two of 14 columns takes as long as
    decoding a row.
    """
    return signature


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.arrow, nullable=c.nullable) for c in columns])
