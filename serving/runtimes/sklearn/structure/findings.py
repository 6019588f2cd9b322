"""How a structural check says no: the kind, the path of the part, what was found and expected."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from registry.errors import CheckRefused
from serving.runtimes.sklearn.structure.walk import Place

REMEDY = "The file was altered or damaged: save the model again."
# Every kind there is; the reason code of a refusal is ``structure-<kind>``.
KINDS = (
    "array",
    "centers",
    "columns",
    "cycle",
    "encoder",
    "hist-gradient",
    "libsvm",
    "metric",
    "neighbors",
    "network",
    "not-finite",
    "random-state",
    "shadowed-method",
    "shape",
    "sparse",
    "spline",
    "too-large",
    "tree",
    "unreadable",
    "vocabulary",
    "writes-back",
)
_SHOWN_CHARS = 200


def refuse(kind: str, place: Place | str, said: str) -> NoReturn:
    """Raise CheckRefused ``structure-<kind>`` with the path in its text and its evidence."""
    path = str(place)
    text = f"{path or 'the model'}: {said[:_SHOWN_CHARS]}. {REMEDY}"
    raise CheckRefused(f"structure-{kind}", text, path=path)


def require(holds: Any, kind: str, place: Place | str, said: str) -> None:
    """Refuse unless it holds; ``said`` tells what was found and what was expected."""
    if not holds:
        refuse(kind, place, said)


def indices_within(found: np.ndarray, limit: int) -> bool:
    """Whether every value stands in ``0 .. limit - 1``; true for no values at all."""
    return not found.size or (int(found.min()) >= 0 and int(found.max()) < limit)


def array_of(
    value: Any, kind: str, place: Place | str, dtype: Any, shape: tuple[int | None, ...]
) -> np.ndarray:
    """The value, held to be an array of this very dtype and shape; None is any size."""
    wanted = np.dtype(dtype)
    if type(value) is not np.ndarray:
        refuse(kind, place, f"a {type(value).__name__} instead of an array of {wanted}")
    fits = value.ndim == len(shape) and all(
        size is None or size == there for size, there in zip(shape, value.shape, strict=True)
    )
    if value.dtype != wanted or not fits:
        sizes = ", ".join("any" if size is None else str(size) for size in shape)
        refuse(
            kind,
            place,
            f"an array {value.dtype} {value.shape} where {wanted} ({sizes}) is expected"[:190],
        )
    found: np.ndarray = value
    return found
