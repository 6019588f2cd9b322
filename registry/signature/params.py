"""Plain: the parameters of a call, checked without loss like cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.errors import InvalidField
from registry.signature.cells import CellRefused, read_scalar
from registry.signature.names import nearest, pointer_token, shown
from registry.signature.types import Param, Signature


def read_params(signature: Signature, given: Any, *, pointer: str = "/params") -> dict[str, Any]:
    """All parameters by name: typed as declared, with the defaults of those that were not given.

    Null is taken where the default is null. Raises InvalidField with a JSON pointer.
    """
    if not isinstance(given, Mapping):
        raise InvalidField("An object was expected.", pointer=pointer)
    known = {param.name: param for param in signature.params}
    values = {name: param.default for name, param in known.items()}
    for name, value in given.items():
        here = f"{pointer}/{pointer_token(name)}"
        if name not in known:
            raise InvalidField(_unknown_text(name, known), pointer=here)
        values[name] = _value(known[name], value, here)
    return values


def _unknown_text(name: str, known: Mapping[str, Param]) -> str:
    if not known:
        return f"There is no parameter `{shown(name)}`; the model takes none."
    return f"There is no parameter `{shown(name)}`; the nearest is `{nearest(name, known)}`."


def _value(param: Param, value: Any, here: str) -> Any:
    if value is None:
        if param.default is None:
            return None
        raise InvalidField(f"Expected {param.type}, not null.", pointer=here)
    try:
        return read_scalar(value, param.dtype)
    except CellRefused as refused:
        wanted = refused.expected or param.type
        raise InvalidField(f"Expected {wanted} ({refused.code}).", pointer=here) from None
