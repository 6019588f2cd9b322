"""Plain: the input tensors of an Open Inference request, as the columns of a signature.

One tensor per column, of shape ``[n]`` or ``[n, 1]`` (``[n, *shape]`` for a tensor column), or one
numeric matrix ``[n, k]`` for a model of ``k`` numeric columns. The datatype of a tensor must be
one whose values the column's type can hold; which values it really holds is for the one validator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from registry.errors import InvalidField
from registry.signature.names import nearest, shown
from registry.signature.rows import Cells
from registry.signature.types import Column, Signature
from registry.signature.validate import Validated, validate_columns, validate_rows
from serving.protocols.base import Limits
from serving.protocols.open_inference_tensors import (
    NUMPY,
    Tail,
    Tensor,
    read_tensor,
    taken_datatypes,
)


def read_inputs(inputs: Any, tail: memoryview, signature: Signature, limits: Limits) -> Validated:
    """The rows that the tensors make; ``tail`` is what stands behind the JSON.

    Raises InvalidField with a JSON pointer for a tensor that is no column of the model or does not
    fit its type and shape, MalformedBody for bytes that are missing or left over.
    """
    if not isinstance(inputs, list) or not inputs:
        raise InvalidField("`inputs` is a list of one tensor at least.", pointer="/inputs")
    left = Tail(tail)
    tensors = [read_tensor(entry, f"/inputs/{at}", left) for at, entry in enumerate(inputs)]
    left.check_used_up()
    _check_rows(tensors, limits)
    if _is_matrix(tensors, signature):
        return _of_matrix(tensors[0], signature)
    return validate_columns(signature, _columns(tensors, signature))


def described_inputs(signature: Signature) -> list[dict[str, Any]]:
    """The tensors of a model's columns, for its metadata; -1 is any number of rows."""
    return [
        {
            "name": column.name,
            "datatype": column.dtype.open_inference,
            "shape": [-1, 1] if column.shape is None else [-1, *column.shape],
        }
        for column in signature.inputs
    ]


def _check_rows(tensors: Sequence[Tensor], limits: Limits) -> None:
    first = tensors[0]
    for at, tensor in enumerate(tensors):
        if not tensor.shape:
            raise InvalidField("A shape begins with the rows.", pointer=f"/inputs/{at}/shape")
        if tensor.shape[0] != first.shape[0]:
            text = f"The input `{shown(tensor.name)}` has {tensor.shape[0]} rows"
            raise InvalidField(
                f"{text}, the input `{shown(first.name)}` has {first.shape[0]}.",
                pointer=f"/inputs/{at}/shape",
            )
    if first.shape[0] > limits.rows:
        text = f"A request may have {limits.rows} rows at most; a batch job takes any number."
        raise InvalidField(text, pointer="/inputs/0/shape")


# --- one tensor per column ----------------------------------------------------------------------


def _columns(tensors: Sequence[Tensor], signature: Signature) -> dict[str, Cells]:
    columns: dict[str, Cells] = {}
    by_name = {column.name: column for column in signature.inputs}
    for at, tensor in enumerate(tensors):
        column = by_name.get(tensor.name)
        if column is None:
            guess = nearest(tensor.name, signature.input_names)
            text = f"There is no input `{shown(tensor.name)}`; the nearest is `{guess}`."
            raise InvalidField(text, pointer=f"/inputs/{at}/name")
        if tensor.name in columns:
            text = f"The input `{shown(tensor.name)}` stands there twice."
            raise InvalidField(text, pointer=f"/inputs/{at}/name")
        _check_datatype(tensor, column, at)
        _check_shape(tensor, column, at)
        columns[tensor.name] = _cells(tensor, column)
    return columns


def _check_datatype(tensor: Tensor, column: Column, at: int) -> None:
    if tensor.datatype == column.dtype.open_inference:
        return
    taken = taken_datatypes(column)
    if tensor.datatype not in taken:
        text = f"The column `{column.name}` is {column.type_text} and takes {' '.join(taken)}"
        raise InvalidField(f"{text}, not {tensor.datatype}.", pointer=f"/inputs/{at}/datatype")


def _check_shape(tensor: Tensor, column: Column, at: int) -> None:
    inner = tensor.shape[1:]
    if column.shape is None:
        fits, wanted = inner in ((), (1,)), "[n] or [n, 1]"
    else:
        fits = len(inner) == len(column.shape) and all(
            wanted in (-1, given) for wanted, given in zip(column.shape, inner, strict=True)
        )
        wanted = str([-1, *column.shape])
    if not fits:
        text = f"The input `{column.name}` has the shape {wanted}, not {list(tensor.shape)}."
        raise InvalidField(text, pointer=f"/inputs/{at}/shape")
    if 0 in inner:
        # There may be any number of lists around nothing, and no element that pays for them.
        text = f"The input `{column.name}` has no element in a row of shape {list(inner)}."
        raise InvalidField(text, pointer=f"/inputs/{at}/shape")


def _cells(tensor: Tensor, column: Column) -> Cells:
    """One cell per row: the elements themselves, or nested lists for a tensor column."""
    if column.shape is None:
        return tensor.elements
    cells = tensor.elements
    for length in reversed(tensor.shape[1:]):
        if isinstance(cells, pa.Array):
            cells = pa.FixedSizeListArray.from_arrays(cells, length)
        else:
            cells = [cells[at : at + length] for at in range(0, len(cells), length)]
    return cells


# --- one matrix for all columns -----------------------------------------------------------------


def _is_matrix(tensors: Sequence[Tensor], signature: Signature) -> bool:
    """One tensor whose name is no column, and nothing but numbers in the signature."""
    return (
        len(tensors) == 1
        and tensors[0].name not in signature.input_set
        and len(tensors[0].shape) == 2
        and all(column.dtype.is_number and column.shape is None for column in signature.inputs)
    )


def _of_matrix(tensor: Tensor, signature: Signature) -> Validated:
    rows, width = tensor.shape
    if width != len(signature.inputs):
        text = f"The model has {len(signature.inputs)} columns, the matrix has {width}."
        raise InvalidField(text, pointer="/inputs/0/shape")
    for column in signature.inputs:
        _check_matrix_datatype(tensor, column)
    elements = tensor.elements
    if isinstance(elements, pa.Array):
        block = np.ascontiguousarray(tensor.numbers().reshape(rows, width).T)
        columns = {
            c.name: pa.array(values) for c, values in zip(signature.inputs, block, strict=True)
        }
        return validate_columns(signature, columns)
    return validate_rows(
        signature, [elements[at : at + width] for at in range(0, rows * width, width)]
    )


def _check_matrix_datatype(tensor: Tensor, column: Column) -> None:
    """A matrix has one datatype for all: whole columns take floats, if the values are whole."""
    is_whole = column.dtype.kind == "integer" and tensor.datatype in NUMPY
    if tensor.datatype == "BOOL" or not is_whole:
        _check_datatype(tensor, column, 0)
