"""Plain: the header of a ``.npy`` array (NumPy format 1.0 to 3.0): does it describe its bytes.

``numpy.load`` allocates what the header says before it reads: 130 bytes may ask for a terabyte.
"""

from __future__ import annotations

import ast
import math
import re
from typing import Any

from registry.scan.finding import Refused, shown
from registry.scan.pickle_arrays import dtype_of

MAGIC = b"\x93NUMPY"
HEADER_MAX_BYTES = 16 << 10
# The magic, the version and the longest length field stand before the header.
PREFIX_MAX_BYTES = 12
DIMENSIONS_MAX = 32
_ORDER_AND_CODE = re.compile(r"[<>|=]([a-zA-Z]\d{1,9})(?:\[\w{1,8}\])?")


def check_npy(head: bytes, size: int, member: str) -> None:
    """Raise Refused unless the header is plain and the array fills the member's ``size`` exactly.

    ``head`` is the beginning of the member, at least 16 KiB and 12 bytes of it where it is longer.
    """
    header, data_at = _header(head, member)
    try:
        facts = ast.literal_eval(header)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise _malformed(member, "its header does not parse") from None
    if not isinstance(facts, dict) or set(facts) != {"descr", "fortran_order", "shape"}:
        raise _malformed(member, "its header has other members")
    count = math.prod(_shape(facts["shape"], member))
    needed = count * _item_bytes(facts["descr"], member)
    if data_at + needed != size:
        found = f"it says {needed} bytes of data, and {size - data_at} are there"
        raise _malformed(member, found)


def _header(head: bytes, member: str) -> tuple[str, int]:
    if not head.startswith(MAGIC) or len(head) < 10:
        raise _malformed(member, "it does not begin like an array")
    version = (head[6], head[7])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise _malformed(member, f"its version is {version[0]}.{version[1]}")
    width = 2 if version == (1, 0) else 4
    length = int.from_bytes(head[8 : 8 + width], "little")
    data_at = 8 + width + length
    if length > HEADER_MAX_BYTES or data_at > len(head):
        raise _malformed(member, f"its header has {length} bytes")
    try:
        return head[8 + width : data_at].decode("utf-8").strip(), data_at
    except UnicodeDecodeError:
        raise _malformed(member, "its header is no text") from None


def _shape(shape: Any, member: str) -> tuple[int, ...]:
    if (
        not isinstance(shape, tuple)
        or len(shape) > DIMENSIONS_MAX
        or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape)
    ):
        raise _malformed(member, f"its shape is {shown(shape)}")
    return shape


def _item_bytes(descr: Any, member: str) -> int:
    """Bytes of one element; a structured type is a list of (name, type[, shape])."""
    if isinstance(descr, str):
        return _bytes_of_type(descr, member)
    if not isinstance(descr, list) or not 1 <= len(descr) <= 256:
        raise _malformed(member, f"its type is {shown(descr)}")
    return sum(_field_bytes(field, member) for field in descr)


def _bytes_of_type(descr: str, member: str) -> int:
    """Bytes of a plain type as numpy writes it: ``<f8``, ``|b1``, ``<U12``, ``<M8[ns]``."""
    spelled = _ORDER_AND_CODE.fullmatch(descr)
    dtype = dtype_of(spelled[1]) if spelled is not None else None
    if dtype is None or dtype.has_objects or ("[" in descr and dtype.code not in ("m8", "M8")):
        raise _malformed(member, f"its type is {shown(descr)}")
    return dtype.itemsize


def _field_bytes(field: Any, member: str) -> int:
    if not isinstance(field, tuple) or len(field) not in (2, 3) or not isinstance(field[1], str):
        raise _malformed(member, f"its type has the field {shown(field)}")
    repeated = math.prod(_shape(field[2], member)) if len(field) == 3 else 1
    return repeated * _item_bytes(field[1], member)


def _malformed(member: str, how: str) -> Refused:
    return Refused("skops-array-malformed", f"The array {shown(member)} is refused: {how}")
